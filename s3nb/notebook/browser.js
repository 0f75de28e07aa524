// @ts-check
// The view of S3Browser. State and words live in the kernel: this draws them, asks for rows as they come into sight, and says
// what was pressed. It lives in a shadow root, so that neither its styles nor the notebook's cross over. Everything that comes
// from S3 is put into the page as text, never as markup; the kernel has made visible what does not print.

/** @typedef {[id: string, depth: number, kind: string, label: string, size: string, time: string, storage: string,
 *            selected: boolean, expanded: boolean]} Row
 * @typedef {{[name: `on${string}`]: (event: any) => void} & {[name: string]: unknown}} Attributes */

// -- pure functions ------------------------------------------------------------------------------

const ROW = 26; // px; browser.css has the same number
const TALLEST = 12_000_000; // px; Firefox draws no element taller than 17,895,697
const PAGE = 100; // rows asked for at once
const KEPT = 4000; // rows remembered
const PIECE = 1 << 20; // bytes of a file that go to the kernel at once

/** How far rows reach, and how many of them one pixel of scrolling passes. */
export function scroller(total, height) {
  const full = total * ROW;
  const tall = Math.min(full, TALLEST);
  return { tall, ratio: tall > height && full > tall ? (full - height) / (tall - height) : 1 };
}

/** The rows in sight, with a few around them. */
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

/** Where to scroll so that a row is in sight; null if it is. */
export function reveal(index, top, height, total) {
  const { ratio } = scroller(total, height);
  const at = index * ROW;
  if (at < top * ratio) return at / ratio;
  if (at + ROW > top * ratio + height) return (at + ROW - height) / ratio;
  return null;
}

/** Where a key leads from a row; null if it leads nowhere. */
export function destination(key, at, total, page) {
  const last = total - 1;
  /** @type {Record<string, number>} */
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last, PageDown: at + page, PageUp: at - page };
  return key in to && total > 0 ? Math.max(0, Math.min(last, to[key])) : null;
}

const opens = (kind) => kind === "prefix" || kind === "bucket";
const isEnd = (kind) => kind === "more" || kind === "error"; // of a level that is not all there
const isEntry = (kind) => kind === "object" || opens(kind); // something in S3

// -- elements ------------------------------------------------------------------------------------

/** Make an element: attributes by name, text and elements as children. Text is text.
 * @param {string} tag @param {Attributes} [attributes] @param {...(Node | string | null)} children @returns {any} */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((c) => c !== null));
  return node;
}

const DRAWINGS = {
  back: "M10 3 5 8l5 5", forward: "M6 3l5 5-5 5", up: "M8 13V3M4 7l4-4 4 4", refresh: "M13 8a5 5 0 1 1-1.5-3.5M13 2v3h-3",
  twist: "M6 4l4 4-4 4", prefix: "M1.5 12.5v-9h4.5l1.5 2h7v7z", object: "M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3",
  bucket: "M2.5 3.5h11l-1.5 11h-8zM2.5 3.5c0-2.5 11-2.5 11 0", download: "M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  save: "M2.5 2.5h11v8h-11zM6 13.5h4M8 10.5v3", uri: "M6 4.5H4a3.5 3.5 0 0 0 0 7h2M10 4.5h2a3.5 3.5 0 0 1 0 7h-2M5.5 8h5",
  code: "M5.5 4 2 8l3.5 4M10.5 4 14 8l-3.5 4", link: "M8 1.5a6.5 6.5 0 1 0 .01 0M8 4.5V8l2.5 1.5", count: "M3 3h10M3 8h10M3 13h6",
  upload: "M8 11V3M4.5 6 8 2.5 11.5 6M2.5 13.5h11", remove: "M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.5 9h6l.5-9", info: "M9.5 2.5h4v11h-4zM2.5 2.5h5v11h-5z",
  close: "M4 4l8 8M12 4l-8 8", edit: "M3 13l.6-2.8L11 2.8l2.2 2.2-7.4 7.4z", search: "M7 2a5 5 0 1 0 .01 0M10.6 10.6 14 14",
  trouble: "M8 2 1.5 13.5h13zM8 6.5v3M8 11.5v.1",
};

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `icon icon-${name}`);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", DRAWINGS[name]);
  svg.append(path);
  return svg;
}

function button(drawing, label, action, more = {}) {
  return h("button", { type: "button", class: `button ${more.class ?? ""}`, title: label, "aria-label": label, onclick: action },
    icon(drawing), more.worded ? h("span", { class: "word" }, label) : null);
}

const worded = (label, action, kind = "plain") => h("button", { type: "button", class: kind, onclick: action }, label);
const dim = (text) => h("p", { class: "dim" }, text);

// -- the view ------------------------------------------------------------------------------------

/** One view of a browser: a model may have several. */
class View {
  constructor(model, el) {
    this.model = model;
    this.name = `s3nb-${Math.random().toString(36).slice(2)}`;
    /** @type {Record<string, any>} */ this.ways = {};
    /** @type {Record<string, any>} */ this.actions = {};
    /** @type {any} */ this.state = { version: -1, total: 0, path: "", can: {}, level: 0, loading: true, selected: {} };
    /** @type {Map<number, Row>} */ this.rows = new Map();
    /** @type {Set<number>} */ this.fresh = new Set(); // pages that are as the kernel has them
    /** @type {Map<string, {resolve: (a: any) => void, reject: (p: any) => void}>} */ this.waiting = new Map();
    this.asked = 0;
    this.asking = false; // rows are on their way
    this.active = this.anchor = 0;
    this.activeId = "";
    this.writable = this.reactive = false;
    /** @type {[number, string][]} */ this.lifetimes = [];
    this.detailed = ""; // the row whose details are shown
    this.folder = "."; // for downloads
    this.question = 0; // the task whose question is shown
    /** @type {any[]} */ this.drawn = [];
    /** @type {any} */ this.typing = this.settling = this.wondering = 0;
    /** @type {Set<any>} */ this.timers = new Set();
    this.themed = new MutationObserver(() => this.dress());
    this.build(el);
    this.onMessage = (message, buffers) => this.receive(message, buffers);
    model.on("msg:custom", this.onMessage);
    model.on("change:height", this.onHeight);
    this.sized = new ResizeObserver(() => this.draw());
    this.sized.observe(this.body);
    this.hello();
  }

  async hello() {
    const a = await this.ask("hello");
    this.lifetimes = a.lifetimes;
    this.writable = a.writable;
    this.reactive = a.reactive;
    this.root.classList.toggle("writable", a.writable);
    this.showTasks(a.tasks);
    this.take({ ...a.state, first: 0 });
  }

  // -- talking to the kernel

  /** Ask, and wait for the answer. */
  ask(kind, fields = {}, buffers = []) {
    const id = `${this.name}-${++this.asked}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.later(1000, () => this.waiting.has(id) && (this.busyNote.textContent = "kernel busy…"));
      this.model.send({ kind, id, ...fields }, undefined, buffers);
    });
  }

  /** Ask, and show it if that fails: then the answer is undefined. */
  tell(kind, fields = {}) {
    return this.ask(kind, fields).catch((problem) => this.complain(problem));
  }

  /** Say what was pressed. */
  press(kind, fields = {}) {
    this.tell(kind, fields);
    this.grid.focus();
  }

  receive(message, buffers) {
    const asked = this.waiting.get(message.id); // answers to other views, and late ones, are nobody's
    this.waiting.delete(message.id);
    if (message.kind === "answer") asked?.resolve({ ...message, buffers });
    else if (message.kind === "failed") asked?.reject(message.problem);
    else if (message.kind === "state") this.take(message);
    else if (message.kind === "tasks") this.showTasks(message.tasks);
    if (!this.waiting.size) this.busyNote.textContent = "";
  }

  later(wait, action) {
    const timer = setTimeout(() => (this.timers.delete(timer), action()), wait);
    this.timers.add(timer);
    return timer;
  }

  // -- what is there

  build(el) {
    const way = (name, label) => button(name, label, () => this.press("travel", { way: name }));
    this.ways = { back: way("back", "Back"), forward: way("forward", "Forward"), up: way("up", "Up one level"), refresh: way("refresh", "Refresh") };
    this.crumbs = h("div", { class: "crumbs" });
    this.address = h("input", { class: "address", type: "text", "aria-label": "Address: any s3:// URL", spellcheck: "false", autocomplete: "off",
      onkeydown: (e) => this.addressKey(e), onblur: () => this.editAddress(false) });
    this.place = h("nav", { class: "place", "aria-label": "Path", onclick: (e) => (e.target === this.crumbs || e.target === this.place) && this.editAddress(true) },
      this.crumbs, this.address, button("edit", "Type an address", () => this.editAddress(true)));
    this.mode = h("select", { class: "mode", "aria-label": "How names are filtered", onchange: () => this.filter() },
      h("option", { value: "starts" }, "starts with"), h("option", { value: "contains" }, "contains"), h("option", { value: "pattern" }, "pattern"));
    this.text = h("input", { type: "search", class: "text", placeholder: "filter", "aria-label": "Filter names", spellcheck: "false",
      oninput: () => this.filterSoon(), onsearch: () => this.filter(), onkeydown: (e) => this.filterKey(e) });
    this.actions = {
      download: button("download", "Download", () => this.askDownload(), { worded: true }),
      save: button("save", "Save to your computer", () => this.save()),
      uri: button("uri", "Copy URI", () => this.copy("uri", "URI")),
      code: button("code", "Copy code", () => this.copy("code", "Code")),
      link: button("link", "Presigned link", () => this.askLink()),
      count: button("count", "Count objects and bytes", () => this.count()),
      upload: button("upload", "Upload", () => this.picker.click(), { worded: true, class: "write" }),
      remove: button("remove", "Delete", () => this.press("delete"), { class: "write" }),
      info: button("info", "Details", () => this.showDetails(this.side.hidden)),
    };
    this.picker = h("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", "aria-label": "Files to upload",
      onchange: () => (this.upload([...this.picker.files]), (this.picker.value = "")) });
    const head = (by, label) =>
      h("div", { role: "columnheader", class: `cell ${by}`, "data-by": by }, h("button", { type: "button", onclick: () => this.sort(by) }, label, icon("twist")));
    this.heads = h("div", { role: "row", class: "heads", "aria-rowindex": "1" }, head("name", "Name"), head("size", "Size"), head("time", "Modified (UTC)"));
    this.space = h("div", { class: "space", role: "presentation" });
    this.body = h("div", { class: "body", role: "rowgroup", onscroll: () => this.draw() }, this.space);
    this.grid = h("div", { class: "grid", role: "treegrid", tabindex: "0", "aria-label": "Objects", "aria-multiselectable": "true", "aria-colcount": "3",
      onkeydown: (e) => this.gridKey(e), onclick: (e) => this.click(e), ondblclick: (e) => this.doubleClick(e) }, this.heads, this.body);
    this.panel = h("div", { class: "panel", hidden: true });
    this.side = h("aside", { class: "side", "aria-label": "Details", tabindex: "0", hidden: true });
    this.sheet = h("div", { class: "sheet", hidden: true });
    this.status = h("span", { class: "status", role: "status" });
    this.chosen = h("span", { class: "chosen", role: "status" });
    this.all = worded("Load all", () => this.press("all"));
    this.stop = worded("Stop", () => this.press("stop"));
    this.busyNote = h("span", { class: "busy", role: "status" });
    this.tasks = h("ul", { class: "tasks", "aria-label": "Tasks" });
    this.root = h("div", { class: "browser", role: "group", "aria-label": "S3 browser", onkeydown: (e) => e.stopPropagation(),
      ondragover: (e) => this.dragged(e, true), ondragleave: (e) => this.dragged(e, false), ondrop: (e) => this.dropped(e) },
      h("div", { class: "bar" }, ...Object.values(this.ways), this.place),
      h("div", { class: "bar" }, h("span", { class: "filter" }, this.mode, this.text),
        h("span", { class: "actions", role: "group", "aria-label": "Actions" }, ...Object.values(this.actions))),
      this.sheet, h("div", { class: "middle" }, h("div", { class: "main" }, this.grid, this.panel), this.side),
      h("div", { class: "foot" }, this.status, this.all, this.stop, h("span", { class: "gap" }), this.chosen, this.busyNote), this.tasks, this.picker);
    // the notebook's shortcuts end here: JupyterLab looks for the attribute
    this.host = h("div", { class: "s3nb", "data-lm-suppress-shortcuts": "true" });
    this.shadow = this.host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(this.model.get("style_sheet"));
    this.shadow.adoptedStyleSheets = [sheet];
    this.shadow.append(this.root);
    for (const node of [document.documentElement, document.body]) this.themed.observe(node, { attributeFilter: ["class", "theme", "data-jp-theme-light"] });
    this.dress();
    this.onHeight = () => this.root.style.setProperty("--height", `${this.model.get("height")}px`);
    this.onHeight();
    el.append(this.host);
  }

  /** Say to the browser whether the page is dark: its own colours, scroll bars and lists follow. */
  dress() {
    const page = (kinds) => document.querySelector(`:is(html, body):is(${kinds})`);
    const dark = page("[theme=dark], [data-jp-theme-light=false], .dark, .vscode-dark, .vscode-high-contrast:not(.vscode-high-contrast-light)");
    const light = page("[theme=light], [data-jp-theme-light=true], .light, .vscode-light, .vscode-high-contrast-light");
    this.host.style.colorScheme = dark ? "dark" : light ? "light" : "";
  }

  /** Take a new state; rows from ``first`` on may look different. */
  take(s) {
    const before = this.state;
    if (s.version < before.version) return;
    this.state = s;
    for (const page of [...this.fresh]) if ((page + 1) * PAGE > s.first) this.fresh.delete(page);
    for (const index of [...this.rows.keys()]) if (index >= s.total) this.rows.delete(index);
    if (s.level !== before.level) {
      this.rows.clear();
      this.active = this.anchor = 0;
      this.activeId = "";
      this.body.scrollTop = 0;
    }
    if (s.path !== before.path) this.drawPath();
    if (this.shadow.activeElement !== this.text) this.text.value = s.filter;
    this.mode.value = s.mode;
    for (const way of ["back", "forward", "up"]) this.ways[way].disabled = !s.can[way];
    for (const cell of this.heads.children) {
      const on = s.sort.replace("-", "") === cell.dataset.by;
      if (on) cell.setAttribute("aria-sort", s.sort[0] === "-" ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    this.grid.setAttribute("aria-rowcount", s.complete ? String(s.total + 1) : "-1");
    this.grid.setAttribute("aria-busy", String(s.loading));
    this.say(this.status, s.status);
    this.say(this.chosen, s.chosen);
    this.all.hidden = s.complete || s.loading || s.problem || (s.searching && s.full);
    this.all.textContent = s.searching ? "Continue" : "Load all";
    this.stop.hidden = !s.sweeping;
    this.all.after(this.stop); // it may be in the panel
    const some = s.selected.objects + s.selected.prefixes > 0, one = s.selected.objects === 1 && !s.selected.prefixes;
    const { download, save, link, upload, remove } = this.actions;
    download.disabled = remove.disabled = !some;
    save.disabled = link.disabled = !one;
    upload.disabled = s.path === "s3://";
    this.showPanel(s);
    if (this.reactive && s.choices !== before.choices) this.model.set("choices", s.choices), this.model.save_changes();
    clearTimeout(this.wondering);
    if (s.loading) this.wondering = this.later(2000, () => this.wonder());
    this.draw();
    this.details();
  }

  /** Put text where it is read out, when it has changed, and not faster than it can be read. */
  say(node, text) {
    node.next = text;
    if (node.waits) return;
    if (node.textContent !== text) node.textContent = text;
    node.waits = this.later(300, () => ((node.waits = 0), node.next !== node.textContent && (node.textContent = node.next)));
  }

  /** What stands in place of rows. */
  showPanel(s) {
    this.panel.hidden = s.total > 0;
    if (s.total > 0) return;
    const p = s.problem;
    if (p) this.panel.replaceChildren(h("div", { role: "alert" }, icon("trouble"), h("strong", {}, p.title), h("p", {}, p.advice), dim(p.detail)),
      worded("Try again", () => this.press("travel", { way: "refresh" }), "strong"));
    else if (s.loading) this.panel.replaceChildren(h("div", { class: "turning" }), dim(s.sweeping ? "Searching…" : "Loading…"));
    else this.panel.replaceChildren(icon(s.filter ? "search" : "prefix"), dim(s.nothing),
      ...(s.filter && s.mode === "starts" && s.path !== "s3://" ? [worded("Look for it in all that is below", () => this.lookBelow(), "strong")] : []));
  }

  /** Nothing has come for a while: say why, as far as the kernel knows, and let it be stopped. */
  wonder() {
    const { version } = this.state;
    this.ask("pulse").then(({ trouble }) => {
      if (version !== this.state.version) return;
      const text = trouble || (this.state.sweeping ? "" : "Still loading…");
      this.stop.hidden = false;
      if (text && this.panel.hidden) this.say(this.status, text);
      else if (text) this.panel.querySelector("p").textContent = text, this.panel.append(this.stop);
      this.wondering = this.later(1000, () => this.wonder());
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
    while (nodes.length > count) nodes.pop().remove();
    for (let i = 0; i < count; i++) this.fill(nodes[i], sight.start + i, sight.shift);
    const seen = nodes.find((n) => n.index === this.active && this.rows.has(this.active));
    if (seen) this.grid.setAttribute("aria-activedescendant", seen.id);
    else this.grid.removeAttribute("aria-activedescendant");
    this.fetch(sight.start, sight.stop); // the kernel loads more when the end of what is loaded is among these
  }

  newRow() {
    return h("div", { role: "row", class: "row", id: `row-${this.drawn.length}` },
      h("div", { role: "gridcell", class: "cell name" }, h("span", { class: "twist" }, icon("twist")), h("span", { class: "kind" }), h("span", { class: "label" }), h("span", { class: "class" })),
      h("div", { role: "gridcell", class: "cell size" }), h("div", { role: "gridcell", class: "cell time" }));
  }

  fill(node, index, shift) {
    node.style.transform = `translateY(${index * ROW + shift}px)`;
    node.index = index;
    node.setAttribute("aria-rowindex", String(index + 2));
    node.classList.toggle("active", index === this.active);
    const row = this.rows.get(index);
    if (row && node.row === row) return;
    node.row = row;
    const [, depth, kind, name, size, time, storage, selected, expanded] = row ?? ["", 0, "loading", "…", "", "", "", false, false];
    const [first, second, third] = node.children, [, drawing, label, extra] = first.children;
    node.dataset.kind = kind;
    node.setAttribute("aria-level", String(depth + 1));
    node.setAttribute("aria-selected", String(selected));
    if (opens(kind)) node.setAttribute("aria-expanded", String(expanded));
    else node.removeAttribute("aria-expanded");
    first.style.setProperty("--depth", String(depth));
    if (drawing.dataset.kind !== kind) {
      drawing.dataset.kind = kind;
      drawing.replaceChildren(...(isEntry(kind) ? [icon(/** @type {"object"} */ (kind))] : []));
    }
    label.textContent = label.title = name;
    extra.textContent = storage;
    second.textContent = size;
    third.textContent = time;
  }

  fetch(start, stop) {
    /** @type {number[]} */ const missing = [];
    for (let page = Math.floor(start / PAGE); page * PAGE < stop; page++) if (!this.fresh.has(page)) missing.push(page);
    if (this.asking || !missing.length) return;
    this.asking = true;
    this.ask("rows", { start: missing[0] * PAGE, stop: (missing[missing.length - 1] + 1) * PAGE }).then((a) => {
      this.asking = false;
      if (this.rows.size > KEPT) this.rows.clear(), this.fresh.clear();
      a.rows.forEach((row, i) => this.rows.set(a.start + i, row));
      if (a.version >= this.state.version) for (const page of missing) this.fresh.add(page);
      this.follow(a);
      this.draw();
    }, () => (this.asking = false));
  }

  /** Keep the active row active when rows came in above it. */
  follow(a) {
    if (this.rows.get(this.active)?.[0] === this.activeId) return;
    const at = a.rows.findIndex((row) => row[0] === this.activeId);
    if (at >= 0 && this.activeId) this.active = a.start + at;
    else this.activeId = this.rows.get(this.active)?.[0] ?? "";
  }

  // -- keys and clicks

  /** Make a row the active one, and select as keys ask for. */
  moveTo(to, e) {
    const row = this.rows.get(to);
    this.active = to;
    this.activeId = row && isEntry(row[2]) ? row[0] : "";
    const top = reveal(to, this.body.scrollTop, this.body.clientHeight, this.state.total);
    if (top !== null) this.body.scrollTop = top;
    if (e.shiftKey) this.select(Math.min(this.anchor, to), Math.max(this.anchor, to) + 1, "only");
    else if (!(e.ctrlKey || e.metaKey)) this.select((this.anchor = to), to + 1, "only");
    this.draw();
  }

  select(start, stop, how) {
    for (const [index, row] of this.rows) { // shown at once; the kernel's answer replaces it
      const inside = index >= start && index < stop && isEntry(row[2]);
      const next = how === "only" ? inside : row[7] !== inside;
      if (next !== row[7]) this.rows.set(index, /** @type {Row} */ (row.with(7, next)));
    }
    this.tell("select", { start, stop, how });
  }

  /** Flip one row, and make it the active one. */
  flip(index) {
    this.active = this.anchor = index;
    this.select(index, index + 1, "flip");
    this.draw();
  }

  gridKey(e) {
    if (e.target !== this.grid) return; // a button in the head
    const row = this.rows.get(this.active), last = this.state.total - 1, ctrl = e.ctrlKey || e.metaKey;
    const to = destination(e.key, this.active, this.state.total, Math.max(1, Math.floor(this.body.clientHeight / ROW) - 1));
    const travel = { ArrowLeft: "back", ArrowRight: "forward", ArrowUp: "up" }[e.key];
    if (e.altKey && travel) this.press("travel", { way: travel });
    else if (to !== null) this.moveTo(to, e);
    else if (e.key === "Backspace") this.press("travel", { way: "up" });
    else if (e.key === "ArrowRight" && row) row[8] ? this.moveTo(Math.min(this.active + 1, last), e) : this.toggle(row, true);
    else if (e.key === "ArrowLeft" && row) row[8] ? this.toggle(row, false) : this.toParent(row[1], e);
    else if (e.key === "Enter" && row) this.enter(row);
    else if (e.key === " ") this.flip(this.active);
    else if (ctrl && e.key === "a") this.press("select_all", { value: true });
    else if (ctrl && e.key === "c") this.copy("uri", "URI");
    else if (e.key === "Escape") this.side.hidden ? this.press("select_all", { value: false }) : this.showDetails(false);
    else if (e.key === "/" && !ctrl) this.text.focus();
    else if (e.key === "Delete" && this.writable) this.press("delete");
    else return;
    e.preventDefault();
  }

  toggle(row, expanded) {
    if (opens(row[2])) this.press("toggle", { row: row[0], expanded });
  }

  toParent(depth, e) {
    for (let i = this.active - 1; depth > 0 && i >= 0; i--) if ((this.rows.get(i)?.[1] ?? depth) < depth) return this.moveTo(i, e);
  }

  enter(row) {
    if (opens(row[2])) this.press("open", { row: row[0] });
    else if (isEnd(row[2])) this.press("more", { level: parseInt(row[0], 10) });
    else if (row[2] === "object") this.showDetails(true);
  }

  /** The row that an event is about. */
  rowOf(e) {
    const node = e.target.closest(".row"), row = node && this.rows.get(node.index);
    return row ? { row, index: node.index, twist: e.target.closest(".twist") && opens(row[2]) } : null;
  }

  click(e) {
    const hit = this.rowOf(e);
    if (!hit) return;
    this.grid.focus();
    if (hit.twist) this.toggle(hit.row, !hit.row[8]);
    else if (isEnd(hit.row[2])) this.enter(hit.row);
    else if (e.ctrlKey || e.metaKey) this.flip(hit.index);
    else this.moveTo(hit.index, { shiftKey: e.shiftKey });
  }

  doubleClick(e) {
    const hit = this.rowOf(e);
    if (hit && !hit.twist && isEntry(hit.row[2])) this.enter(hit.row);
  }

  sort(by) {
    const usual = by === "name" ? by : `-${by}`; // the largest and the latest are looked for more often
    const other = by === "name" ? `-${by}` : by;
    this.press("sort", { by: this.state.sort === usual ? other : usual });
  }

  // -- path and filter

  drawPath() {
    const parts = this.state.crumbs.map((/** @type {string[]} */ [label, url], i, all) => h("button", { type: "button", class: "crumb",
      "aria-current": i === all.length - 1 ? "page" : null, onclick: () => this.press("go", { url }) }, label));
    this.crumbs.replaceChildren(...parts);
    this.crumbs.scrollLeft = this.crumbs.scrollWidth;
  }

  editAddress(on) {
    this.place.classList.toggle("editing", on);
    this.address.value = this.state.path;
    if (on) this.address.focus(), this.address.select();
  }

  addressKey(e) {
    if (e.key !== "Enter" && e.key !== "Escape") return;
    e.preventDefault();
    const url = this.address.value.trim();
    this.editAddress(false);
    if (e.key === "Enter" && url) this.press("go", { url: /^s3:/i.test(url) ? url : `s3://${url.replace(/^\/+/, "")}` });
    else this.grid.focus();
  }

  filterSoon() {
    clearTimeout(this.typing);
    this.typing = this.later(300, () => this.filter());
  }

  filter() {
    clearTimeout(this.typing);
    const text = this.text.value, mode = this.mode.value;
    if (text !== this.state.filter || (mode !== this.state.mode && text)) this.tell("filter", { text, mode });
    else this.state.mode = mode;
  }

  lookBelow() {
    this.mode.value = "contains";
    this.filter();
    this.text.focus();
  }

  filterKey(e) {
    if (!["Escape", "Enter", "ArrowDown"].includes(e.key)) return;
    const clears = e.key === "Escape" && this.text.value;
    if (clears) this.text.value = "";
    this.filter();
    if (!clears) this.grid.focus();
    e.preventDefault();
  }

  // -- sheets: small questions below the bars

  /** Ask something. The first of ``choices`` (labels and actions) is what Enter in a field means; if ``more.grave``, it loses something.
   * @param {string} title @param {any[]} content @param {[string, () => void][]} choices
   * @param {{no?: string, refused?: () => void, grave?: boolean}} [more] what the last button says and does */
  sheetOf(title, content, choices, more = {}) {
    const back = this.shadow.activeElement;
    const done = (action) => () => (this.closeSheet(back), action());
    const [first, ...others] = choices.map(([, action]) => done(action));
    const refuse = done(more.refused ?? Boolean);
    const no = worded(more.no ?? (choices.length ? "Cancel" : "Close"), refuse);
    const form = h("form", { role: "dialog", "aria-label": title, onsubmit: (e) => (e.preventDefault(), (first ?? refuse)()),
      onkeydown: (e) => e.key === "Escape" && refuse() },
      h("strong", {}, title), ...content, h("span", { class: "gap" }),
      choices.length ? h("button", { type: "submit", class: more.grave ? "grave" : "strong" }, choices[0][0]) : null,
      ...others.map((action, n) => worded(choices[n + 1][0], action)), no);
    this.question = 0;
    this.sheet.replaceChildren(form);
    this.sheet.hidden = false;
    const field = form.querySelector("input, select, textarea");
    (field ?? no).focus();
    field?.select?.();
  }

  closeSheet(back) {
    this.sheet.hidden = true;
    this.sheet.replaceChildren();
    this.question = 0;
    (this.root.contains(back) ? back : this.grid).focus();
  }

  complain(problem) {
    this.sheetOf(problem.title, [h("span", { role: "alert" }, problem.advice), h("span", { class: "dim" }, problem.detail)], []);
  }

  askDownload() {
    const folder = h("input", { type: "text", value: this.folder, "aria-label": "Folder on the kernel's machine", spellcheck: "false" });
    this.sheetOf(`Download ${this.state.chosen.replace(" selected", "")} to the kernel's folder`, [folder],
      [["Download", () => this.press("download", { to: (this.folder = folder.value) })]]);
  }

  askLink() {
    const life = h("select", { "aria-label": "How long the link lives" }, ...this.lifetimes.map(([seconds, words]) => h("option", { value: seconds }, words)));
    const make = async () => {
      const a = await this.tell("link", { row: this.chosenRow()?.[0], seconds: Number(life.value) });
      if (a) this.offer(`Presigned link, ${life.selectedOptions[0].text}`, a.url, true);
    };
    this.sheetOf("A link that lets its bearer read this object for", [life], [["Make link", make]]);
  }

  /** Show text to be taken away, and put it on the clipboard if that is allowed. */
  async offer(title, text, stays = false) {
    const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    const field = h(text.includes("\n") ? "textarea" : "input", { readonly: true, "aria-label": title, rows: text.includes("\n") ? "6" : null });
    field.value = text;
    this.sheetOf(copied ? `${title}: copied` : `${title}: copy it from here`, [field], []);
    if (copied && !stays) this.later(2500, () => this.sheet.contains(field) && this.closeSheet());
  }

  async copy(what, title) {
    const a = await this.tell("copy", { what });
    if (a) this.offer(title, a.text);
  }

  /** The row that is selected, if it is one and in memory. */
  chosenRow() {
    const active = this.rows.get(this.active);
    return active?.[7] ? active : [...this.rows.values()].find((row) => row[7]);
  }

  async save() {
    const a = await this.tell("save", { row: this.chosenRow()?.[0] });
    if (!a || (a.url && !/^https?:/.test(a.url))) return;
    const url = a.url ?? URL.createObjectURL(new Blob([a.buffers[0] ?? ""], { type: "application/octet-stream" }));
    h("a", { href: url, download: a.name, rel: "noopener noreferrer", target: a.url ? "_blank" : null }).click();
    if (!a.url) this.later(10_000, () => URL.revokeObjectURL(url));
  }

  count() {
    const row = this.chosenRow();
    this.press("count", { row: row && opens(row[2]) ? row[0] : "" });
  }

  // -- uploads and other tasks

  dragged(e, over) {
    if (!e.dataTransfer?.types.includes("Files")) return;
    e.preventDefault();
    this.root.classList.toggle("drop", over && this.writable);
  }

  dropped(e) {
    this.dragged(e, false);
    const files = [...(e.dataTransfer?.files ?? [])];
    if (!files.length) return;
    e.stopPropagation();
    if (this.writable) this.upload(files);
    else this.complain({ title: "This browser may only read", advice: "Open it with writable=True to upload files.", detail: "" });
  }

  /** Store files; asks first if that would replace objects. */
  async upload(files) {
    const answer = await this.tell("taken", { names: files.map((f) => f.name) }), taken = answer?.taken;
    if (!taken?.length) return taken && this.send(files, false);
    const others = files.filter((f) => !taken.includes(f.name)), one = taken.length === 1;
    /** @type {[string, () => void][]} */
    const choices = [[`Replace ${taken.length} ${one ? "object" : "objects"}`, () => this.send(files, true)]];
    if (others.length) choices.push([`Upload the other ${others.length}`, () => this.send(others, false)]);
    this.sheetOf(`${taken.length} of ${files.length} ${one ? "is" : "are"} there already`, [names(answer.shown)], choices, { grave: true });
  }

  /** Send files to the kernel, piece by piece, each when the one before has arrived. */
  async send(files, overwrite) {
    for (const file of files) {
      let handle = "", at = 0;
      try {
        ({ handle } = await this.ask("upload", { name: file.name, size: file.size, overwrite }));
        for (; at < file.size; at += PIECE) {
          const { received } = await this.ask("upload_piece", { handle }, [await file.slice(at, at + PIECE).arrayBuffer()]);
          if (received === null) break; // stopped over there
        }
        if (at >= file.size) await this.ask("upload_end", { handle });
      } catch (/** @type {any} */ error) {
        if (!handle) return this.complain(error);
        this.press("upload_failed", { handle, text: error?.message ?? error?.title ?? "the file could not be read" });
      }
    }
  }

  showTasks(tasks) {
    const before = [...this.tasks.children], now = tasks.map((t) => this.drawTask(t, before.find((n) => n.number === t.number)));
    if (now.length !== before.length || now.some((node, i) => node !== before[i])) this.tasks.replaceChildren(...now);
    const open = tasks.find((t) => t.question);
    if (open?.number === this.question || !(open || this.question)) return;
    if (!open) return this.closeSheet(); // answered in another view
    const { title, choices, no } = open.question, answer = (word) => this.press("answer", { task: open.number, answer: word });
    this.sheetOf(title, [names(open.question.names)], choices.map(([word, label]) => [label, () => answer(word)]),
      { no, grave: true, refused: () => answer("") });
    this.question = open.number;
  }

  /** The line of a task: the one it had, as its button may have the focus, unless another state asks for another one. */
  drawTask(t, before) {
    const act = (what) => () => this.press("task", { what, task: t.number });
    const live = t.state === "running", label = `${t.kind} ${t.title}`;
    const node = before?.dataset.state === t.state ? before : h("li", { "data-state": t.state },
      h("span", { class: "what", title: t.title }, `${t.kind} `, h("b", {}, t.title)),
      live ? h("div", { class: "progress", role: "progressbar", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100" }, h("div")) : null,
      h("span", { class: "told" }),
      live ? h("button", { type: "button", class: "plain", "aria-label": `Cancel ${t.kind}`, onclick: act("stop") }, "Cancel") : button("close", "Dismiss", act("forget")));
    node.number = t.number;
    node.querySelector(".told").textContent = t.text;
    if (live) this.drawBar(node.querySelector(".progress"), t.fraction);
    return node;
  }

  drawBar(bar, fraction) {
    const percent = Math.round(Math.min(1, fraction ?? 1) * 100);
    bar.firstChild.style.width = `${percent}%`;
    if (fraction === null) bar.removeAttribute("aria-valuenow"); // how far is not known
    else bar.setAttribute("aria-valuenow", percent);
  }

  // -- details

  showDetails(on) {
    this.side.hidden = !on;
    this.actions.info?.setAttribute("aria-pressed", String(on));
    this.detailed = "";
    this.details();
    this.draw();
  }

  /** Bring the side up to date with the selection, when that has settled. */
  details() {
    clearTimeout(this.settling);
    if (!this.side.hidden) this.settling = this.later(200, () => {
      const s = this.state, many = s.selected.objects + s.selected.prefixes;
      const row = many === 1 ? this.chosenRow() : undefined, now = row ? row[0] : `${s.path} ${s.chosen}`;
      if (this.side.hidden || now === this.detailed) return;
      this.detailed = now;
      this.side.replaceChildren(h("h3", {}, row?.[3] ?? (s.chosen || s.path)));
      if (row?.[2] === "object") this.describe(row[0]);
      else this.side.append(dim(row ? "A prefix. Enter opens it; “Count” counts what is below." : "Select an object to see what it is."));
    });
  }

  describe(id) {
    const here = () => this.detailed === id && !this.side.hidden;
    const shown = h("div", { class: "preview", "aria-busy": "true" }, dim("Loading…"));
    this.side.append(shown);
    this.ask("describe", { row: id }).then((a) => {
      if (!here()) return;
      const versions = worded("Versions", async () => {
        const v = await this.tell("versions", { row: id });
        if (v) versions.replaceWith(h("h4", {}, v.title), facts(v.versions));
      });
      shown.removeAttribute("aria-busy");
      shown.replaceChildren(...drawPreview(a.preview, a.buffers));
      this.side.append(...a.preview.sections.flatMap((/** @type {any} */ [name, rows]) => [h("h4", {}, name), facts(rows)]), versions);
    }, (p) => here() && shown.replaceChildren(h("p", { role: "alert" }, `${p.title}. ${p.advice}`)));
  }

  close() {
    this.model.off("msg:custom", this.onMessage);
    this.model.off("change:height", this.onHeight);
    this.sized.disconnect();
    this.themed.disconnect();
    for (const timer of this.timers) clearTimeout(timer);
    this.host.remove();
  }
}

// -- what is in an object --------------------------------------------------------------------------

const names = (some) => h("ul", {}, ...some.map((name) => h("li", {}, name)));

/** Names and values, one below the other. */
function facts(rows) {
  return h("dl", {}, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** A part of the side that scrolls by itself. */
const region = (tag, kind, ...content) => h(tag, { class: kind, tabindex: "0", role: "region", "aria-label": "Preview" }, ...content);

/** What an object holds. A picture is one whose bytes the kernel has looked at, and only of these kinds.
 * */
function drawPreview(p, buffers) {
  const draw = (block) => {
    if (block.kind === "text") return region("pre", "source", block.text);
    if (block.kind === "table") return drawTable(block);
    if (block.kind !== "picture" || !/^image\/(png|jpeg|gif|webp)$/.test(block.mime)) return null;
    const url = URL.createObjectURL(new Blob([/** @type {any} */ (buffers[block.buffer])], { type: block.mime }));
    const free = () => URL.revokeObjectURL(url);
    return h("img", { src: url, alt: "The picture", class: block.small ? "small" : null, onload: free, onerror: free });
  };
  return [dim(p.title), ...p.blocks.map(draw).filter(Boolean), ...p.notes.map((note) => dim(note))];
}

function drawTable(block) {
  const row = (tag, cells) =>
    h("tr", {}, ...cells.map((cell, n) => h(tag, { title: cell, class: block.numbers[n] ? "number" : null }, cell)));
  const head = block.columns.length ? h("thead", {}, row("th", block.columns)) : null;
  return region("div", "scroll", h("table", {}, head, h("tbody", {}, ...block.rows.map((cells) => row("td", cells)))), block.more ? dim(block.more) : null);
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.close();
  },
};
