"""A browser without a screen: where it is, what it shows, what is selected. Whoever draws it is told when that changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import closing
from typing import Any

from s3nb.browsing import words
from s3nb.browsing.advice import STOPPED, problem_of
from s3nb.browsing.crew import Crew
from s3nb.browsing.level import SORTS, Level, Rows
from s3nb.browsing.match import MODES, matcher, narrowed
from s3nb.browsing.source import Source, is_orderly, parent_of, rows_of, trouble_of
from s3nb.browsing.tree import Row, Selection, Tree
from s3nb.client import S3
from s3nb.errors import InvalidURL
from s3nb.model import S3Object
from s3nb.progress import Progress
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
        self.choices = 0  # how often somebody went elsewhere, or selected something
        self.full = False  # a search, or loading all, ended at the limit
        self._notify = notify
        self._lock = threading.RLock()
        self._back: list[tuple[str, str, str]] = []
        self._forward: list[tuple[str, str, str]] = []
        self.crew = Crew("s3nb-browser")
        self._closed = False
        self._somewhere = False  # nothing was asked for yet
        self.tree.root.complete = True

    # -- where -----------------------------------------------------------------------------------

    def go(self, address: str, *, filter: str = "", mode: str = "starts") -> threading.Thread | None:
        """Show the level that an address names; of an object's address, the level it is in, filtered by its name."""
        address = address.strip()
        level = Level(address)
        if address.endswith("/") or not is_s3(address):
            try:
                path, starts = self.source.resolve(address)
            except InvalidURL as exc:
                level.problem = problem_of(exc, address)
                self._put(level)
                self._changed(0)
                return None
            return self._show(path, filter or starts, mode)
        level.loading = progress = Progress("list")
        self._put(level)
        self._changed(0)

        def resolve() -> None:
            problem = None
            path, starts = address, ""
            try:
                path, starts = self.source.resolve(address, progress)
            except CancelledError:
                problem = STOPPED
            except Exception as exc:
                problem = problem_of(exc, address)
            with self._lock:
                if self.tree.root is not level:
                    return  # somebody went elsewhere
                if problem is None:
                    self._show(path, filter or starts, mode)
                    return
                self._remember()
                self.path, self.filter = address, ""
                level.loading, level.problem = None, problem
                self._changed(0)

        return self.crew.start(resolve)

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
        """List anew what is shown; of an address that was not found out about, try that again."""
        if self.path.endswith("/"):
            self._show(self.path, self.filter, self.mode, remember=False)
        else:
            self.go(self.path)

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
            if remember and path != self.path:
                self._remember()
            self._somewhere = True
            self.path, self.filter, self.mode = path, text, mode
            level = Level(path)
            self._put(level)
            if self.searching:
                return self._fill(level, self._search)
            level.starts = text
            return self._fill(level, self._page)

    def _put(self, level: Level) -> None:
        """Show another level, with nothing in it yet."""
        with self._lock:
            self.stop()
            self.scanned, self.full = 0, False
            level.sort(self.sort)
            self.tree = Tree(level)
            self.choices += 1

    # -- rows ------------------------------------------------------------------------------------

    def rows(self, start: int, stop: int) -> tuple[int, int, list[Row]]:
        """Return the version, the number of rows that are shown, and rows ``[start, stop)``."""
        with self._lock:
            return self.version, len(self.tree), self.tree.rows(start, stop)

    def near(self, rows: list[Row]) -> None:
        """Load the next page of levels whose end somebody comes near to; a search goes on only when told."""
        with self._lock:
            if not (self.full or self.searching):
                for row in rows:
                    if row.kind == "more":
                        self.more(int(row.id.partition(":")[0]))

    def more(self, number: int) -> threading.Thread | None:
        """Load the next page of an open level; does nothing while one is on its way. Also the way to try again."""
        with self._lock:
            level = self.tree.level(number)
            if level is None or level.complete or level.loading:
                return None
            if level is self.tree.root and self.searching:
                return self.load_all()
            return self._fill(level, self._page)

    @property
    def searching(self) -> bool:
        """Whether what is shown are the finds of a search."""
        return bool(self.filter) and self.mode != "starts" and self.path != "s3://" and self.tree.root.url == self.path

    @property
    def sweeping(self) -> bool:
        """Whether a search is under way, or all pages are being loaded."""
        loading = self.tree.root.loading
        return loading is not None and loading.verb == "sweep"

    def load_all(self) -> threading.Thread | None:
        """Load all of the level that is shown, or go on with a search, until `stop` or two million rows."""
        with self._lock:
            level = self.tree.root
            if level.complete or level.loading:
                return None
            if self.searching and level.last and not is_orderly(parse(level.url).bucket):
                return self._show(self.path, self.filter, self.mode)  # such a listing cannot be gone on with
            return self._fill(level, self._search if self.searching else self._rest)

    def stop(self) -> None:
        """Stop listing, a search included; what is there stays."""
        with self._lock:
            for level in self.tree.root.family():
                if level.loading is not None:
                    level.loading.cancel()

    @property
    def trouble(self) -> str:
        """Why what is being listed has not come yet, in words; empty if nothing is known to be wrong."""
        with self._lock:
            told = (trouble_of(level.loading) for level in self.tree.root.family() if level.loading is not None)
            return next(filter(None, told), "")

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
            return self._fill(child, self._page)

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

    def _fill(self, level: Level, work: Callable[[Level, Progress], Generator[Rows, None, None]]) -> threading.Thread:
        """Add to a level what ``work`` lists, step by step, and tell of it now and then."""
        one = work == self._page
        first = self.tree.position(level, -1) or 0 if self.sort == "name" else 0
        level.loading = progress = Progress("list" if one else "sweep")
        level.problem = None
        self.full = False
        self._changed(first)

        def add(rows: Rows, count: int) -> bool:
            nonlocal first
            with self._lock:
                if self.tree.level(level.number) is not level:
                    return False  # somebody went elsewhere
                first = self.tree.position(level, -1) or 0 if self.sort == "name" and one else 0
                level.add(rows)
                self.full = self.full or (len(level) >= MOST_ROWS and not level.complete)
                # the first pages at once, then less and less often: drawing must not hold up listing
                if not one and (count < 3 or count % 10 == 0):
                    self._changed(first)
                return not self.full

        def run() -> None:
            problem = None
            try:
                with closing(work(level, progress)) as steps:
                    for count, rows in enumerate(steps):
                        if not add(rows, count):
                            break
            except CancelledError:
                problem = STOPPED if one else None
            except Exception as exc:
                problem = problem_of(exc, level.url)
            with self._lock:
                level.loading = None
                if self.tree.level(level.number) is level:
                    level.problem = problem
                    self._changed(first)

        return self.crew.start(run)

    def _page(self, level: Level, progress: Progress) -> Generator[Rows, None, None]:
        yield self.source.page(level, progress)

    def _rest(self, level: Level, progress: Progress) -> Generator[Rows, None, None]:
        yield from self.source.rest(level, progress)

    def _search(self, level: Level, progress: Progress) -> Generator[Rows, None, None]:
        matches = matcher(self.filter, self.mode)
        at = len(parse(level.url).key)
        starts, skip = narrowed(self.filter, self.mode, level.url[len(level.url) - at :])
        for found in self.source.below(level.url, progress, starts=starts, after=level.last, skip=skip):
            self.scanned += len(found)
            matching = rows_of([o for o in found if matches(o.key[at:])], at, None, complete=False)
            yield matching._replace(last=found[-1].key[at:])
        yield Rows([], [], [], [])

    # -- selection -------------------------------------------------------------------------------

    def select(self, start: int, stop: int, how: str = "only") -> None:
        """Select rows ``[start, stop)``: ``"only"`` them, ``"add"`` them, or ``"flip"`` each."""
        with self._lock:
            spots = [spot for spot in self.tree.spots(start, stop) if spot[1] >= 0]
            if how == "only":
                self.tree.mark_all(False)
            for level, index, _ in spots:
                level.marks[index] = not level.marks[index] if how == "flip" else True
            self._chosen()

    def select_all(self, value: bool = True) -> None:
        """Select all rows that are loaded, or none."""
        with self._lock:
            self.tree.mark_all(value)
            self._chosen()

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
            self._chosen()

    def _chosen(self) -> None:
        self.choices += 1
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

    def objects(self, selection: Selection | None = None) -> Iterator[S3Object]:
        """Yield the selected objects; of a prefix, all that are below, as they are listed. Markers of folders are left out."""
        base = self.path if self.path != "s3://" else None
        for level, index in (self.selection if selection is None else selection).places():
            if not level.is_prefix(index):
                yield self.object_of(level, index)
                continue
            bucket = parse(level.row_url(index)).bucket
            for page in self.source.below(level.row_url(index)):
                for o in page:
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
            state = {
                "version": self.version, "total": len(self.tree), "path": self.path, "can": self.can, "sort": self.sort,
                "filter": self.filter, "mode": self.mode, "loaded": len(root), "complete": root.complete,
                "loading": root.loading is not None, "level": root.number, "sweeping": self.sweeping, "scanned": self.scanned,
                "searching": self.searching, "full": self.full, "choices": self.choices, "selected": marked,
                "problem": root.problem._asdict() if root.problem else None,
            }  # fmt: skip
            return {
                **state,
                "status": words.status(state),
                "chosen": words.chosen(marked),
                "nothing": words.nothing(state),
                "crumbs": words.crumbs(self.path),
            }

    def close(self) -> None:
        """Stop everything that runs, and wait for it. May be called twice."""
        with self._lock:
            self.stop()
            self._closed = True
            self.tree = Tree(Level("s3://"))
            self.tree.root.complete = True
        self.crew.join(5)

    def wait(self) -> None:
        """Wait until nothing is under way. For programs and tests."""
        self.crew.wait()

    def _changed(self, first: int) -> None:
        self.version += 1
        if not self._closed:
            self._notify(first)
