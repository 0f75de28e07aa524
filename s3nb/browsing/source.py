"""Where rows come from: pages of listings by continuation token, buckets, versions; and addresses that people type."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

from s3nb import listings
from s3nb.addressing import Prefix
from s3nb.browsing.level import Rows
from s3nb.client import S3
from s3nb.errors import ListError
from s3nb.model import S3Object
from s3nb.progress import Progress
from s3nb.text import visible
from s3nb.transfer.attempt import Scope
from s3nb.uri import Location, parse
from s3nb.wire import Request
from s3nb.wire.xml import ListPage, parse_list_page

PAGE = 1000  # the most that S3 gives at once


class Stopped(Exception):  # no error: somebody pressed Stop
    """A listing was stopped."""


class Counted(NamedTuple):
    """How many objects are below a prefix, and how many bytes."""

    objects: int
    size: int


class Source:
    """Lists for a browser, with a client's account. Each call gives an answer of its own; nothing is kept."""

    def __init__(self, s3: S3) -> None:
        self.s3 = s3
        self._latest = Progress("list")

    def _scope(self) -> Scope:
        core = self.s3._alive()
        self._latest = Progress("list")
        return Scope(core.engine, self._latest)

    @property
    def retried(self) -> int:
        """How often the latest request was sent again; a slow answer has its reason there."""
        return self._latest.snapshot().retried

    def _ask(
        self, scope: Scope, where: Location, prefix: str, *, deep: bool, token: str | None, limit: int = PAGE
    ) -> Future[ListPage]:
        query = [("encoding-type", "url"), ("list-type", "2"), ("max-keys", str(limit)), ("prefix", prefix)]
        if not deep:
            query.append(("delimiter", "/"))
        if token is not None:
            query.append(("continuation-token", token))
        request = Request("ListObjectsV2", "GET", where.bucket, query=query)
        return scope.engine.request(scope, request, lambda reply: parse_list_page(reply.body, where.bucket, prefix))

    def page(self, url: str, starts: str = "", token: str | None = None) -> Rows:
        """Return one page of the level below a prefix. One request.

        Parameters
        ----------
        url : str
            ``s3://bucket/prefix``, to the letter: no slash is added; ``s3://`` for the buckets.
        starts : str
            What names begin with.
        token : str, optional
            Where the page before ended.
        """
        if url == "s3://":
            return self._buckets(starts)
        where = parse(url)
        prefix = where.key + starts
        scope = self._scope()
        page = self.s3._alive().wait(self._ask(scope, where, prefix, deep=False, token=token), scope)
        _moves_on(page, token, url)
        return rows_of(page, len(where.key))

    def pages(
        self, url: str, stop: threading.Event, *, deep: bool, starts: str = "", token: str | None = None
    ) -> Iterator[ListPage]:
        """Yield page after page, one sent ahead, until ``stop`` is set.

        Raises
        ------
        Stopped
            ``stop`` was set.
        """
        where = parse(url)
        prefix = where.key + starts
        scope = self._scope()
        core = self.s3._alive()
        future = self._ask(scope, where, prefix, deep=deep, token=token)
        try:
            while True:
                page = _until(future, stop)
                _moves_on(page, token, url)
                token = page.next_token
                if token is not None:
                    future = self._ask(scope, where, prefix, deep=deep, token=token)
                yield page
                if token is None:
                    return
        finally:
            if not future.done() and not core.closed:
                scope.cancel()

    def count(self, url: str, stop: threading.Event, tell: Callable[[Counted], object]) -> Counted:
        """Count what is below a prefix, page by page; ``tell`` gets each intermediate sum."""
        objects = size = 0
        for page in self.pages(url, stop, deep=True):
            objects += len(page.objects)
            size += sum(found.size for found in page.objects)
            tell(Counted(objects, size))
        return Counted(objects, size)

    def below(self, url: str, stop: threading.Event) -> Iterator[str]:
        """Yield the URLs of all objects below a prefix."""
        bucket = parse(url).bucket
        for page in self.pages(url, stop, deep=True):
            for found in page.objects:
                yield f"s3://{bucket}/{found.key}"

    def _buckets(self, starts: str) -> Rows:
        found = self.s3.buckets()
        found = sorted(pair for pair in found if pair[0].startswith(starts))
        times = [-1.0 if made is None else made for _, made in found]
        return Rows([f"{name}/" for name, _ in found], [-1] * len(found), times, [""] * len(found), None)

    def versions(self, url: str, limit: int = 1000) -> list[S3Object]:
        """Return the versions and delete markers of one object, newest first."""
        bucket, key = parse(url)
        found: list[S3Object] = []
        for version in listings.versions(self.s3._alive(), Prefix(bucket, key, f"s3://{bucket}/")):
            if version.object_key != key or len(found) == limit:
                break  # keys come in order, and this one is the first with itself as prefix
            found.append(version)
        return found

    def resolve(self, text: str) -> tuple[str, str]:
        """Return the level that an address names, and what its names start with if the address is an object's.

        Two requests at once, of one key each; none for what ends in a slash.
        """
        if text.strip().rstrip("/").lower() in ("s3:", "s3", ""):
            return "s3://", ""
        bucket, key = parse(text)
        if not key or key.endswith("/"):
            return f"s3://{bucket}/{key}", ""
        where = Location(bucket, key)
        scope = self._scope()
        core = self.s3._alive()
        one = self._ask(scope, where, key, deep=True, token=None, limit=1)
        below = self._ask(scope, where, f"{key}/", deep=True, token=None, limit=1)
        exact = core.wait(one, scope).objects
        if exact and exact[0].key == key:
            if not below.done():
                scope.cancel()
            parent = key[: key.rfind("/") + 1]
            return f"s3://{bucket}/{parent}", key[len(parent) :]
        core.wait(below, scope)
        return f"s3://{bucket}/{key}/", ""


def parent_of(url: str) -> str:
    """Return the level above one: the buckets, in the end."""
    if url == "s3://":
        return url
    bucket, key = parse(url)
    if not key:
        return "s3://"
    return f"s3://{bucket}/{key[: key[:-1].rfind('/') + 1]}"


def rows_of(page: ListPage, at: int) -> Rows:
    """Return a page as columns, prefixes and objects merged in S3's order; names begin at character ``at`` of the keys.

    A marker, which has no bytes and the name of the level itself, is no row.
    """
    objects = [(o.key, o.size, o.last_modified, o.storage_class) for o in page.objects if len(o.key) > at or o.size]
    prefixes = [(p, -1, None, None) for p in page.prefixes]
    merged: list[Any] = objects
    if prefixes:
        # S3 counts both in one order, so merging within the page is merging over all
        merged = list(heapq.merge(objects, prefixes, key=lambda e: e[0].encode("utf-8", "surrogatepass")))
    return Rows(
        [key[at:] for key, *_ in merged],
        [size for _, size, _, _ in merged],
        [-1.0 if time is None else time for _, _, time, _ in merged],
        ["" if kind is None or kind == "STANDARD" else kind for *_, kind in merged],
        page.next_token,
    )


def _moves_on(page: ListPage, token: str | None, url: str) -> None:
    if page.next_token is not None and page.next_token == token:
        raise ListError(f"{visible(url, 200)}: the listing repeats its continuation token")


def _until(future: Future[ListPage], stop: threading.Event) -> ListPage:
    while not stop.is_set():
        try:
            return future.result(0.1)
        except TimeoutError:
            if future.done():
                raise
    raise Stopped
