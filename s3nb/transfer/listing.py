"""Listing: page after page, validated, lazily; the next page is on its way while this one is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future

from s3nb.errors import ListError
from s3nb.text import visible
from s3nb.transfer.attempt import Scope
from s3nb.wire import Reply, Request
from s3nb.wire.xml import ListedObject, ListPage, parse_list_page


def pages(
    scope: Scope,
    bucket: str,
    prefix: str,
    *,
    delimiter: str = "",
    start_after: str = "",
    page_size: int = 1000,
) -> Iterator[ListPage]:
    """Yield the pages of a listing. One request each, sent one ahead.

    A page counts only if it is a listing of this bucket and prefix and moves on; a shorter page than asked for is no end.

    Raises
    ------
    ListError
        What came is no such listing. (After tries, as a proxy's error page may pass.)
    """
    ask = _asker(scope, bucket, prefix, delimiter, start_after, page_size)
    yield from _pages(scope, bucket, prefix, ask, ask(None))


def begun(scope: Scope, bucket: str, prefix: str, *, delimiter: str = "") -> Iterator[ListPage]:
    """Ask for the first page at once, and return the pages, as `pages`: for several listings under way together."""
    ask = _asker(scope, bucket, prefix, delimiter, "", 1000)
    return _pages(scope, bucket, prefix, ask, ask(None))


def _pages(
    scope: Scope,
    bucket: str,
    prefix: str,
    ask: Callable[[str | None], Future[ListPage]],
    future: Future[ListPage],
) -> Iterator[ListPage]:
    seen: set[int] = set()  # of the tokens, their hashes: one in a thousand keys
    try:
        while True:
            page = _result(future)
            if page.next_token is not None:
                token = page.next_token
                if hash(token) in seen:
                    raise ListError(
                        f"s3://{bucket}/{visible(prefix)}: the listing repeats its continuation token",
                        bucket=bucket,
                        key=prefix,
                    )
                seen.add(hash(token))
                future = ask(token)
            yield page
            if page.next_token is None:
                return
    finally:
        if not future.done():
            scope.cancel()


def page(scope: Scope, bucket: str, prefix: str, *, delimiter: str = "", page_size: int = 1000) -> Future[ListPage]:
    """Ask for the first page of a listing, and for no other."""
    return _asker(scope, bucket, prefix, delimiter, "", page_size)(None)


def _asker(
    scope: Scope, bucket: str, prefix: str, delimiter: str, start_after: str, page_size: int
) -> Callable[[str | None], Future[ListPage]]:
    base = [("encoding-type", "url"), ("list-type", "2"), ("max-keys", str(page_size)), ("prefix", prefix)]
    if delimiter:
        base.append(("delimiter", delimiter))

    def ask(token: str | None) -> Future[ListPage]:
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
            return future.result(0.2)  # in slices: a bare wait cannot be interrupted on Windows
        except TimeoutError:
            if future.done():
                raise


def objects(scope: Scope, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[ListedObject]:
    """Yield all objects whose key starts with ``prefix``, by key, lazily."""
    for page in pages(scope, bucket, prefix, start_after=start_after):
        yield from page.objects
