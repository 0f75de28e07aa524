"""A browser without a screen: where it is, what it shows, what is selected. Whoever draws it is told when that changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from s3nb.browsing.advice import Problem, problem_of
from s3nb.browsing.level import SORTS, Level
from s3nb.browsing.match import MODES, matcher
from s3nb.browsing.source import Source, Stopped, parent_of, rows_of
from s3nb.browsing.tree import Row, Selection, Tree
from s3nb.client import S3
from s3nb.errors import InvalidURL
from s3nb.model import S3Object
from s3nb.uri import is_s3, parse

MOST_ROWS = 2_000_000  # what one level loads before it asks somebody to narrow it down: some 200 MB
_HISTORY = 100

Notify = Callable[[int], object]


class Browsing:
    """The state of a browser. Thread-safe; requests run on threads of their own, and stale answers are dropped.

    Parameters
    ----------
    s3 : S3
        Whose account is used. It stays open.
    notify : callable
        Called after each change with the number of the first row that may look different; on any thread. It may
        look at everything here, and must not wait for anything.

    Attributes
    ----------
    path : str
        The level that is shown, ``s3://bucket/prefix/``; ``s3://`` for the buckets.
    sort : str
        ``"name"``, ``"size"``, ``"time"``, with ``-`` from the end.
    filter, mode : str
        The text that names are filtered by, and how: ``"starts"``, ``"contains"``, ``"pattern"``.
    version : int
        Counts changes.
    """

    def __init__(self, s3: S3, notify: Notify = lambda _: None) -> None:
        self.source = Source(s3)
        self.path = "s3://"
        self.sort = "name"
        self.filter = ""
        self.mode = "starts"
        self.version = 0
        self.tree = Tree(Level("s3://"))
        self.scanned = 0  # keys looked at by a search
        self.sweeping = False  # a search, or all pages are being loaded
        self.full = False  # ... and ended at the limit
        self._notify = notify
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._back: list[tuple[str, str, str]] = []
        self._forward: list[tuple[str, str, str]] = []
        self._threads: set[threading.Thread] = set()
        self._closed = False
        self._asked = 0
        self._somewhere = False  # nothing was asked for yet
        self.tree.root.complete = True

    # -- where -----------------------------------------------------------------------------------

    def go(self, address: str, *, filter: str = "", mode: str = "starts") -> threading.Thread | None:
        """Show the level that an address names; of an object's address, the level it is in, filtered by its name."""
        with self._lock:
            self._asked += 1
            asked = self._asked
        address = address.strip()
        if address.endswith("/") or not is_s3(address):
            try:
                path, starts = self.source.resolve(address)
            except InvalidURL as exc:
                self._fail(Level(address), problem_of(exc, address))
                return None
            return self._show(path, filter or starts, mode)

        def resolve() -> None:
            try:
                path, starts = self.source.resolve(address)
            except Exception as exc:
                with self._lock:
                    if asked == self._asked:
                        self._remember()
                        self.path = address
                        self._fail(Level(address), problem_of(exc, address))
                return
            with self._lock:
                if asked == self._asked:
                    self._show(path, filter or starts, mode)

        return self._spawn(resolve)

    def back(self) -> None:
        """Go where one was before."""
        self._travel(self._back, self._forward)

    def forward(self) -> None:
        """Go where one was before going back."""
        self._travel(self._forward, self._back)

    def up(self) -> None:
        """Go one level up."""
        self._show(parent_of(self.path), "", "starts")

    def refresh(self) -> None:
        """List anew what is shown."""
        self._show(self.path, self.filter, self.mode, remember=False)

    @property
    def can(self) -> dict[str, bool]:
        """Which ways lead from here."""
        return {"back": bool(self._back), "forward": bool(self._forward), "up": self.path != "s3://"}

    def _travel(self, source: list[tuple[str, str, str]], target: list[tuple[str, str, str]]) -> None:
        with self._lock:
            if not source:
                return
            target.append((self.path, self.filter, self.mode))
            path, text, mode = source.pop()
            self._show(path, text, mode, remember=False)

    def _remember(self) -> None:
        if self._somewhere:
            self._back.append((self.path, self.filter, self.mode))
            del self._back[:-_HISTORY]
            self._forward.clear()

    def _show(self, path: str, text: str, mode: str, *, remember: bool = True) -> threading.Thread | None:
        with self._lock:
            self._asked += 1
            if remember and path != self.path:
                self._remember()
            self._somewhere = True
            self.path, self.filter, self.mode = path, text, mode
            self._stop.set()
            self._stop = threading.Event()
            self.scanned, self.sweeping, self.full = 0, False, False
            level = Level(path, "" if self.searching else text)
            level.sort(self.sort)
            self.tree = Tree(level)
            if self.searching:
                return self._sweep(level, self._search)
            return self._load(level)

    def _fail(self, level: Level, problem: Problem) -> None:
        with self._lock:
            level.problem = problem
            self._stop.set()
            self.tree = Tree(level)
            self.sweeping = False
            self._changed(0)

    # -- rows ------------------------------------------------------------------------------------

    def rows(self, start: int, stop: int) -> tuple[int, int, list[Row]]:
        """Return the version, the number of rows that are shown, and rows ``[start, stop)``."""
        with self._lock:
            return self.version, len(self.tree), self.tree.rows(start, stop)

    def more(self, number: int) -> threading.Thread | None:
        """Load the next page of an open level; does nothing while one is on its way. Also the way to try again."""
        with self._lock:
            level = self.tree.level(number)
            if level is None or level.complete or level.loading or self.sweeping:
                return None
            level.problem = None
            if level is self.tree.root and self.searching:
                return self._sweep(level, self._search)
            return self._load(level)

    @property
    def searching(self) -> bool:
        """Whether what is shown are the finds of a search."""
        return bool(self.filter) and self.mode != "starts" and self.path != "s3://"

    def load_all(self) -> threading.Thread | None:
        """Load all pages of the level that is shown, until `stop` or two million rows."""
        with self._lock:
            level = self.tree.root
            if level.complete or level.loading:
                return None
            level.problem = None
            self.full = False
            return self._sweep(level, self._search if self.searching else self._rest)

    def stop(self) -> None:
        """Stop a search, or loading all; what is there stays."""
        self._stop.set()

    def toggle(self, row_id: str, expanded: bool | None = None) -> threading.Thread | None:
        """Open or close the level below a prefix; None: whichever it is not."""
        with self._lock:
            spot = self.tree.find(row_id)
            if spot is None or not spot[0].is_prefix(spot[1]):
                return None
            level, index, _ = spot
            is_open = index in level.children
            if expanded is not None and expanded == is_open:
                return None
            if is_open:
                level.close(index)
                self._changed(self.tree.position(level, index) or 0)
                return None
            child = Level(level.row_url(index))
            level.open(index, child)
            return self._load(child)

    def sort_by(self, by: str) -> None:
        """Show rows in another order; of what is loaded, and of what comes."""
        if by not in SORTS:
            raise ValueError(f"sort must be one of {', '.join(SORTS)}, not {by!r}")
        with self._lock:
            self.sort = by
            self.tree.root.sort(by)
            self._changed(0)

    def filter_by(self, text: str, mode: str = "starts") -> threading.Thread | None:
        """Show only rows whose names match. ``"starts"`` is S3's part; the others search all keys below, until `stop`."""
        if mode not in MODES:
            raise ValueError(f"filter mode must be one of {', '.join(MODES)}, not {mode!r}")
        return self._show(self.path, text, mode, remember=False)

    def _load(self, level: Level) -> threading.Thread:
        level.loading = True
        self._changed(self.tree.position(level, -1) or 0)

        def load() -> None:
            problem = rows = None
            try:
                rows = self.source.page(level.url, level.starts, level.token)
            except Exception as exc:
                problem = problem_of(exc, level.url)
            with self._lock:
                level.loading = False
                if self.tree.level(level.number) is not level:
                    return  # somebody went elsewhere
                first = self.tree.position(level, -1) or 0
                level.problem = problem
                if rows is not None:
                    level.add(rows)
                    self.full = len(level) >= MOST_ROWS
                self._changed(first if self.sort == "name" else 0)

        return self._spawn(load)

    def _sweep(self, level: Level, work: Callable[[Level, threading.Event], Iterator[None]]) -> threading.Thread:
        """Run ``work``, which adds to the level step by step, and tell of it now and then."""
        self._stop.set()
        self._stop = stop = threading.Event()
        self.sweeping = level.loading = True
        self._changed(0)

        def run() -> None:
            problem = None
            told = 0
            try:
                for count, _ in enumerate(work(level, stop)):
                    # the first pages at once, then less and less often: drawing must not hold up listing
                    if count < 3 or count - told >= 10:
                        told = count
                        with self._lock:
                            if self.tree.root is level:
                                self._changed(0)
            except Stopped:
                pass
            except Exception as exc:
                problem = problem_of(exc, level.url)
            with self._lock:
                level.loading = False
                if self.tree.root is level:
                    level.problem = problem
                    self.sweeping = False
                    self._changed(0)

        return self._spawn(run)

    def _rest(self, level: Level, stop: threading.Event) -> Iterator[None]:
        at = len(parse(level.url).key)
        for page in self.source.pages(level.url, stop, deep=False, starts=level.starts, token=level.token):
            with self._lock:
                level.add(rows_of(page, at))
                if len(level) >= MOST_ROWS and not level.complete:
                    self.full = True
                    return
            yield

    def _search(self, level: Level, stop: threading.Event) -> Iterator[None]:
        matches = matcher(self.filter, self.mode)
        at = len(parse(level.url).key)
        for page in self.source.pages(level.url, stop, deep=True, token=level.token):
            self.scanned += len(page.objects)
            found = [o for o in page.objects if matches(o.key[at:])]
            with self._lock:
                level.add(rows_of(page._replace(objects=found), at))
                if len(level) >= MOST_ROWS and not level.complete:
                    self.full = True
                    return
            yield

    # -- selection -------------------------------------------------------------------------------

    def select(self, start: int, stop: int, how: str = "only") -> None:
        """Select rows ``[start, stop)``: ``"only"`` them, ``"add"`` them, or ``"flip"`` each."""
        with self._lock:
            spots = [spot for spot in self.tree.spots(start, stop) if spot[1] >= 0]
            if how == "only":
                self.tree.mark_all(False)
            for level, index, _ in spots:
                level.marks[index] = not level.marks[index] if how == "flip" else True
            self._changed(0)

    def select_all(self, value: bool = True) -> None:
        """Select all rows that are loaded, or none."""
        with self._lock:
            self.tree.mark_all(value)
            self._changed(0)

    def select_urls(self, urls: list[str]) -> None:
        """Select rows by URL.

        Raises
        ------
        ValueError
            One is not shown.
        """
        with self._lock:
            wanted = dict.fromkeys(urls)
            found = []
            for level in self.tree.root.family():
                names = {url[len(level.url) :]: url for url in wanted if url.startswith(level.url)}
                found += [(level, i, names[name]) for i, name in enumerate(level.names) if name in names]
            missing = wanted.keys() - {url for _, _, url in found}
            if missing:
                raise ValueError(f"not among the rows that are loaded: {sorted(missing)[0]!r}")
            self.tree.mark_all(False)
            self.tree.mark((level, i, 0) for level, i, _ in found)
            self._changed(0)

    @property
    def selection(self) -> Selection:
        """What is selected now."""
        with self._lock:
            return self.tree.selection()

    def row(self, row_id: str) -> S3Object | None:
        """Return a row as an object (or prefix) by its id; None if it is gone."""
        with self._lock:
            spot = self.tree.find(row_id)
            return None if spot is None else self.object_of(spot[0], spot[1])

    def object_of(self, level: Level, index: int) -> S3Object:
        """Return a row as an object of a listing; its key is relative to `path`, as far as it is below."""
        url = level.row_url(index)
        size, time = level.sizes[index], level.times[index]
        return S3Object(
            self.path if self.path != "s3://" else None, url, size=size if size >= 0 else None,
            last_modified=time if time >= 0 else None, storage_class=level.storage_class(index) or None,
        )  # fmt: skip

    def objects(self, selection: Selection | None = None, stop: threading.Event | None = None) -> Iterator[S3Object]:
        """Yield the selected objects; of a prefix, all that are below, as they are listed. Markers of folders are left out."""
        stop = stop or threading.Event()
        base = self.path if self.path != "s3://" else None
        for level, index in (self.selection if selection is None else selection).places():
            if not level.is_prefix(index):
                yield self.object_of(level, index)
                continue
            bucket = parse(level.row_url(index)).bucket
            for page in self.source.pages(level.row_url(index), stop, deep=True):
                for o in page.objects:
                    if not (o.key.endswith("/") and o.size == 0):
                        yield S3Object(
                            base, f"s3://{bucket}/{o.key}", size=o.size, etag=o.etag, last_modified=o.last_modified,
                            storage_class=o.storage_class,
                        )  # fmt: skip

    # -- state -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return everything that is shown besides the rows."""
        with self._lock:
            root = self.tree.root
            marked = self.tree.selection().summary()
            return {
                "version": self.version, "total": len(self.tree), "path": self.path, "can": self.can, "sort": self.sort,
                "filter": self.filter, "mode": self.mode, "loaded": len(root), "complete": root.complete,
                "loading": root.loading, "level": root.number, "sweeping": self.sweeping, "scanned": self.scanned,
                "searching": self.searching, "full": self.full, "selected": marked,
                "problem": root.problem._asdict() if root.problem else None,
            }  # fmt: skip

    def close(self) -> None:
        """Stop everything that runs, and wait for it. May be called twice."""
        with self._lock:
            self._closed = True
            self._asked += 1
            self._stop.set()
            self.tree = Tree(Level("s3://"))
            self.tree.root.complete = True
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(5)

    def wait(self) -> None:
        """Wait until nothing is under way. For programs and tests."""
        while True:
            with self._lock:
                threads = [t for t in self._threads if t is not threading.current_thread()]
            if not threads:
                return
            for thread in threads:
                thread.join()

    def _changed(self, first: int) -> None:
        self.version += 1
        if not self._closed:
            self._notify(first)

    def _spawn(self, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        # daemons: the end of the interpreter waits for no listing
        thread = threading.Thread(target=run, name="s3nb-browser", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()
        return thread
