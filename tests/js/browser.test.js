// The pure functions of browser.js.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  crumbs, destination, inSight, isWeb, lines, plural, reveal, scroller, selectedText, sizeText, statusText, timeText, visible,
} from "../../s3nb/notebook/browser.js";

test("what does not print is written as an escape", () => {
  assert.equal(visible("a\x1b[31m\u202eb\u200b\n"), "a\\x1b[31m\\u{202e}b\\u{200b}\\x0a");
  assert.equal(visible("umläut 日本 🐍 <b>"), "umläut 日本 🐍 <b>");
  assert.equal(lines("a\tb\r\n\x07c\n"), "a\tb\n\\x07c\n");
});

test("sizes are those of the library", () => {
  assert.deepEqual([null, 0, 1023, 1024, 1536, 20 * 2 ** 20, 1023 * 1024, 5 * 2 ** 50].map(sizeText),
    ["", "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "20.0 MiB", "1.0 MiB", "5.0 PiB"]);
});

test("times are UTC, and none is none", () => {
  assert.equal(timeText(1767225600), "2026-01-01 00:00");
  assert.equal(timeText(null), "");
  assert.equal(timeText(1e30), "");
});

test("words for numbers", () => {
  assert.deepEqual([plural(1, "object"), plural(2, "prefix"), plural(12345, "row")], ["1 object", "2 prefixes", "12,345 rows"]);
});

test("a path is the levels that lead to it, to the letter", () => {
  assert.deepEqual(crumbs("s3://"), [{ label: "s3://", url: "s3://" }]);
  assert.deepEqual(crumbs("s3://b/a//c/").map((c) => c.url), ["s3://", "s3://b/", "s3://b/a/", "s3://b/a//", "s3://b/a//c/"]);
  assert.deepEqual(crumbs("s3://b/a//").map((c) => c.label), ["s3://", "b/", "a/", "/"]);
});

test("fewer than a hundred rows are in sight, whatever there is", () => {
  for (const total of [0, 1, 50, 1000, 1e5, 1e6, 2e6])
    for (const share of [0, 0.1, 0.5, 0.999, 1]) {
      const height = 420, { tall } = scroller(total, height);
      const { start, stop } = inSight(share * Math.max(0, tall - height), height, total);
      assert.ok(stop - start < 100 && start >= 0 && stop <= total && (total === 0 || stop > start), `${total} ${share}`);
    }
});

test("the ends of a million rows are reached, and rows are drawn where they are in sight", () => {
  const total = 1e6, height = 420, { tall } = scroller(total, height);
  assert.ok(tall <= 12e6);
  assert.equal(inSight(0, height, total).start, 0);
  assert.equal(inSight(tall - height, height, total).stop, total);
  for (const top of [0, 12345, 5e6, tall - height]) {
    const { start, stop, shift } = inSight(top, height, total);
    const middle = Math.floor((start + stop) / 2);
    const drawn = middle * 26 + shift - top;
    assert.ok(drawn >= -26 && drawn <= height, `row ${middle} at ${drawn}`);
  }
});

test("a row that is not in sight is scrolled to, one that is is not", () => {
  for (const total of [1000, 1e6]) {
    for (const index of [0, 500, total - 1]) {
      const top = reveal(index, 300 * 26, 420, total) ?? 300 * 26;
      const { start, stop } = inSight(top, 420, total);
      assert.ok(start <= index && index < stop);
      assert.ok(Math.abs((reveal(index, top, 420, total) ?? top) - top) < 0.01);
    }
  }
});

test("keys lead to rows that are there", () => {
  assert.equal(destination("ArrowDown", 5, 10, 4), 6);
  assert.equal(destination("ArrowDown", 9, 10, 4), 9);
  assert.equal(destination("PageUp", 2, 10, 4), 0);
  assert.equal(destination("End", 0, 10, 4), 9);
  assert.equal(destination("ArrowDown", 0, 0, 4), null);
  assert.equal(destination("x", 0, 10, 4), null);
});

test("the line below the rows is honest about what is loaded", () => {
  const s = { loaded: 3000, complete: false, loading: false, path: "s3://b/", sort: "-size", searching: false, sweeping: false, full: false, scanned: 0, problem: null };
  assert.equal(statusText(s), "3,000 rows loaded, more in S3, sorted among the 3,000 loaded");
  assert.equal(statusText({ ...s, complete: true }), "3,000 rows");
  assert.equal(statusText({ ...s, searching: true, sweeping: true, scanned: 120000, loaded: 7 }), "Searching: 7 matches in 120,000 keys so far");
  assert.equal(statusText({ ...s, searching: true, scanned: 1, loaded: 1 }), "1 match in 1 key, stopped");
  assert.match(statusText({ ...s, full: true }), /narrow it down/);
  assert.equal(selectedText({ objects: 2, prefixes: 1, size: 2048 }), "2 objects (2.0 KiB), 1 prefix selected");
  assert.equal(selectedText({ objects: 0, prefixes: 0, size: 0 }), "");
});

test("only links into the web are followed", () => {
  assert.ok(isWeb("https://x/y") && isWeb("http://127.0.0.1/"));
  assert.ok(!isWeb("javascript:alert(1)") && !isWeb("data:text/html,x") && !isWeb(" https://x"));
});
