"""Listing: validated, lazily, in order; what is long is cut into stretches of keys that are listed at the same time.

Strategy: the request for the next page is sent by the thread of the wire as a page arrives; its rows are read meanwhile, by who wants them.
That is all, as long as pages come as fast as they are used. Whoever has to wait for them gets, ahead of what he has read, as many requests
in flight as he has pages behind him: the rest of the key space is cut where keys are thought to be some pages apart
(`s3nb.transfer.keyspace`), nearest first, and each stretch is listed by itself, page after page. Stretches stand in line, so the
order is that of one listing, and no more pages are held than `_AHEAD`. What a page has beyond its stretch is given to the next ones.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import pairwise
from operator import le, lt
from queue import Empty, SimpleQueue
from time import monotonic
from typing import NamedTuple, cast

from s3nb.errors import ListError
from s3nb.text import visible
from s3nb.transfer.attempt import Scope
from s3nb.transfer.keyspace import KeySpace
from s3nb.transfer.pages import Page, Pages, Token, entries
from s3nb.wire.xml import ListedObject, MalformedReply, Rows, Unread

__all__ = ["Listing", "Skip", "begun", "entries", "objects", "page", "pages_ahead"]

PAGE = 1000  # keys, S3's limit
_AT_ONCE = 32  # requests in flight for one listing
_AHEAD = 96  # pages asked for or held, and not yet read: some 30 MiB
_STRETCH = 4  # pages that a stretch should have
_MARKS = 32  # pages over which the density of keys is taken
_SAMPLES = 8  # keys of a page that are looked at
# How many pages in a row have to be waited for how long (seconds beyond a quarter of the time that the one before was used), for the
# listing to be cut: a server far away is known at once, one that is near from a machine that is busy, only after some pages.
_WAITS = ((2, 0.015), (8, 0.002))
_SLICE = 0.2  # seconds: a bare wait cannot be interrupted on Windows

Skip = Callable[[str], str | None]


def begun(scope: Scope, bucket: str, prefix: str, *, delimiter: str = "") -> Iterator[Sequence[ListedObject]]:
    """Ask for the first page at once, and return the pages, as of `Listing`: for several listings under way together."""
    listing = Listing(scope, bucket, prefix, delimiter=delimiter)
    listing.begin()
    return listing.pages()


def page(scope: Scope, bucket: str, prefix: str, *, delimiter: str = "", page_size: int = PAGE) -> Future[Unread]:
    """Ask for the first page of a listing, and for no other."""
    return Pages(scope, bucket, prefix, page_size, delimiter=delimiter).ask(None, "", whole=True)


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

    One request per 1,000 keys, the next under way; where pages have to be waited for, some more (about a tenth), many at once.

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

    Raises
    ------
    ListError
        What came is no listing of this bucket and prefix, or does not move on. (After tries, as a proxy's error page may pass.)
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

    __slots__ = (
        "busy", "count", "cursor", "dropped", "first", "floor", "follows", "next", "over", "pages", "partial", "reached", "stale",
        "token", "until",
    )  # fmt: skip

    def __init__(self, after: str, until: str | None) -> None:
        self.cursor = after  # the last key that is known; before the first page: where to begin
        self.until = until
        self.first = after
        self.token: Token = None
        self.reached = ""  # the last key of the page that the token is of
        self.pages: deque[Sequence[ListedObject]] = deque()
        self.count = 0
        self.busy = False  # a request of its own is in flight
        self.follows = False  # the page that came last, and was not taken yet, has its next one in flight
        self.partial = False  # there may be more versions of the cursor's key
        self.stale = False  # what is in flight is not wanted
        self.over = False
        self.floor = ""  # of a server without order: what its tokens go on to is wanted only behind this
        self.dropped = False
        self.next: _Stretch | None = None


class _Came(NamedTuple):
    """What arrived: a page of a stretch, asked for by a token or a key; of none: what comes further on at the first level."""

    stretch: _Stretch | None
    token: Token
    after: str  # the key behind which it should begin
    future: Future[Page]
    follows: bool  # the request for the next page is on its way


class Listing:
    """One listing under way. See `objects`; with a ``delimiter``, of one level: see `entries`; of ``versions``: see `Pages`."""

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
        versions: bool = False,
    ) -> None:
        size = PAGE if limit is None else max(1, min(PAGE, limit))
        self._asked = Pages(scope, bucket, prefix, size, delimiter=delimiter, versions=versions)
        self._scope = scope
        self._skip = skip
        self._limit = limit
        self._level = bool(delimiter)
        self._versions = versions
        self._came: SimpleQueue[_Came] = SimpleQueue()
        self._lock = threading.Lock()  # of where stretches end, and which go on by themselves
        self._front = _Stretch(start_after, None)
        self._space = KeySpace(prefix)
        self._marks: deque[tuple[str, int]] = deque(maxlen=_MARKS)
        self._sent: set[int] = set()  # of the tokens, their hashes: one in a thousand keys
        self._in_flight = 0
        self._held = 0  # pages
        self._given = 0  # pages, and keys:
        self._keys = 0
        self._may = 1  # pages ahead of the reader
        self._waiting = False
        self._since = monotonic()  # when the reader was last given something to do
        # how long he has waited for the last pages, beyond what is usual
        self._waits: deque[float] = deque(maxlen=max(n for n, _ in _WAITS))
        self._slow = False
        self._probe = (
            not delimiter
        )  # one request, for what comes further on at the first level; or whether versions can be cut
        self._proven = not versions
        self._page: Sequence[ListedObject] = ()  # the one that is being used
        self._deep = False  # there are levels
        # S3 Express knows neither an order of keys nor start-after
        self._orderly = not bucket.endswith("--x-s3")

    def begin(self) -> None:
        """Ask for the first page."""
        self._send(self._front)

    def pages(self) -> Iterator[Sequence[ListedObject]]:
        """Yield objects page by page, none empty; as `Rows`, unless it is one level, or versions."""
        try:
            while True:
                front = self._front
                while front.pages:
                    page = front.pages.popleft()
                    self._held -= 1
                    self._given += 1
                    self._keys += len(page)
                    self._page = page
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
        self._may = self._ahead()
        while self._in_flight < _AT_ONCE and self._in_flight + self._held < self._may:
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
        if not self._orderly or self._given < 2 or not self._slow:
            return None
        if self._probe and (self._deep or self._versions):
            self._probe = False
            self._send_probe()
        if not self._proven:
            return None
        stretch: _Stretch | None = self._front
        while stretch is not None:
            if not stretch.over:
                step = self._step(stretch)
                # half a stretch more: a rest that is a page or two is not worth a request of its own
                if step > 0 and self._space.cut(stretch.cursor, stretch.until, step + step // 2) is not None:
                    at = self._space.cut(stretch.cursor, stretch.until, step)
                    if at is not None:
                        with self._lock:
                            if not stretch.follows:  # else it has come further than is known here
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
        token, stretch.token = stretch.token, None
        if token is not None:
            self._note(token)
        stretch.busy = True
        self._in_flight += 1
        self._request(stretch, token, stretch.cursor if token is None else stretch.reached)

    def _note(self, token: Token) -> None:
        if hash(token) in self._sent:
            what = "markers" if self._versions else "continuation token"
            bucket, prefix = self._asked.bucket, self._asked.prefix
            raise ListError(
                f"s3://{bucket}/{visible(prefix)}: the listing repeats its {what}", bucket=bucket, key=prefix
            )
        self._sent.add(hash(token))

    def _request(self, stretch: _Stretch, token: Token, after: str) -> None:
        future = self._asked.ask(token, after)
        future.add_done_callback(lambda done: self._arrived(stretch, token, after, done))

    def _send_probe(self) -> None:
        """Ask what there is on the first level, of which the pages so far may have shown little. Of versions: see `_prove`."""
        bucket, prefix = self._asked.bucket, self._asked.prefix
        if self._versions:
            pair = next(((a, b) for a, b in pairwise(self._page) if a.key + "!" < b.key), None)
            if pair is None:
                return
            after, expected = pair[0].key + "!", pair[1]
            asked = Pages(self._scope, bucket, prefix, 1, versions=True)
        else:
            after, expected = self._marks[-1][0], None
            asked = Pages(self._scope, bucket, prefix, PAGE, delimiter="/")
        self._in_flight += 1
        future = asked.ask(None, after, whole=True)
        future.add_done_callback(lambda done: self._came.put(_Came(None, expected, "", done, False)))

    def _prove(self, expected: ListedObject, page: Page) -> None:
        """Cut versions only if a listing from a key-marker that is no key begins with the next version. moto leaves that one out."""
        found, _ = self._asked.read(page)
        self._proven = bool(found) and (found[0].key, found[0].version_id) == (expected.key, expected.version_id)

    # -- what comes --------------------------------------------------------------------------

    def _arrived(self, stretch: _Stretch, token: Token, after: str, future: Future[Page]) -> None:
        """Send for the next page, and hand this one over. On the wire's thread, which is awake, while another would have to be woken."""
        last = self._follow(stretch, future)
        self._came.put(_Came(stretch, token, after, future, last is not None))  # before what follows can come
        if last is not None:
            self._request(stretch, future.result().next_token, last)

    def _follow(self, stretch: _Stretch, future: Future[Page]) -> str | None:
        """Return where a page ends, if the next one is sure to be wanted and there is room; None if that is for the reader to say."""
        if self._limit is not None or self._skip is not None or future.exception() is not None:
            return None
        page = future.result()
        ahead = self._in_flight + self._held - (self._waiting and stretch is self._front)
        if page.next_token is None or stretch.dropped or ahead >= self._may:
            return None
        try:
            last = page.last
        except MalformedReply:
            return None
        with self._lock:
            # one ahead of what the reader has taken
            if stretch.follows or (stretch.until is not None and self._passes(last, stretch.until)):
                return None
            stretch.follows = True
        return last

    def _passes(self, last: str, until: str) -> bool:
        """Say whether a page that ends with a key has all that there is up to another. That may have more versions."""
        return last > until or (last == until and not self._versions)

    def _receive(self) -> None:
        """Take in a reply, waiting for one, and whatever else has come."""
        began = monotonic()
        self._waiting = True
        while True:
            try:
                came = self._came.get(timeout=_SLICE)
                break
            except Empty:
                continue
        self._waiting = False
        now = monotonic()
        self._waits.append(now - began - (began - self._since) / 4)
        if not self._slow:
            waits = [*self._waits]
            self._slow = any(len(waits) >= n and min(waits[-n:]) > least for n, least in _WAITS)
        self._since = now
        while True:
            self._accept(came)
            try:
                came = self._came.get_nowait()
            except Empty:
                return

    def _accept(self, came: _Came) -> None:
        stretch, token, after, future, follows = came
        self._in_flight -= 1
        page = future.result()
        if stretch is None:
            if token is not None:
                self._prove(token, page)
            else:
                self._space.learn(cast(Unread, page).page().prefixes)
            return
        stretch.busy = follows
        if follows:
            self._in_flight += 1
        if stretch.dropped or stretch.stale:
            stretch.stale = False
            stretch.follows = False
            return
        try:
            found, keys = self._asked.read(page)
        except MalformedReply:
            # seldom, so wait for it; and what is in flight may not go on where this ends
            stretch.stale = follows
            self._in_flight += 1
            page = _result(self._asked.ask(token, after, whole=True))
            self._in_flight -= 1
            found, keys = self._asked.read(page)
        self._take(stretch, page.next_token, found, keys, after, by_key=token is None)
        stretch.follows = stretch.stale
        if follows and not (stretch.stale or stretch.dropped):
            self._note(page.next_token)
            if stretch.token == page.next_token:
                stretch.token = None  # it is on its way

    def _take(
        self,
        stretch: _Stretch,
        token: Token,
        found: Sequence[ListedObject],
        keys: Sequence[str],
        after: str,
        *,
        by_key: bool,
    ) -> None:
        if self._level and by_key:
            # a common prefix is named again when keys in it are behind start-after
            again = 0
            while again < len(keys) and keys[again] <= after and after.startswith(keys[again]):
                again += 1
            found, keys = found[again:], keys[again:]
        if self._orderly and keys:
            order = le if self._versions else lt
            if (
                not all(map(order, keys, keys[1:]))
                or keys[0] < after
                or (by_key and keys[0] == after and not self._versions)
            ):
                self._one_after_the_other()
        if not self._orderly:
            if stretch.dropped or (by_key and stretch.token is not None):
                stretch.stale = stretch.busy
                return  # a token has come from elsewhere, and goes on where this was to begin
            if by_key:
                stretch.floor = after  # start-after may not be known here
            if stretch.floor:
                floor = stretch.floor
                found = found.behind(floor) if isinstance(found, Rows) else [o for o in found if o.key > floor]
            self._keep(stretch, found)
            stretch.token = token
            stretch.over = token is None
            return
        if keys:
            self._space.learn(keys[:: max(1, len(keys) // _SAMPLES)])
            self._space.learn(keys[-1:])
            self._deep = self._deep or "/" in keys[-1][len(self._asked.prefix) :]
        self._share(stretch, token, found, keys)

    def _share(self, stretch: _Stretch, token: Token, found: Sequence[ListedObject], keys: Sequence[str]) -> None:
        """Give a stretch its part of a page, and what is beyond it to those that have nothing yet."""
        last = keys[-1] if keys else ""
        taker: _Stretch | None = stretch
        while taker is not None:
            if not taker.over:
                begin = (bisect_left if taker.partial else bisect_right)(keys, taker.cursor)
                end = len(keys) if taker.until is None else bisect_right(keys, taker.until)
                self._keep(taker, found if end - begin == len(keys) else found[begin:end])
                if begin < end:
                    taker.partial = self._versions and taker is stretch
                if token is None or (taker.until is not None and self._passes(last, taker.until)):
                    taker.over = True
                elif (not keys or last >= taker.cursor) and (taker is stretch or not self._versions):
                    taker.token, taker.reached = token, last  # nobody has come further
                    self._leap(taker)
            if taker is stretch and self._versions and token is not None:
                # of the last key there may be more: the others get whole keys, and no token
                whole = bisect_left(keys, last)
                found, keys = found[:whole], keys[:whole]
                last = keys[-1] if keys else ""
            taker = taker.next
            if taker is None or taker.count or (token is not None and last <= taker.cursor):
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
        self._sent.clear()  # what is dropped may have had the tokens that come now
        stretch: _Stretch = self._front
        while stretch.over and stretch.next is not None:
            stretch = stretch.next
        rest, stretch.next, stretch.until = stretch.next, None, None
        while rest is not None:
            self._held -= len(rest.pages)
            rest.over = rest.dropped = True
            rest = rest.next


def _result(future: Future[Page]) -> Page:
    while True:
        try:
            return future.result(_SLICE)
        except TimeoutError:
            if future.done():
                raise
