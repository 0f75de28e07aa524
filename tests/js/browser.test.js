// The pure functions of browser.js.
import assert from "node:assert/strict";
import { test } from "node:test";
import { destination, inSight, reveal, scroller } from "../../s3nb/notebook/browser.js";

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
