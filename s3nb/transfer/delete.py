"""Deleting: a thousand keys a request where XML can carry them, one request a key where it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from s3nb.checksum import md5_text
from s3nb.errors import S3Error, from_reply
from s3nb.transfer.attempt import Again, Scope
from s3nb.transfer.task import Task
from s3nb.wire import Reply, Request
from s3nb.wire.xml import build_delete, parse_delete_result, xml_can_carry

BATCH = 1000  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html


class Doomed(NamedTuple):
    """One object (or one version of it) to be deleted."""

    bucket: str
    key: str
    url: str
    version_id: str | None = None


def batches(items: Iterable[Doomed]) -> Iterator[list[Doomed]]:
    """Group keys of one bucket, a thousand at most; a key that XML cannot carry is a group of its own."""
    group: list[Doomed] = []
    for item in items:
        if not xml_can_carry(item.key):
            if group:
                yield group
                group = []
            yield [item]
            continue
        if group and (len(group) >= BATCH or group[0].bucket != item.bucket):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


class DeleteTask(Task):
    """Delete a batch; the result is a list with, for each item in order, None or its `S3Error`."""

    __slots__ = ("items",)

    def __init__(self, scope: Scope, items: Sequence[Doomed]) -> None:
        super().__init__(scope)
        self.items = items

    def start(self) -> None:
        first = self.items[0]
        if len(self.items) == 1:
            query = () if first.version_id is None else (("versionId", first.version_id),)
            request = Request("DeleteObject", "DELETE", first.bucket, first.key, query=query)
            future = self.engine.request(self.scope, request, lambda _: [None])
        else:
            body = build_delete([(i.key, i.version_id) for i in self.items], quiet=True)
            request = Request(
                "DeleteObjects", "POST", first.bucket, query=(("delete", ""),), body=body,
                # some servers refuse the request without it
                headers=(("Content-MD5", md5_text(body)), ("Content-Type", "application/xml")),
            )  # fmt: skip
            future = self.engine.request(self.scope, request, self._read)
        future.add_done_callback(self._settled)

    def _read(self, reply: Reply) -> list[S3Error | None]:
        result = parse_delete_result(reply.body)
        errors = {(e.key, e.version_id): e for e in result.errors}
        outcome: list[S3Error | None] = []
        for item in self.items:
            found = errors.get((item.key, item.version_id)) or errors.get((item.key, None))
            if found is None or found.code in ("NoSuchKey", "NoSuchVersion"):
                outcome.append(None)  # gone is gone
                continue
            error = from_reply(
                operation="DeleteObjects", bucket=item.bucket, key=item.key, status=reply.status,
                code=found.code, message=found.message or "", request_id=reply.headers.get("x-amz-request-id") or "",
            )  # fmt: skip
            if found.code in ("InternalError", "SlowDown", "ServiceUnavailable"):
                raise Again(error)
            outcome.append(error)
        return outcome

    def _settled(self, done: Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            self.fail(error)
        else:
            self.end(done.result())
