"""Listing: validated, lazily, in order; what is long is cut into stretches of keys that are listed at the same time.

Strategy: the first two pages come one after the other. Whoever wants more gets, ahead of what he has read, as many requests
in flight as he has pages behind him: the rest of the key space is cut where keys are thought to be some pages apart
(`s3nb.transfer.keyspace`), nearest first, and each stretch is listed by itself, page after page. Stretches stand in line, so the
order is that of one listing, and no more pages are held than `_AHEAD`. What a page has beyond its stretch is given to the next ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from operator import itemgetter, lt
from queue import Empty, SimpleQueue
from typing import cast

from s3nb.errors import ListError
from s3nb.text import visible
from s3nb.transfer.attempt import Scope
from s3nb.transfer.keyspace import KeySpace
from s3nb.wire import Reply, Request
from s3nb.wire.xml import ListedObject, ListPage, Rows, parse_list_page

PAGE = 1000  # keys, S3's limit
_AT_ONCE = 32  # requests in flight for one listing
_AHEAD = 96  # pages asked for or held, and not yet read: some 30 MiB
_STRETCH = 4  # pages that a stretch should have
_MARKS = 32  # pages over which the density of keys is taken
_SAMPLES = 8  # keys of a page that are looked at
_SLICE = 0.2  # seconds: a bare wait cannot be interrupted on Windows

Skip = Callable[[str], str | None]
Asker = Callable[[str | None, str], Future[ListPage]]


def pages(
    scope: Scope,
    bucket: str,
    prefix: str,
    *,
    delimiter: str = "",
    start_after: str = "",
    page_size: int = PAGE,
) -> Iterator[ListPage]:
    """Yield the pages of a listing, one after the other. One request each, sent one ahead.

    A page counts only if it is a listing of this bucket and prefix and moves on; a shorter page than asked for is no end.

    Raises
    ------
    ListError
        What came is no such listing. (After tries, as a proxy's error page may pass.)
    """
    ask = _asker(scope, bucket, prefix, delimiter, page_size)
    yield from _pages(scope, bucket, prefix, ask, ask(None, start_after))


def begun(scope: Scope, bucket: str, prefix: str, *, delimiter: str = "") -> Iterator[ListPage]:
    """Ask for the first page at once, and return the pages, as `pages`: for several listings under way together."""
    ask = _asker(scope, bucket, prefix, delimiter, PAGE)
    return _pages(scope, bucket, prefix, ask, ask(None, ""))


def _pages(scope: Scope, bucket: str, prefix: str, ask: Asker, future: Future[ListPage]) -> Iterator[ListPage]:
    seen: set[int] = set()  # of the tokens, their hashes: one in a thousand keys
    try:
        while True:
            page = _result(future)
            if page.next_token is not None:
                token = page.next_token
                if hash(token) in seen:
                    raise _repeats(bucket, prefix)
                seen.add(hash(token))
                future = ask(token, "")
            yield page
            if page.next_token is None:
                return
    finally:
        if not future.done():
            scope.cancel()


def page(scope: Scope, bucket: str, prefix: str, *, delimiter: str = "", page_size: int = PAGE) -> Future[ListPage]:
    """Ask for the first page of a listing, and for no other."""
    return _asker(scope, bucket, prefix, delimiter, page_size)(None, "")


def objects(
    scope: Scope,
    bucket: str,
    prefix: str,
    *,
    start_after: str = "",
    skip: Skip | None = None,
    limit: int | None = None,
) -> Iterator[ListedObject]:
    """Yield all objects whose key starts with ``prefix``, by key, lazily.

    One request per 1,000 keys; where many are read, some more (about a tenth), many at once.

    Parameters
    ----------
    scope : Scope
        For this listing alone: it is cancelled if the listing is not read to its end.
    start_after : str
        A key; what comes behind it is listed.
    skip : callable, optional
        ``skip(key)`` names the last of the keys, from ``key`` on, that nobody wants; they need not be listed, but may be. None: all are
        wanted.
    limit : int, optional
        No more than so many will be read: nothing is asked for beyond. Not with ``skip``.
    """
    for page in pages_ahead(scope, bucket, prefix, start_after=start_after, skip=skip, limit=limit):
        yield from page


def pages_ahead(
    scope: Scope,
    bucket: str,
    prefix: str,
    *,
    start_after: str = "",
    skip: Skip | None = None,
    limit: int | None = None,
) -> Iterator[Rows]:
    """Yield the same page by page, none empty, as they come."""
    return cast(Iterator[Rows], Listing(scope, bucket, prefix, start_after, skip, limit).pages())


class _Stretch:
    """The keys behind ``cursor``, up to and with ``until`` (None: to the end), and what has come of them."""

    __slots__ = ("busy", "count", "cursor", "dropped", "first", "floor", "next", "over", "pages", "token", "until")

    def __init__(self, after: str, until: str | None) -> None:
        self.cursor = after  # the last key that is known; before the first page: where to begin
        self.until = until
        self.first = after
        self.token: str | None = None
        self.pages: deque[Sequence[ListedObject]] = deque()
        self.count = 0
        self.busy = False  # a request of its own is in flight
        self.over = False
        self.floor = ""  # of a server without order: what its tokens go on to is wanted only behind this
        self.dropped = False
        self.next: _Stretch | None = None


class Listing:
    """One listing under way. See `objects`; with a ``delimiter``, of one level: see `entries`."""

    def __init__(
        self,
        scope: Scope,
        bucket: str,
        prefix: str,
        start_after: str = "",
        skip: Skip | None = None,
        limit: int | None = None,
        *,
        delimiter: str = "",
    ) -> None:
        self._scope = scope
        self._bucket = bucket
        self._prefix = prefix
        self._skip = skip
        self._limit = limit
        self._level = bool(delimiter)
        self._ask = _asker(scope, bucket, prefix, delimiter, PAGE if limit is None else max(1, min(PAGE, limit)))
        self._came: SimpleQueue[tuple[_Stretch | None, str | None, str, Future[ListPage]]] = SimpleQueue()
        self._front = _Stretch(start_after, None)
        self._space = KeySpace(prefix)
        self._marks: deque[tuple[str, int]] = deque(maxlen=_MARKS)
        self._sent: set[int] = set()  # of the tokens, their hashes: one in a thousand keys
        self._in_flight = 0
        self._held = 0  # pages
        self._given = 0  # pages, and keys:
        self._keys = 0
        self._probe = not delimiter  # one request, for what comes further on at the first level
        self._deep = False  # there are levels
        # S3 Express knows neither an order of keys nor start-after
        self._orderly = not bucket.endswith("--x-s3")

    def pages(self) -> Iterator[Sequence[ListedObject]]:
        """Yield objects page by page, none empty; as `Rows`, unless it is one level."""
        self._send(self._front)
        try:
            while True:
                front = self._front
                while front.pages:
                    page = front.pages.popleft()
                    self._held -= 1
                    self._given += 1
                    self._keys += len(page)
                    self._marks.append((page[-1].key, self._keys))
                    self._dispatch()
                    yield page
                if not front.over:
                    if not front.busy:
                        self._send(front)  # however much is held of what comes after it
                    self._dispatch()
                    self._receive()
                elif front.next is None:
                    return
                else:
                    self._front = front.next
        finally:
            if self._in_flight:
                self._scope.cancel()

    # -- what to ask for -------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Send what there is room for: the next page of whatever stretch is nearest, or of a new one."""
        while self._in_flight < _AT_ONCE and self._in_flight + self._held < self._ahead():
            stretch: _Stretch | None = self._front
            while stretch is not None and (stretch.busy or stretch.over):
                stretch = stretch.next
            if stretch is None:
                stretch = self._split()
            if stretch is None:
                return
            self._send(stretch)

    def _ahead(self) -> int:
        """Return the number of pages that may be ahead of the reader: one at first, then the more the further he is."""
        ahead = min(_AHEAD, max(1, 4 * (self._given - 1)))
        if self._limit is None:
            return ahead
        return min(ahead, -(-(self._limit - self._keys) // PAGE))

    def _split(self) -> _Stretch | None:
        """Cut the nearest stretch that is long enough; return its second half."""
        if not self._orderly or self._given < 2:
            return None
        if self._probe and self._deep:
            self._probe = False
            self._send_probe()
        stretch: _Stretch | None = self._front
        while stretch is not None:
            if not stretch.over:
                step = self._step(stretch)
                # half a stretch more: a rest that is a page or two is not worth a request of its own
                if step > 0 and self._space.cut(stretch.cursor, stretch.until, step + step // 2) is not None:
                    at = self._space.cut(stretch.cursor, stretch.until, step)
                    if at is not None:
                        second = _Stretch(at, stretch.until)
                        second.next, stretch.next, stretch.until = stretch.next, second, at
                        return second
            stretch = stretch.next
        return None

    def _step(self, stretch: _Stretch) -> int:
        """Return how far apart keys are that have a stretch's pages between them, as it looks from here."""
        position = self._space.position
        wanted = _STRETCH * PAGE
        own = 0
        if stretch.count > 1:
            own = (position(stretch.cursor) - position(stretch.first)) * wanted // stretch.count
            if stretch.count >= 2 * wanted:  # twice what was thought, and no end: look for it half-way
                return min(own, (position(stretch.until) - position(stretch.cursor)) // 2)
            if stretch.count >= 2 * PAGE:
                return own
        (first, before), (last, after) = self._marks[0], self._marks[-1]
        return max(own, (position(last) - position(first)) * wanted // max(1, after - before))

    def _send(self, stretch: _Stretch) -> None:
        stretch.busy = True
        self._in_flight += 1
        token, after = stretch.token, stretch.cursor
        if token is not None:
            if hash(token) in self._sent:
                raise _repeats(self._bucket, self._prefix)
            self._sent.add(hash(token))
        future = self._ask(token, after)
        future.add_done_callback(lambda done: self._came.put((stretch, token, after, done)))

    def _send_probe(self) -> None:
        """Ask what there is on the first level, of which the pages so far may have shown little."""
        self._in_flight += 1
        ask = _asker(self._scope, self._bucket, self._prefix, "/", PAGE)
        future = ask(None, self._marks[-1][0])
        future.add_done_callback(lambda done: self._came.put((None, None, "", done)))

    # -- what comes --------------------------------------------------------------------------

    def _receive(self) -> None:
        """Take in a reply, waiting for one, and whatever else has come."""
        waited: bool = False
        while True:
            try:
                came = self._came.get(timeout=_SLICE) if not waited else self._came.get_nowait()
            except Empty:
                if waited:
                    return
                continue
            waited = True
            stretch, token, after, future = came
            self._in_flight -= 1
            page = future.result()
            if stretch is None:  # the probe
                self._space.learn(page.prefixes)
                continue
            stretch.busy = False
            if not stretch.dropped:
                self._take(stretch, page, after if token is None else "")

    def _take(self, stretch: _Stretch, page: ListPage, after: str) -> None:
        found: Sequence[ListedObject] = page.objects
        keys = page.objects.keys
        if self._level:
            found = level = entries(page)
            # a common prefix is named again when keys in it are behind start-after
            while level and level[0].key <= after and after.startswith(level[0].key):
                del level[0]
            keys = [o.key for o in level]
        if self._orderly and not (all(map(lt, keys, keys[1:])) and (not keys or keys[0] > after)):
            self._one_after_the_other()
        if not self._orderly:
            if stretch.dropped or (after and stretch.token is not None):
                return  # a token has come from elsewhere, and goes on where this was to begin
            if after:
                stretch.floor = after  # start-after may not be known here
            if stretch.floor:
                floor = stretch.floor
                found = found.behind(floor) if isinstance(found, Rows) else [o for o in found if o.key > floor]
            self._keep(stretch, found)
            stretch.token = page.next_token
            stretch.over = page.next_token is None
            return
        if keys:
            self._space.learn(keys[:: max(1, len(keys) // _SAMPLES)])
            self._space.learn(keys[-1:])
            self._deep = self._deep or "/" in keys[-1][len(self._prefix) :]
        last = keys[-1] if keys else ""
        taker: _Stretch | None = stretch
        while taker is not None:
            if not taker.over:
                begin = bisect_right(keys, taker.cursor)
                end = len(keys) if taker.until is None else bisect_right(keys, taker.until)
                self._keep(taker, found if end - begin == len(keys) else found[begin:end])
                if page.next_token is None or (taker.until is not None and last >= taker.until):
                    taker.over = True
                elif not keys or last >= taker.cursor:
                    taker.token = page.next_token  # nobody has come further
                    self._leap(taker)
            taker = taker.next
            if taker is None or taker.count or (page.next_token is not None and last <= taker.cursor):
                return  # this page says nothing of the next stretch, or nothing new

    def _keep(self, stretch: _Stretch, found: Sequence[ListedObject]) -> None:
        if found:
            if not stretch.count:
                stretch.first = found[0].key
            stretch.pages.append(found)
            stretch.count += len(found)
            stretch.cursor = found[-1].key
            self._held += 1

    def _leap(self, stretch: _Stretch) -> None:
        """Pass over keys that nobody wants."""
        beyond = self._skip(stretch.cursor) if self._skip is not None else None
        if beyond is not None and beyond > stretch.cursor:
            stretch.cursor = beyond
            stretch.token = None
            stretch.over = stretch.until is not None and beyond >= stretch.until

    def _one_after_the_other(self) -> None:
        """Give up on cutting: this server keeps no order, or does not know start-after. What was read is right all the same."""
        self._orderly = False
        stretch: _Stretch = self._front
        while stretch.over and stretch.next is not None:
            stretch = stretch.next
        rest, stretch.next, stretch.until = stretch.next, None, None
        while rest is not None:
            self._held -= len(rest.pages)
            rest.over = rest.dropped = True
            rest = rest.next


def entries(page: ListPage) -> list[ListedObject]:
    """Return the objects and common prefixes of a page in one order: a prefix is an entry of size -1."""
    found = [*page.objects, *(ListedObject(prefix, -1) for prefix in page.prefixes)]
    if page.prefixes and page.objects:
        found.sort(key=itemgetter(0))
    return found


def _asker(scope: Scope, bucket: str, prefix: str, delimiter: str, page_size: int) -> Asker:
    base = [("encoding-type", "url"), ("list-type", "2"), ("max-keys", str(page_size)), ("prefix", prefix)]
    if delimiter:
        base.append(("delimiter", delimiter))

    def ask(token: str | None, start_after: str) -> Future[ListPage]:
        query = list(base)
        if token is not None:
            query.append(("continuation-token", token))
        elif start_after:
            query.append(("start-after", start_after))
        request = Request("ListObjectsV2", "GET", bucket, query=query)

        def parse(reply: Reply) -> ListPage:
            return parse_list_page(reply.body, bucket, prefix)

        return scope.engine.request(scope, request, parse)

    return ask


def _result(future: Future[ListPage]) -> ListPage:
    while True:
        try:
            return future.result(_SLICE)
        except TimeoutError:
            if future.done():
                raise


def _repeats(bucket: str, prefix: str) -> ListError:
    return ListError(
        f"s3://{bucket}/{visible(prefix)}: the listing repeats its continuation token", bucket=bucket, key=prefix
    )
