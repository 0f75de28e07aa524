"""Where rows come from: pages of listings by continuation token, buckets, versions; and addresses that people type."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from s3nb import listings
from s3nb.addressing import Prefix
from s3nb.browsing.advice import problem_of
from s3nb.browsing.level import Level, Rows
from s3nb.client import S3
from s3nb.errors import ConnectionFailed, ListError
from s3nb.model import S3Object
from s3nb.progress import Progress
from s3nb.text import visible
from s3nb.transfer.attempt import Scope
from s3nb.transfer.listing import Listing, Skip, entries
from s3nb.uri import Location, parse
from s3nb.wire import Request
from s3nb.wire.xml import ListedObject, ListPage, parse_list_page

PAGE = 1000  # the most that S3 gives at once
PATIENCE = 10.0  # seconds for which somebody who looks waits for an address that does not answer
_SLICE = 0.2
_BEHIND = "\U0010ffff"  # the last character that a name can go on with


class Counted(NamedTuple):
    """How many objects are below a prefix, and how many bytes."""

    objects: int
    size: int


class Source:
    """Lists for a browser, with a client's account. Each call gives an answer of its own; nothing is kept.

    What lists takes a `Progress`: cancelling that stops it, with `CancelledError`, and `trouble_of` says why it takes so long.
    """

    def __init__(self, s3: S3) -> None:
        self.s3 = s3

    def _scope(self, progress: Progress | None) -> Scope:
        progress = progress or Progress("list")
        progress.quiet = True
        return Scope(self.s3._alive().engine, progress)

    def _ask(
        self, scope: Scope, where: Location, prefix: str, *, delimiter: str = "/", token: str | None = None,
        after: str = "", limit: int = PAGE,
    ) -> Future[ListPage]:  # fmt: skip
        query = [("encoding-type", "url"), ("list-type", "2"), ("max-keys", str(limit)), ("prefix", prefix)]
        if delimiter:
            query.append(("delimiter", delimiter))
        if token is not None:
            query.append(("continuation-token", token))
        elif after:
            query.append(("start-after", after))
        request = Request("ListObjectsV2", "GET", where.bucket, query=query)
        return scope.engine.request(scope, request, lambda reply: parse_list_page(reply.body, where.bucket, prefix))

    def page(self, level: Level, progress: Progress | None = None) -> Rows:
        """Return the next page of a level. One request; for an address that does not answer, some in ten seconds.

        Raises
        ------
        ConnectionFailed
            Ten seconds have passed.
        """
        if level.buckets:
            return self._buckets(level.starts)
        where = parse(level.url)
        scope = self._scope(progress)
        after = where.key + level.last if level.last and level.token is None else ""
        future = self._ask(scope, where, where.key + level.starts, token=level.token, after=after)
        page = _impatient(future, scope)
        if page.next_token is not None and page.next_token == level.token:
            raise ListError(f"{visible(level.url, 200)}: the listing repeats its continuation token")
        return rows_of([e for e in entries(page) if e.key > after], len(where.key), page.next_token)

    def rest(self, level: Level, progress: Progress) -> Iterator[Rows]:
        """Yield the rest of a level, in order, about a page at a time; many requests at once. The last one is complete."""
        where = parse(level.url)
        if not is_orderly(where.bucket):
            while not level.complete:
                yield self.page(level, progress)
            return
        after = where.key + level.last if level.last else ""
        listing = Listing(self._scope(progress), where.bucket, where.key + level.starts, after, delimiter="/")
        for found in listing.pages():
            yield rows_of(found, len(where.key), None, complete=False)
        yield Rows([], [], [], [])

    def below(
        self, url: str, progress: Progress | None = None, *, starts: str = "", after: str = "", skip: Skip | None = None
    ) -> Iterator[Sequence[ListedObject]]:
        """Yield all objects below a prefix, in order, about a page at a time; many requests at once.

        Parameters
        ----------
        starts : str
            What names begin with.
        after : str
            The name behind which to begin.
        skip : callable, optional
            Tells which keys nobody wants; see `s3nb.transfer.listing.objects`.
        """
        where = parse(url)
        after = where.key + after if after else ""
        return Listing(self._scope(progress), where.bucket, where.key + starts, after, skip).pages()

    def count(self, url: str, tell: Callable[[Counted], object]) -> Counted:
        """Count what is below a prefix; ``tell`` gets each intermediate sum."""
        objects = size = 0
        for found in self.below(url):
            objects += len(found)
            size += sum(o.size for o in found)
            tell(Counted(objects, size))
        return Counted(objects, size)

    def _buckets(self, starts: str) -> Rows:
        found = self.s3.buckets()
        found = sorted(pair for pair in found if pair[0].startswith(starts))
        times = [-1.0 if made is None else made for _, made in found]
        return Rows([f"{name}/" for name, _ in found], [-1] * len(found), times, [""] * len(found))

    def versions(self, url: str, limit: int = 1000) -> list[S3Object]:
        """Return the versions and delete markers of one object, newest first."""
        bucket, key = parse(url)
        found: list[S3Object] = []
        for version in listings.versions(self.s3._alive(), Prefix(bucket, key, f"s3://{bucket}/")):
            if version.object_key != key or len(found) == limit:
                break  # keys come in order, and this one is the first with itself as prefix
            found.append(version)
        return found

    def resolve(self, text: str, progress: Progress | None = None) -> tuple[str, str]:
        """Return the level that an address names, and what its names start with if the address is an object's.

        Two requests at once, of one key each; none for what ends in a slash.
        """
        if text.strip().rstrip("/").lower() in ("s3:", "s3", ""):
            return "s3://", ""
        bucket, key = parse(text)
        if not key or key.endswith("/"):
            return f"s3://{bucket}/{key}", ""
        where = Location(bucket, key)
        scope = self._scope(progress)
        one = self._ask(scope, where, key, delimiter="", limit=1)
        below = self._ask(scope, where, f"{key}/", delimiter="", limit=1)
        exact = _impatient(one, scope).objects
        if exact and exact[0].key == key:
            if not below.done():
                scope.cancel()
            parent = key[: key.rfind("/") + 1]
            return f"s3://{bucket}/{parent}", key[len(parent) :]
        _impatient(below, scope)
        return f"s3://{bucket}/{key}/", ""


def parent_of(url: str) -> str:
    """Return the level above one: the buckets, in the end."""
    if url == "s3://":
        return url
    bucket, key = parse(url)
    if not key:
        return "s3://"
    return f"s3://{bucket}/{key[: key[:-1].rfind('/') + 1]}"


def rows_of(found: Sequence[ListedObject], at: int, token: str | None, *, complete: bool | None = None) -> Rows:
    """Return entries of a listing as columns; names begin at character ``at`` of the keys.

    A marker, which has no bytes and the name of the level itself, is no row.
    """
    last = found[-1].key[at:] + (_BEHIND if found[-1].size < 0 else "") if found else ""
    found = [e for e in found if len(e.key) > at or e.size]
    return Rows(
        [e.key[at:] for e in found],
        [e.size for e in found],
        [-1.0 if e.last_modified is None else e.last_modified for e in found],
        ["" if e.storage_class is None or e.storage_class == "STANDARD" else e.storage_class for e in found],
        token,
        token is None if complete is None else complete,
        last,
    )


def trouble_of(progress: Progress) -> str:
    """Return why there is no answer yet, in words; empty if nothing is known to be wrong."""
    error = progress.trouble
    if error is None:
        return ""
    problem = problem_of(error)
    reason = re.sub(r"^s3://\S*: | after \d+ ms| \(libcurl \d+\)| \[\w+\]$", "", problem.detail)
    return f"{problem.title}; trying again… ({reason})"


def is_orderly(bucket: str) -> bool:
    """Say whether a bucket's listings have an order, and can be begun anywhere: those of S3 Express have not."""
    return not bucket.endswith("--x-s3")


def _impatient(future: Future[ListPage], scope: Scope) -> ListPage:
    """Wait for a page, but not long for an address where nobody answers, whatever patience the client has."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return future.result(_SLICE)
        except TimeoutError:
            trouble = scope.progress.trouble
            if future.done():
                raise
            if time.monotonic() >= until and isinstance(trouble, ConnectionFailed):
                scope.cancel()
                raise trouble from None
        except KeyboardInterrupt:
            scope.cancel()
            raise
