// @ts-check
// The view of S3Browser. State lives in the kernel: this draws it, asks for rows as they come into sight, and says what was
// pressed. Everything that comes from S3 is put into the page as text (textContent), never as markup.

// -- pure functions ------------------------------------------------------------------------------

/** @typedef {[id: string, depth: number, kind: string, name: string, size: number | null, time: number | null,
 *            storage: string, selected: boolean, expanded: boolean]} Row */

const ROW = 26; // px; browser.css has the same number
const TALLEST = 12_000_000; // px; Firefox draws no element taller than 17,895,697
const PAGE = 100; // rows asked for at once
const KEPT = 4000; // rows remembered around what is in sight

/** Write what does not print as itself as an escape: names come from other people. @param {string} text */
export function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu, (c) => {
    const code = /** @type {number} */ (c.codePointAt(0));
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** @param {number | null} size bytes @returns {string} */
export function sizeText(size) {
  if (size === null) return "";
  if (size < 1024) return `${size} B`;
  for (const unit of ["KiB", "MiB", "GiB", "TiB"]) {
    size /= 1024;
    if (size < 1000) return `${size.toFixed(1)} ${unit}`;
  }
  return `${(size / 1024).toFixed(1)} PiB`;
}

/** @param {number | null} seconds Unix time @returns {string} UTC, to the minute */
export function timeText(seconds) {
  if (seconds === null || !(Math.abs(seconds) < 8.64e12)) return "";
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
}

/** @param {number} count @param {string} word */
export function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : /(s|x|ch)$/.test(word) ? "es" : "s"}`;
}

/** The levels that lead to a path, buckets first. @param {string} path @returns {{label: string, url: string}[]} */
export function crumbs(path) {
  const found = [{ label: "s3://", url: "s3://" }];
  let at = 5;
  while (at < path.length) {
    const slash = path.indexOf("/", at);
    const end = slash < 0 ? path.length : slash + 1;
    found.push({ label: path.slice(at, end), url: path.slice(0, end) });
    at = end;
  }
  return found;
}

/** How far rows reach, and how many of them one pixel of scrolling passes. @param {number} total @param {number} height */
export function scroller(total, height) {
  const full = total * ROW;
  const tall = Math.min(full, TALLEST);
  return { tall, ratio: tall > height && full > tall ? (full - height) / (tall - height) : 1 };
}

/** The rows in sight, with a few around them. @param {number} top @param {number} height @param {number} total */
export function inSight(top, height, total) {
  const { ratio } = scroller(total, height);
  const first = Math.floor((top * ratio) / ROW);
  const around = 4;
  return {
    start: Math.max(0, Math.min(first, total) - around),
    stop: Math.min(total, first + Math.ceil(height / ROW) + 1 + around),
    shift: top - top * ratio, // from where a row would be to where it is drawn
  };
}

/** Where to scroll so that a row is in sight; null if it is. @param {number} index @param {number} top @param {number} height @param {number} total */
export function reveal(index, top, height, total) {
  const { ratio } = scroller(total, height);
  const at = index * ROW;
  if (at < top * ratio) return at / ratio;
  if (at + ROW > top * ratio + height) return (at + ROW - height) / ratio;
  return null;
}

/** Where a key leads from a row; null if it leads nowhere. @param {string} key @param {number} at @param {number} total @param {number} page */
export function destination(key, at, total, page) {
  const last = total - 1;
  /** @type {Record<string, number>} */
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last, PageDown: at + page, PageUp: at - page };
  return key in to && total > 0 ? Math.max(0, Math.min(last, to[key])) : null;
}

/** What the line below the rows says. @param {any} s the state */
export function statusText(s) {
  const n = (/** @type {number} */ x) => x.toLocaleString("en");
  const rows = plural(s.loaded, s.searching ? "match" : s.path === "s3://" ? "bucket" : "row");
  if (s.problem) return "";
  if (s.searching) {
    const looked = `${rows} in ${plural(s.scanned, "key")}`;
    if (s.full) return `${looked}, and that is enough for one list: narrow it down`;
    return s.sweeping ? `Searching: ${looked} so far` : s.complete ? looked : `${looked}, stopped`;
  }
  const sorted = s.sort === "name" || s.complete ? "" : `, sorted among the ${n(s.loaded)} loaded`;
  if (s.full && !s.complete) return `${rows} loaded, and that is enough for one list: narrow it down${sorted}`;
  if (s.complete) return rows;
  return s.loading ? `${rows} loaded, loading more${sorted}` : `${rows} loaded, more in S3${sorted}`;
}

/** What is said of the selection. @param {{objects: number, prefixes: number, size: number}} s */
export function selectedText(s) {
  const parts = [];
  if (s.objects) parts.push(`${plural(s.objects, "object")} (${sizeText(s.size)})`);
  if (s.prefixes) parts.push(plural(s.prefixes, "prefix"));
  return parts.length ? `${parts.join(", ")} selected` : "";
}

/** Whether a row is something in S3, and not the end of a level that is not all there. @param {Row} row */
export function isEntry(row) {
  return row[2] === "object" || row[2] === "prefix" || row[2] === "bucket";
}

/** Whether a link may be followed. @param {string} url */
export function isWeb(url) {
  return /^https?:\/\//i.test(url);
}

// -- elements ------------------------------------------------------------------------------------

/** Make an element: attributes by name, text and elements as children. Text is text.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node | string | null)} children @returns {any} */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on") && typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((c) => c !== null).map((c) => (typeof c === "string" ? document.createTextNode(c) : c)));
  return node;
}

const DRAWINGS = {
  back: "M10 3 5 8l5 5", forward: "M6 3l5 5-5 5", up: "M8 13V3M4 7l4-4 4 4", refresh: "M13 8a5 5 0 1 1-1.5-3.5M13 2v3h-3",
  twist: "M6 4l4 4-4 4", prefix: "M1.5 12.5v-9h4.5l1.5 2h7v7z", object: "M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3",
  bucket: "M2.5 3.5h11l-1.5 11h-8zM2.5 3.5c0-2.5 11-2.5 11 0", download: "M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  save: "M2.5 2.5h11v8h-11zM6 13.5h4M8 10.5v3", uri: "M6 4.5H4a3.5 3.5 0 0 0 0 7h2M10 4.5h2a3.5 3.5 0 0 1 0 7h-2M5.5 8h5",
  code: "M5.5 4 2 8l3.5 4M10.5 4 14 8l-3.5 4", link: "M8 1.5a6.5 6.5 0 1 0 .01 0M8 4.5V8l2.5 1.5", count: "M3 3h10M3 8h10M3 13h6",
  upload: "M8 11V3M4.5 6 8 2.5 11.5 6M2.5 13.5h11", remove: "M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.5 9h6l.5-9", info: "M9.5 2.5h4v11h-4zM2.5 2.5h5v11h-5z",
  close: "M4 4l8 8M12 4l-8 8", edit: "M3 13l.6-2.8L11 2.8l2.2 2.2-7.4 7.4z",
}; // prettier-ignore

/** @param {keyof typeof DRAWINGS} name @returns {SVGElement} */
function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `s3nb-icon s3nb-icon-${name}`);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", DRAWINGS[name]);
  svg.append(path);
  return svg;
}

/** @param {keyof typeof DRAWINGS} drawing @param {string} label @param {() => void} action @param {boolean} [worded] */
function button(drawing, label, action, worded = false) {
  return h("button", { type: "button", class: "s3nb-button", title: label, "aria-label": label, onclick: action },
    icon(drawing), worded ? h("span", { class: "s3nb-word" }, label) : null); // prettier-ignore
}

let views = 0;

// -- the view ------------------------------------------------------------------------------------

/** One view of a browser: a model may have several. */
class View {
  /** @param {any} model @param {HTMLElement} el */
  constructor(model, el) {
    this.model = model;
    this.name = `s3nb-${++views}-${Math.random().toString(36).slice(2, 8)}`;
    /** @type {any} */ this.state = { version: -1, total: 0, path: "s3://", can: {}, loaded: 0, selected: {}, level: 0, loading: true };
    /** @type {Map<number, Row>} */ this.rows = new Map();
    /** @type {Set<number>} */ this.fresh = new Set(); // pages that are as the kernel has them
    /** @type {Map<string, {resolve: (a: any) => void, reject: (p: any) => void}>} */ this.waiting = new Map();
    this.asked = 0;
    this.asking = false; // rows are on their way
    this.active = 0;
    this.activeId = "";
    this.anchor = 0;
    this.more = ""; // the end of a level that was asked for last
    this.options = { writable: false, small: 0, lifetimes: [900] };
    this.detailed = ""; // the row whose details are shown
    this.folder = "."; // for downloads
    this.answered = (/** @type {any[]} */ _) => {}; // looks whether a question is still open
    /** @type {HTMLElement[]} */ this.drawn = [];
    /** @type {Record<string, any>} */ this.actions = {};
    /** @type {Record<string, any>} */ this.ways = {};
    /** @type {any} */ this.typing = this.settling = 0;
    /** @type {Set<any>} */ this.timers = new Set();
    this.build(el);
    this.onMessage = (/** @type {any} */ message, /** @type {DataView[]} */ buffers) => this.receive(message, buffers);
    model.on("msg:custom", this.onMessage);
    this.sized = new ResizeObserver(() => this.draw());
    this.sized.observe(this.body);
    this.ask("hello").then((a) => {
      Object.assign(this.options, { writable: a.writable, small: a.small, lifetimes: a.lifetimes });
      this.root.classList.toggle("s3nb-writable", a.writable);
      this.showTasks(a.tasks);
      this.take({ ...a.state, first: 0 });
    }, () => {});
  }

  // -- talking to the kernel

  /** Ask, and wait for the answer. @param {string} kind @param {Record<string, any>} [fields] @param {any[]} [buffers] @returns {Promise<any>} */
  ask(kind, fields = {}, buffers = []) {
    const id = `${this.name}-${++this.asked}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.later(1000, () => this.waiting.has(id) && this.busy(true));
      this.model.send({ kind, id, ...fields }, undefined, buffers);
    });
  }

  /** Say what was pressed; an error is shown. @param {string} kind @param {Record<string, any>} [fields] */
  tell(kind, fields = {}) {
    return this.ask(kind, fields).catch((problem) => this.complain(problem));
  }

  /** @param {any} message @param {DataView[]} buffers */
  receive(message, buffers) {
    if (message.kind === "answer" || message.kind === "failed") {
      const asked = this.waiting.get(message.id); // answers to other views, and late ones, are nobody's
      this.waiting.delete(message.id);
      if (asked && message.kind === "answer") asked.resolve({ ...message, buffers });
      else if (asked) asked.reject(message.problem);
    } else if (message.kind === "state") this.take(message);
    else if (message.kind === "tasks") this.showTasks(message.tasks);
    else if (message.kind === "confirm") this.confirm(message);
    if (!this.waiting.size) this.busy(false);
  }

  /** @param {boolean} on */
  busy(on) {
    this.busyNote.textContent = on ? "kernel busy…" : "";
  }

  /** @param {number} wait @param {() => void} action */
  later(wait, action) {
    const timer = setTimeout(() => (this.timers.delete(timer), action()), wait);
    this.timers.add(timer);
    return timer;
  }

  // -- what is there

  /** @param {HTMLElement} el */
  build(el) {
    const go = (/** @type {string} */ way) => () => (this.tell("travel", { way }), this.grid.focus());
    this.ways = {
      back: button("back", "Back", go("back")), forward: button("forward", "Forward", go("forward")),
      up: button("up", "Up one level", go("up")), refresh: button("refresh", "Refresh", go("refresh")),
    }; // prettier-ignore
    this.crumbs = h("div", { class: "s3nb-crumbs" });
    this.address = h("input", { class: "s3nb-address", type: "text", "aria-label": "Address: any s3:// URL", spellcheck: "false",
      autocomplete: "off", onkeydown: (/** @type {KeyboardEvent} */ e) => this.addressKey(e), onblur: () => this.editAddress(false) }); // prettier-ignore
    this.place = h("nav", { class: "s3nb-place", "aria-label": "Path",
      onclick: (/** @type {MouseEvent} */ e) => (e.target === this.crumbs || e.target === this.place) && this.editAddress(true) },
      this.crumbs, this.address, button("edit", "Type an address", () => this.editAddress(true))); // prettier-ignore
    this.mode = h("select", { class: "s3nb-mode", "aria-label": "How names are filtered", onchange: () => this.filter() },
      h("option", { value: "starts" }, "starts with"), h("option", { value: "contains" }, "contains"),
      h("option", { value: "pattern" }, "pattern")); // prettier-ignore
    this.text = h("input", { type: "search", class: "s3nb-text", placeholder: "filter", "aria-label": "Filter names", spellcheck: "false",
      oninput: () => this.filterSoon(), onsearch: () => this.filter(),
      onkeydown: (/** @type {KeyboardEvent} */ e) => this.filterKey(e) }); // prettier-ignore
    this.actions = {
      download: button("download", "Download", () => this.askDownload(), true),
      save: button("save", "Save to your computer", () => this.save()),
      uri: button("uri", "Copy URI", () => this.copy("uri")), code: button("code", "Copy code", () => this.copy("code")),
      link: button("link", "Presigned link", () => this.askLink()), count: button("count", "Count objects and bytes", () => this.count()),
      upload: button("upload", "Upload", () => this.picker.click(), true), remove: button("remove", "Delete", () => this.tell("delete")),
      info: button("info", "Details", () => this.showDetails(this.side.hidden)),
    }; // prettier-ignore
    this.actions.upload.classList.add("s3nb-write");
    this.actions.remove.classList.add("s3nb-write");
    this.picker = h("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", "aria-label": "Files to upload",
      onchange: () => (this.upload([...this.picker.files]), (this.picker.value = "")) }); // prettier-ignore
    const head = (/** @type {string} */ by, /** @type {string} */ label) => h("div", { role: "columnheader", class: `s3nb-cell s3nb-${by}`, "data-by": by },
      h("button", { type: "button", onclick: () => this.sort(by) }, label, icon("twist"))); // prettier-ignore
    this.heads = h("div", { role: "row", class: "s3nb-heads", "aria-rowindex": "1" }, head("name", "Name"), head("size", "Size"), head("time", "Modified (UTC)"));
    this.space = h("div", { class: "s3nb-space", role: "presentation" });
    this.body = h("div", { class: "s3nb-body", role: "rowgroup", onscroll: () => this.draw() }, this.space);
    this.grid = h("div", { class: "s3nb-grid", role: "treegrid", tabindex: "0", "aria-label": "Objects", "aria-multiselectable": "true", "aria-colcount": "3",
      onkeydown: (/** @type {KeyboardEvent} */ e) => this.gridKey(e), onclick: (/** @type {MouseEvent} */ e) => this.click(e),
      ondblclick: (/** @type {MouseEvent} */ e) => this.doubleClick(e) }, this.heads, this.body); // prettier-ignore
    this.panel = h("div", { class: "s3nb-panel", hidden: true });
    this.side = h("aside", { class: "s3nb-side", "aria-label": "Details", tabindex: "0", hidden: true });
    this.sheet = h("div", { class: "s3nb-sheet", hidden: true });
    this.status = h("span", { class: "s3nb-status", role: "status" });
    this.chosen = h("span", { class: "s3nb-chosen", role: "status" });
    this.all = h("button", { type: "button", class: "s3nb-plain", onclick: () => (this.tell("all"), this.grid.focus()) }, "Load all");
    this.stop = h("button", { type: "button", class: "s3nb-plain", onclick: () => (this.tell("stop"), this.grid.focus()) }, "Stop");
    this.busyNote = h("span", { class: "s3nb-busy", role: "status" });
    this.tasks = h("ul", { class: "s3nb-tasks", "aria-label": "Tasks" });
    const a = this.actions;
    this.root = h("div", { class: "s3nb", "data-lm-suppress-shortcuts": "true", role: "group", "aria-label": "S3 browser",
      onkeydown: (/** @type {Event} */ e) => e.stopPropagation(), ondragover: (/** @type {DragEvent} */ e) => this.dragged(e, true),
      ondragleave: (/** @type {DragEvent} */ e) => this.dragged(e, false), ondrop: (/** @type {DragEvent} */ e) => this.dropped(e) },
      h("div", { class: "s3nb-bar" }, ...Object.values(this.ways), this.place),
      h("div", { class: "s3nb-bar", role: "toolbar", "aria-label": "Filter and actions" }, h("span", { class: "s3nb-filter" }, this.mode, this.text),
        h("span", { class: "s3nb-actions" }, a.download, a.save, a.uri, a.code, a.link, a.count, a.upload, a.remove, a.info)),
      this.sheet, h("div", { class: "s3nb-middle" }, h("div", { class: "s3nb-main" }, this.grid, this.panel), this.side),
      h("div", { class: "s3nb-foot" }, this.status, this.all, this.stop, h("span", { class: "s3nb-gap" }), this.chosen, this.busyNote), this.tasks, this.picker); // prettier-ignore
    const height = () => this.root.style.setProperty("--s3nb-height", `${this.model.get("height")}px`);
    this.onHeight = height;
    this.model.on("change:height", height);
    height();
    el.append(this.root);
  }

  /** Take a new state; rows from ``first`` on may look different. @param {any} s */
  take(s) {
    const before = this.state;
    if (s.version < before.version) return;
    this.state = s;
    for (const page of [...this.fresh]) if ((page + 1) * PAGE > s.first) this.fresh.delete(page);
    for (const index of [...this.rows.keys()]) if (index >= s.total) this.rows.delete(index);
    if (s.path !== before.path || s.level !== before.level) {
      this.rows.clear();
      this.active = this.anchor = 0;
      this.activeId = this.more = "";
      this.body.scrollTop = 0;
    }
    if (s.path !== before.path || !this.crumbs.childElementCount) this.drawPath();
    if (document.activeElement !== this.text && this.text.value !== s.filter) this.text.value = s.filter;
    this.mode.value = s.mode;
    for (const way of ["back", "forward", "up"]) this.ways[way].disabled = !s.can[way];
    for (const cell of this.heads.children) {
      const on = s.sort.replace("-", "") === cell.dataset.by;
      if (on) cell.setAttribute("aria-sort", s.sort[0] === "-" ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    this.grid.setAttribute("aria-rowcount", s.complete ? String(s.total + 1) : "-1");
    this.grid.setAttribute("aria-busy", String(Boolean(s.loading)));
    this.say(this.status, statusText(s));
    this.say(this.chosen, selectedText(s.selected));
    this.all.hidden = s.complete || s.loading || Boolean(s.problem) || (s.searching && s.full);
    this.all.textContent = s.searching ? "Continue" : "Load all";
    this.stop.hidden = !s.sweeping;
    const some = s.selected.objects + s.selected.prefixes > 0, one = s.selected.objects === 1 && !s.selected.prefixes;
    const a = this.actions;
    a.download.disabled = a.remove.disabled = !some;
    a.save.disabled = a.link.disabled = !one;
    a.upload.disabled = s.path === "s3://";
    this.showPanel(s);
    this.draw();
    this.details();
  }

  /** Put text where it is read out, when it has changed, and not faster than it can be read. @param {HTMLElement} node @param {string} text */
  say(node, text) {
    const late = /** @type {any} */ (node);
    late.next = text;
    if (late.waits) return;
    if (node.textContent !== text) node.textContent = text;
    late.waits = this.later(300, () => ((late.waits = 0), late.next !== node.textContent && (node.textContent = late.next)));
  }

  /** What stands in place of rows. @param {any} s */
  showPanel(s) {
    const none = s.total === 0;
    this.panel.hidden = !none;
    if (!none) return;
    const again = h("button", { type: "button", class: "s3nb-strong", onclick: () => this.tell("travel", { way: "refresh" }) }, "Try again");
    if (s.problem) {
      const p = s.problem;
      this.panel.replaceChildren(h("div", { role: "alert" }, h("strong", {}, p.title), h("p", {}, p.advice), h("p", { class: "s3nb-dim" }, p.detail), again));
    } else if (s.loading || s.version < 0) {
      const note = h("p", { class: "s3nb-dim" }, s.sweeping ? "Searching…" : "Loading…");
      this.panel.replaceChildren(note);
      this.later(3000, () => this.wonder(note));
    }
    else this.panel.replaceChildren(h("p", { class: "s3nb-dim" }, s.filter ? `No name here ${{ starts: "starts with", contains: "contains", pattern: "matches" }[/** @type {"starts"} */ (s.mode)]} “${visible(s.filter)}”.${s.mode === "pattern" ? " * stays within a level, ** does not." : ""}` : "Nothing here.")); // prettier-ignore
  }

  /** Say why nothing comes, if S3 is the reason. @param {HTMLElement} note */
  wonder(note) {
    if (!note.isConnected || this.panel.hidden) return;
    this.ask("pulse").then((a) => {
      if (!note.isConnected) return;
      note.textContent = a.retried ? `S3 does not answer: tried ${plural(a.retried + 1, "time")}, trying again…` : "Still loading…";
      this.later(2000, () => this.wonder(note));
    }, () => {});
  }

  // -- rows

  /** Draw the rows in sight, and ask for those that are not here. */
  draw() {
    const { total } = this.state;
    const height = this.body.clientHeight;
    const sight = inSight(this.body.scrollTop, height, total);
    this.space.style.height = `${scroller(total, height).tall}px`;
    const nodes = this.drawn;
    const count = Math.max(0, sight.stop - sight.start);
    while (nodes.length < count) nodes.push(this.space.appendChild(this.newRow()));
    while (nodes.length > count) /** @type {HTMLElement} */ (nodes.pop()).remove();
    for (let i = 0; i < count; i++) this.fill(nodes[i], sight.start + i, sight.shift);
    const seen = nodes.find((n) => n.dataset.index === String(this.active) && this.rows.has(this.active));
    if (seen) this.grid.setAttribute("aria-activedescendant", seen.id);
    else this.grid.removeAttribute("aria-activedescendant");
    this.fetch(sight.start, sight.stop);
  }

  newRow() {
    const id = `${this.name}-r${this.drawn.length}`;
    return h("div", { role: "row", class: "s3nb-row", id },
      h("div", { role: "gridcell", class: "s3nb-cell s3nb-name" }, h("span", { class: "s3nb-twist" }, icon("twist")),
        h("span", { class: "s3nb-kind" }), h("span", { class: "s3nb-label" }), h("span", { class: "s3nb-class" })),
      h("div", { role: "gridcell", class: "s3nb-cell s3nb-size" }), h("div", { role: "gridcell", class: "s3nb-cell s3nb-time" })); // prettier-ignore
  }

  /** @param {HTMLElement} node @param {number} index @param {number} shift */
  fill(node, index, shift) {
    node.style.transform = `translateY(${index * ROW + shift}px)`;
    node.dataset.index = String(index);
    node.setAttribute("aria-rowindex", String(index + 2));
    node.classList.toggle("s3nb-active", index === this.active);
    const row = this.rows.get(index);
    const any = /** @type {any} */ (node);
    if (row && any.row === row) return;
    any.row = row;
    const [, depth, kind, name, size, time, storage, selected, expanded] = row ?? ["", 0, "loading", "", null, null, "", false, false];
    const [first, second, third] = /** @type {any} */ (node.children);
    const [, drawing, label, extra] = first.children;
    const opens = kind === "prefix" || kind === "bucket";
    node.dataset.kind = kind;
    node.setAttribute("aria-level", String(depth + 1));
    node.setAttribute("aria-selected", String(selected));
    if (opens) node.setAttribute("aria-expanded", String(expanded));
    else node.removeAttribute("aria-expanded");
    first.style.setProperty("--s3nb-depth", String(depth));
    if (drawing.dataset.kind !== kind) {
      drawing.dataset.kind = kind;
      drawing.replaceChildren(...(kind in DRAWINGS ? [icon(/** @type {any} */ (kind))] : []));
    }
    const words = { more: "Load more", loading: "…", empty: "nothing here", error: `${visible(name)} Press Enter to try again.` };
    label.textContent = words[/** @type {"more"} */ (kind)] ?? visible(name);
    label.title = label.textContent;
    extra.textContent = visible(storage).toLowerCase().replaceAll("_", " ");
    second.textContent = sizeText(size);
    third.textContent = timeText(time);
  }

  /** @param {number} start @param {number} stop */
  fetch(start, stop) {
    const first = Math.floor(start / PAGE), last = Math.floor(Math.max(start, stop - 1) / PAGE);
    /** @type {number[]} */ const missing = [];
    for (let page = first; page <= last; page++) if (!this.fresh.has(page)) missing.push(page);
    if (!missing.length) return this.endInSight(start, stop);
    if (this.asking || !this.state.total) return;
    this.asking = true;
    this.ask("rows", { start: missing[0] * PAGE, stop: (missing[missing.length - 1] + 1) * PAGE }).then((a) => {
      this.asking = false;
      a.rows.forEach((/** @type {Row} */ row, /** @type {number} */ i) => this.rows.set(a.start + i, row));
      if (a.version >= this.state.version) for (const page of missing) this.fresh.add(page);
      this.follow(a);
      if (this.rows.size > KEPT) this.forgetFar(start);
      this.draw();
    }, () => (this.asking = false));
  }

  /** Keep the active row active when rows came in above it. @param {{start: number, rows: Row[]}} a */
  follow(a) {
    if (this.rows.get(this.active)?.[0] === this.activeId) return;
    const at = a.rows.findIndex((row) => row[0] === this.activeId);
    if (at >= 0 && this.activeId) this.active = a.start + at;
    else this.activeId = this.rows.get(this.active)?.[0] ?? "";
  }

  /** @param {number} near */
  forgetFar(near) {
    for (const index of [...this.rows.keys()]) if (Math.abs(index - near) > KEPT / 4) this.rows.delete(index);
    for (const page of [...this.fresh]) if (Math.abs(page * PAGE - near) > KEPT / 4 - PAGE) this.fresh.delete(page);
  }

  /** Scrolling to the end of what is loaded loads more. @param {number} start @param {number} stop */
  endInSight(start, stop) {
    if (this.state.searching || this.state.sweeping || this.state.full) return;
    for (let i = start; i < stop; i++) {
      const row = this.rows.get(i);
      if (row?.[2] !== "more" || this.more === `${row[0]}@${this.state.version}`) continue;
      this.more = `${row[0]}@${this.state.version}`;
      this.tell("more", { level: parseInt(row[0], 10) });
      return;
    }
  }

  // -- keys and clicks

  /** Make a row the active one, and select as keys ask for. @param {number} to @param {{shiftKey: boolean, ctrlKey: boolean, metaKey: boolean}} e */
  moveTo(to, e) {
    const row = this.rows.get(to);
    this.active = to;
    this.activeId = row && isEntry(row) ? row[0] : "";
    const top = reveal(to, this.body.scrollTop, this.body.clientHeight, this.state.total);
    if (top !== null) this.body.scrollTop = top;
    if (e.shiftKey) this.select(Math.min(this.anchor, to), Math.max(this.anchor, to) + 1, "only");
    else if (!(e.ctrlKey || e.metaKey)) this.select((this.anchor = to), to + 1, "only");
    this.draw();
  }

  /** @param {number} start @param {number} stop @param {string} how */
  select(start, stop, how) {
    for (const [index, row] of this.rows) { // shown at once; the kernel's answer replaces it
      const inside = index >= start && index < stop && isEntry(row);
      const next = inside ? (how === "flip" ? !row[7] : true) : how === "only" ? false : row[7];
      if (next !== row[7]) this.rows.set(index, /** @type {Row} */ ([...row.slice(0, 7), next, row[8]]));
    }
    this.tell("select", { start, stop, how });
  }

  /** @param {KeyboardEvent} e */
  gridKey(e) {
    if (e.target !== this.grid) return; // a button in the head
    const row = this.rows.get(this.active);
    const to = destination(e.key, this.active, this.state.total, Math.max(1, Math.floor(this.body.clientHeight / ROW) - 1));
    const ctrl = e.ctrlKey || e.metaKey;
    if (to !== null && !e.altKey) this.moveTo(to, e);
    else if (e.altKey && e.key === "ArrowLeft") this.tell("travel", { way: "back" });
    else if (e.altKey && e.key === "ArrowRight") this.tell("travel", { way: "forward" });
    else if (e.key === "Backspace" || (e.altKey && e.key === "ArrowUp")) this.tell("travel", { way: "up" });
    else if (e.key === "ArrowRight" && row) row[8] ? this.moveTo(Math.min(this.active + 1, this.state.total - 1), e) : this.toggle(row, true);
    else if (e.key === "ArrowLeft" && row) row[8] ? this.toggle(row, false) : this.toParent(row[1], e);
    else if (e.key === "Enter" && row) this.enter(row);
    else if (e.key === " ") (this.anchor = this.active), this.select(this.active, this.active + 1, "flip"), this.draw();
    else if (ctrl && e.key === "a") this.tell("select_all", { value: true });
    else if (ctrl && e.key === "c" && !String(getSelection())) this.copy("uri");
    else if (e.key === "Escape") this.side.hidden ? this.tell("select_all", { value: false }) : this.showDetails(false);
    else if (e.key === "/" && !ctrl) this.text.focus();
    else if (e.key === "Delete" && this.options.writable) this.tell("delete");
    else return;
    e.preventDefault();
  }

  /** @param {Row} row @param {boolean} expanded */
  toggle(row, expanded) {
    if (row[2] === "prefix" || row[2] === "bucket") this.tell("toggle", { row: row[0], expanded });
  }

  /** @param {number} depth @param {KeyboardEvent} e */
  toParent(depth, e) {
    for (let i = this.active - 1; depth > 0 && i >= 0; i--) if ((this.rows.get(i)?.[1] ?? depth) < depth) return this.moveTo(i, e);
  }

  /** @param {Row} row */
  enter(row) {
    if (row[2] === "prefix" || row[2] === "bucket") this.tell("open", { row: row[0] });
    else if (row[2] === "more" || row[2] === "error") this.state.searching ? this.tell("all") : this.tell("more", { level: parseInt(row[0], 10) });
    else if (row[2] === "object") this.showDetails(true);
  }

  /** @param {MouseEvent} e */
  click(e) {
    const target = /** @type {Element} */ (e.target);
    const node = /** @type {HTMLElement | null} */ (target.closest(".s3nb-row"));
    const row = node && this.rows.get(Number(node.dataset.index));
    if (!node || !row) return;
    const index = Number(node.dataset.index);
    this.grid.focus();
    if (target.closest(".s3nb-twist") && node.hasAttribute("aria-expanded")) this.toggle(row, !row[8]);
    else if (row[2] === "more" || row[2] === "error") this.enter(row);
    else if (e.ctrlKey || e.metaKey) (this.active = this.anchor = index), this.select(index, index + 1, "flip"), this.draw();
    else this.moveTo(index, { shiftKey: e.shiftKey, ctrlKey: false, metaKey: false });
  }

  /** @param {MouseEvent} e */
  doubleClick(e) {
    const target = /** @type {Element} */ (e.target);
    const node = /** @type {HTMLElement | null} */ (target.closest(".s3nb-row"));
    const row = node && !target.closest(".s3nb-twist") && this.rows.get(Number(node.dataset.index));
    if (row && row[2] !== "more") this.enter(row);
  }

  /** @param {string} by */
  sort(by) {
    const now = this.state.sort;
    const usual = by === "name" ? by : `-${by}`; // the largest and the latest are looked for more often
    this.tell("sort", { by: now === usual ? (by === "name" ? `-${by}` : by) : usual });
  }

  // -- path and filter

  drawPath() {
    const { path } = this.state;
    const parts = crumbs(path).map(({ label, url }, i, all) => h("button", { type: "button", class: "s3nb-crumb", title: visible(url),
      "aria-current": i === all.length - 1 ? "page" : null, onclick: () => (this.tell("go", { url }), this.grid.focus()) }, visible(label))); // prettier-ignore
    this.crumbs.replaceChildren(...parts);
    this.address.value = path;
    this.crumbs.scrollLeft = this.crumbs.scrollWidth;
  }

  /** @param {boolean} on */
  editAddress(on) {
    this.place.classList.toggle("s3nb-editing", on);
    this.address.value = this.state.path;
    if (on) this.address.focus(), this.address.select();
  }

  /** @param {KeyboardEvent} e */
  addressKey(e) {
    if (e.key !== "Enter" && e.key !== "Escape") return;
    e.preventDefault();
    const url = this.address.value.trim();
    if (e.key === "Enter" && url) this.tell("go", { url: /^s3:/i.test(url) ? url : `s3://${url.replace(/^\/+/, "")}` });
    this.editAddress(false);
    this.grid.focus();
  }

  filterSoon() {
    clearTimeout(this.typing);
    this.typing = this.later(300, () => this.filter());
  }

  filter() {
    clearTimeout(this.typing);
    const text = this.text.value, mode = this.mode.value;
    if (text !== this.state.filter || (mode !== this.state.mode && text)) this.tell("filter", { text, mode });
    else if (mode !== this.state.mode) this.state.mode = mode;
  }

  /** @param {KeyboardEvent} e */
  filterKey(e) {
    if (e.key === "Escape" && this.text.value) (this.text.value = ""), this.filter(), e.preventDefault();
    else if (e.key === "Enter" || e.key === "ArrowDown" || e.key === "Escape") this.filter(), this.grid.focus(), e.preventDefault();
  }

  // -- sheets: small questions below the bar

  /** @param {string} title @param {any[]} content @param {[string, () => void][]} choices the first is the usual one
   * @param {{no?: string, refused?: () => void, grave?: boolean}} [more] what the last button says and does; whether the first is dangerous */
  question(title, content, choices, more = {}) {
    const back = /** @type {HTMLElement | null} */ (document.activeElement);
    const close = () => ((this.sheet.hidden = true), this.sheet.replaceChildren(), this.root.contains(back) ? back?.focus() : this.grid.focus());
    const refuse = () => (close(), more.refused?.());
    const no = h("button", { type: "button", class: "s3nb-plain", onclick: refuse }, more.no ?? (choices.length ? "Cancel" : "Close"));
    const form = h("form", { role: "dialog", "aria-label": title,
      onsubmit: (/** @type {Event} */ e) => (e.preventDefault(), close(), choices[0]?.[1]()),
      onkeydown: (/** @type {KeyboardEvent} */ e) => e.key === "Escape" && refuse() },
      h("strong", {}, title), ...content, h("span", { class: "s3nb-gap" }),
      ...choices.map(([label]) => h("button", { type: "submit", class: more.grave ? "s3nb-grave" : "s3nb-strong" }, label)), no); // prettier-ignore
    this.sheet.replaceChildren(form);
    this.sheet.hidden = false;
    (form.querySelector("input, select") ?? no).focus();
    form.querySelector("input")?.select();
    return close;
  }

  /** @param {{title: string, advice: string, detail: string}} problem */
  complain(problem) {
    if (problem) this.question(problem.title, [h("span", { role: "alert" }, problem.advice), h("span", { class: "s3nb-dim" }, problem.detail)], []);
  }

  askDownload() {
    const folder = h("input", { type: "text", value: this.folder, "aria-label": "Folder on the kernel's machine", spellcheck: "false" });
    this.question(`Download ${selectedText(this.state.selected).replace(" selected", "")} to the kernel's folder`, [folder],
      [["Download", () => this.tell("download", { to: (this.folder = folder.value) })]]); // prettier-ignore
  }

  askLink() {
    const row = this.chosenRow();
    if (!row) return;
    const words = (/** @type {number} */ s) => (s < 3600 ? `${s / 60} minutes` : s < 86400 ? plural(s / 3600, "hour") : plural(s / 86400, "day"));
    const life = h("select", { "aria-label": "How long the link lives" }, ...this.options.lifetimes.map((s) => h("option", { value: s }, words(s))));
    this.question("A link that lets its bearer read this object for", [life], [["Make link", () =>
      this.tell("link", { row: row[0], seconds: Number(life.value) }).then((a) => a && this.offer(`Presigned link, ${words(Number(life.value))}`, a.url))]]); // prettier-ignore
  }

  /** @param {any} counts */
  confirm(counts) {
    const rest = counts.objects - counts.names.length;
    const names = h("ul", {}, ...counts.names.map((/** @type {string} */ name) => h("li", {}, visible(name))), rest > 0 ? h("li", {}, `and ${plural(rest, "more")}`.replace(/s$/, "")) : null);
    const what = `${plural(counts.objects, "object")} (${sizeText(counts.size)})`;
    const asked = this.question(`Delete ${what}${counts.prefixes ? ` in and below ${plural(counts.prefixes, "prefix")}` : ""}?`, [names],
      [[`Delete ${plural(counts.objects, "object")}`, () => this.tell("delete_confirmed", { task: counts.task })]],
      { no: "Keep", grave: true, refused: () => this.tell("delete_refused", { task: counts.task }) }); // prettier-ignore
    this.answered = (/** @type {any[]} */ tasks) => {
      if (tasks.some((t) => t.number === counts.task)) return;
      this.answered = () => {}; // here, or in another view
      if (this.sheet.contains(names)) asked();
    };
  }

  /** Show text to be taken away, and put it on the clipboard if that is allowed. @param {string} title @param {string} text */
  async offer(title, text) {
    const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    const many = text.includes("\n");
    const field = h(many ? "textarea" : "input", { readonly: true, "aria-label": title, rows: many ? "6" : null });
    field.value = text;
    const close = this.question(copied ? `${title}: copied` : `${title}: copy it from here`, [field], []);
    field.focus();
    field.select();
    if (copied && !title.startsWith("Presigned")) this.later(2500, () => this.sheet.contains(field) && close());
  }

  /** @param {string} what */
  copy(what) {
    this.tell("copy", { what }).then((a) => a && this.offer(what === "code" ? "Code" : "URI", a.text));
  }

  /** The row that is selected, if it is one and in memory. */
  chosenRow() {
    const active = this.rows.get(this.active);
    return active?.[7] ? active : [...this.rows.values()].find((row) => row[7]);
  }

  save() {
    const row = this.chosenRow();
    if (!row) return;
    this.tell("save", { row: row[0] }).then((a) => {
      if (!a) return;
      const url = a.url ?? URL.createObjectURL(new Blob([a.buffers[0] ?? ""], { type: "application/octet-stream" }));
      if (a.url && !isWeb(url)) return;
      h("a", { href: url, download: a.name, rel: "noopener noreferrer", target: a.url ? "_blank" : null }).click();
      if (!a.url) this.later(10_000, () => URL.revokeObjectURL(url));
    });
  }

  count() {
    const row = this.chosenRow();
    this.tell("count", { row: row && row[2] !== "object" ? row[0] : "" });
  }

  // -- uploads

  /** @param {DragEvent} e @param {boolean} over */
  dragged(e, over) {
    if (!e.dataTransfer?.types.includes("Files")) return;
    e.preventDefault();
    this.root.classList.toggle("s3nb-drop", over && this.options.writable);
  }

  /** @param {DragEvent} e */
  dropped(e) {
    this.dragged(e, false);
    const files = [...(e.dataTransfer?.files ?? [])];
    if (!files.length) return;
    e.stopPropagation();
    if (this.options.writable) this.upload(files);
    else this.complain({ title: "This browser may only read", advice: "Open it with writable=True to upload files.", detail: "" });
  }

  /** Send files to the kernel, piece by piece, each when the one before has arrived. @param {File[]} files */
  async upload(files) {
    for (const file of files) {
      const begun = await this.tell("upload", { name: file.name, size: file.size });
      if (!begun) return;
      const handle = begun.handle, piece = 1 << 20;
      try {
        let at = 0;
        for (; at < file.size; at += piece) {
          const a = await this.ask("upload_piece", { handle }, [await file.slice(at, at + piece).arrayBuffer()]);
          if (a.received === null) break; // stopped over there
        }
        if (at >= file.size) await this.tell("upload_end", { handle });
      } catch (error) {
        this.tell("upload_failed", { handle, text: String(/** @type {any} */ (error)?.message ?? "the file could not be read") });
      }
    }
  }

  /** @param {any[]} tasks */
  showTasks(tasks) {
    this.answered(tasks);
    const words = { running: "", asking: "", stopping: "stopping", done: "done", failed: "failed", cancelled: "stopped" };
    this.tasks.replaceChildren(...tasks.map((t) => {
      const act = (/** @type {string} */ what) => () => this.tell("task", { what, task: t.number });
      const live = t.state === "running" || t.state === "stopping";
      const percent = t.fraction === null ? null : Math.round(Math.min(1, t.fraction) * 100);
      const bar = h("div", { class: "s3nb-progress", role: "progressbar", "aria-label": `${t.kind} ${visible(t.title)}`, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": percent }, h("div", {}));
      bar.firstElementChild.style.width = percent === null ? "100%" : `${percent}%`;
      return h("li", { "data-state": t.state, "data-kind": t.kind }, h("span", { class: "s3nb-what" }, `${t.kind} `, h("b", { title: visible(t.title) }, visible(t.title))),
        live ? bar : null, h("span", { class: "s3nb-told" }, [words[/** @type {"done"} */ (t.state)], t.text.split("\n").map(visible).join("\n")].filter(Boolean).join(": ")),
        t.again && !live ? h("button", { type: "button", class: "s3nb-plain", onclick: act("again") }, t.again) : null,
        live ? h("button", { type: "button", class: "s3nb-plain", "aria-label": `Cancel ${t.kind}`, onclick: act("stop") }, "Cancel") : button("close", "Dismiss", act("forget")));
    })); // prettier-ignore
  }

  // -- details

  /** @param {boolean} on */
  showDetails(on) {
    this.side.hidden = !on;
    this.root.classList.toggle("s3nb-detailed", on);
    this.actions.info.setAttribute("aria-pressed", String(on));
    this.detailed = "";
    this.details();
    this.draw();
  }

  /** Bring the side up to date with the selection, when that has settled. */
  details() {
    if (this.side.hidden) return;
    clearTimeout(this.settling);
    this.settling = this.later(200, () => {
      const s = this.state.selected, many = s.objects + s.prefixes;
      const row = many === 1 ? this.chosenRow() : undefined;
      const now = row ? row[0] : `${many}`;
      if (this.side.hidden || (now === this.detailed && many <= 1)) return;
      this.detailed = now;
      const title = h("h3", {}, row ? visible(row[3]) : many ? selectedText(s) : visible(this.state.path));
      this.side.replaceChildren(title);
      if (row?.[2] === "object") this.describe(row[0]);
      else this.side.append(h("p", { class: "s3nb-dim" }, row ? "A prefix. Enter opens it; “Count” counts what is below." : "Select an object to see what it is."));
    });
  }

  /** @param {string} id */
  describe(id) {
    const here = () => this.detailed === id && !this.side.hidden;
    const shown = h("div", { class: "s3nb-preview", "aria-busy": "true" }, h("p", { class: "s3nb-dim" }, "Loading…"));
    this.side.append(shown);
    this.ask("describe", { row: id }).then((a) => {
      if (!here()) return;
      const versions = h("button", { type: "button", class: "s3nb-plain", onclick: () => this.versions(id, versions) }, "Versions");
      shown.removeAttribute("aria-busy");
      shown.replaceChildren(...drawPreview(a.preview, a.buffers));
      this.side.append(...a.preview.sections.flatMap((/** @type {any} */ [name, rows]) => [h("h4", {}, name), facts(rows)]), versions);
    }, (p) => here() && shown.replaceChildren(h("p", { role: "alert" }, `${p.title}. ${p.advice}`)));
  }

  /** @param {string} id @param {HTMLElement} place */
  versions(id, place) {
    this.ask("versions", { row: id }).then((a) => place.replaceWith(h("h4", {}, plural(a.versions.length, "version")),
      facts(a.versions.map((/** @type {any} */ v) => [v.deleted ? "deleted" : sizeText(v.size), `${timeText(v.time)}  ${v.version}`]))), (p) => this.complain(p)); // prettier-ignore
  }

  close() {
    this.model.off("msg:custom", this.onMessage);
    this.model.off("change:height", this.onHeight);
    this.sized.disconnect();
    for (const timer of this.timers) clearTimeout(timer);
    this.root.remove();
  }
}

/** Names and values, one below the other. @param {[string, string][]} rows */
function facts(rows) {
  return h("dl", {}, ...rows.flatMap(([name, value]) => [h("dt", {}, visible(name)), h("dd", {}, visible(value))]));
}

/** What an object holds. A picture is one whose bytes the kernel has looked at, and only of these kinds.
 * @param {any} p @param {DataView[]} buffers @returns {Node[]} */
function drawPreview(p, buffers) {
  /** @param {any} block */
  const draw = (block) => {
    if (block.kind === "text") return h("pre", { tabindex: "0", role: "region", "aria-label": "Preview" }, lines(block.text));
    if (block.kind === "table") return drawTable(block);
    if (block.kind !== "picture" || !/^image\/(png|jpeg|gif|webp)$/.test(block.mime)) return null;
    const url = URL.createObjectURL(new Blob([/** @type {any} */ (buffers[block.buffer])], { type: block.mime }));
    const free = () => URL.revokeObjectURL(url);
    return h("img", { src: url, alt: "The picture", class: block.small ? "s3nb-small" : null, onload: free, onerror: free });
  };
  const note = (/** @type {string} */ text) => h("p", { class: "s3nb-dim" }, visible(text));
  return [note(p.title), ...p.blocks.map(draw).filter(Boolean), ...p.notes.map(note)];
}

/** @param {{columns: string[], rows: string[][], numbers: boolean[], more: string}} block */
function drawTable(block) {
  /** @param {string} tag @param {string[]} cells */
  const row = (tag, cells) => h("tr", {}, ...cells.map((cell, n) => h(tag, { title: visible(cell), class: block.numbers[n] ? "s3nb-num" : null }, visible(cell))));
  const head = block.columns.length ? h("thead", {}, row("th", block.columns)) : null;
  const table = h("table", {}, head, h("tbody", {}, ...block.rows.map((cells) => row("td", cells))));
  return h("div", { class: "s3nb-scroll", tabindex: "0", role: "region", "aria-label": "Preview" }, table, block.more ? h("p", { class: "s3nb-dim" }, block.more) : null);
}

/** Text of many lines: lines and tabs stay, all else that does not print is made visible. @param {string} text */
export function lines(text) {
  return text.split(/(\r?\n|\t)/).map((part, i) => (i % 2 ? part.replace("\r", "") : visible(part))).join("");
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.close();
  },
};
