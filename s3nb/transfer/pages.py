"""One page of a listing: how it is asked for, and what it holds. Of objects, of one level, of versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from operator import itemgetter
from typing import Any, Protocol

from s3nb.transfer.attempt import Scope
from s3nb.wire import Reply, Request
from s3nb.wire.xml import (
    ListedObject,
    ListPage,
    Unread,
    VersionsPage,
    parse_versions_page,
    peek_list_page,
)

Token = Any  # of the next page; a string, or key and version
Found = tuple[Sequence[ListedObject], Sequence[str]]  # in order; and the keys


class Page(Protocol):
    """A page that has come: it is one, and says where the next is; what it holds may not have been read yet."""

    @property
    def next_token(self) -> Token: ...

    @property
    def last(self) -> str: ...


class Pages:
    """What is listed: ``ask`` for a page, ``read`` what has come.

    Parameters
    ----------
    delimiter : str
        One level: common prefixes are entries of size -1.
    versions : bool
        Versions and delete markers, newest first within a key. A page may end within those of a key.
    """

    def __init__(
        self, scope: Scope, bucket: str, prefix: str, size: int, *, delimiter: str = "", versions: bool = False
    ) -> None:
        self._scope = scope
        self.bucket = bucket
        self.prefix = prefix
        self.versions = versions
        self.read: Callable[[Any], Found] = _versions if versions else _level if delimiter else _objects
        self._query = [("encoding-type", "url"), ("max-keys", str(size)), ("prefix", prefix)]
        self._query.append(("versions", "") if versions else ("list-type", "2"))
        if delimiter:
            self._query.append(("delimiter", delimiter))

    def ask(self, token: Token, after: str, *, whole: bool = False) -> Future[Any]:
        """Send a request for the page that a token names, or for the one behind a key.

        ``whole``: it counts only if all that it holds can be read, and is asked for again if not.
        """
        query = [*self._query]
        if self.versions:
            if token is not None:
                query.append(("key-marker", token[0]))
                if token[1]:
                    query.append(("version-id-marker", token[1]))
            elif after:
                query.append(("key-marker", after))
        elif token is not None:
            query.append(("continuation-token", token))
        elif after:
            query.append(("start-after", after))
        operation = "ListObjectVersions" if self.versions else "ListObjectsV2"
        request = Request(operation, "GET", self.bucket, query=query)
        parse: Callable[[bytes, str, str], object] = parse_versions_page if self.versions else peek_list_page

        def accept(reply: Reply) -> Any:
            page = parse(reply.body, self.bucket, self.prefix)
            if whole and isinstance(page, Unread):
                page.page()
            return page

        return self._scope.engine.request(self._scope, request, accept)


def _objects(page: Unread) -> Found:
    rows = page.page().objects
    return rows, rows.keys


def _level(page: Unread) -> Found:
    found = entries(page.page())
    return found, [o.key for o in found]


def _versions(page: VersionsPage) -> Found:
    # some servers put all markers of a page behind all its versions; for others this changes nothing
    found = sorted(page.versions, key=lambda v: (v.key, not v.is_latest, -(v.last_modified or 0.0)))
    return found, [o.key for o in found]


def entries(page: ListPage) -> list[ListedObject]:
    """Return the objects and common prefixes of a page in one order: a prefix is an entry of size -1."""
    found = [*page.objects, *(ListedObject(prefix, -1) for prefix in page.prefixes)]
    if page.prefixes and page.objects:
        found.sort(key=itemgetter(0))
    return found
