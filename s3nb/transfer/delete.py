"""Deleting: a thousand keys a request where XML can carry them, one request a key where it cannot."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

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
    """Delete a batch; the result is a list with, for each item in order, None or its `S3Error`.

    Only what the reply names as deleted counts. Keys it does not name (some servers leave out, or garble, what
    they do not understand) are deleted one by one.
    """

    __slots__ = ("_lock", "_open", "_outcome", "items")

    def __init__(self, scope: Scope, items: Sequence[Doomed]) -> None:
        super().__init__(scope)
        self.items = items
        self._outcome: list[S3Error | None] = [None] * len(items)
        self._open = 0  # single requests that have not come back
        self._lock = threading.Lock()

    def objects(self) -> int:
        return len(self.items)

    def count(self, outcome: str) -> None:
        if outcome == "cancelled":
            self.scope.progress.end(self)
            return
        failed = len(self.items) if outcome == "failed" else sum(error is not None for error in self._outcome)
        self.scope.progress.end(self, len(self.items) - failed, failed)

    def start(self) -> None:
        if len(self.items) == 1:
            self._singly([0])
            return
        body = build_delete([(i.key, i.version_id) for i in self.items])
        request = Request(
            "DeleteObjects", "POST", self.items[0].bucket, query=(("delete", ""),), body=body,
            # some servers refuse the request without it
            headers=(("Content-MD5", md5_text(body)), ("Content-Type", "application/xml")),
        )  # fmt: skip
        self.engine.request(self.scope, request, self._read).add_done_callback(self._settled)

    def _read(self, reply: Reply) -> list[int]:
        """Note what became of each item; return the indices of those the reply says nothing of."""
        result = parse_delete_result(reply.body)
        deleted = set(result.deleted)
        errors = {(e.key, e.version_id): e for e in result.errors}
        unnamed = []
        for at, item in enumerate(self.items):
            found = errors.get((item.key, item.version_id)) or errors.get((item.key, None))
            if found is None:
                if item.key not in deleted:
                    unnamed.append(at)
            elif found.code not in ("NoSuchKey", "NoSuchVersion"):  # gone is gone
                error = from_reply(
                    operation="DeleteObjects", bucket=item.bucket, key=item.key, status=reply.status,
                    code=found.code, message=found.message or "", request_id=reply.headers.get("x-amz-request-id") or "",
                )  # fmt: skip
                if found.code in ("InternalError", "SlowDown", "ServiceUnavailable"):
                    raise Again(error)
                self._outcome[at] = error
        return unnamed

    def _settled(self, done: Future[list[int]]) -> None:
        error = done.exception()
        if error is not None:
            self.fail(error)
        elif unnamed := done.result():
            self._singly(unnamed)
        else:
            self.end(self._outcome)

    def _singly(self, indices: Sequence[int]) -> None:
        self._open = len(indices)
        for at in indices:
            item = self.items[at]
            query = () if item.version_id is None else (("versionId", item.version_id),)
            request = Request("DeleteObject", "DELETE", item.bucket, item.key, query=query)
            future = self.engine.request(self.scope, request, lambda _: None)
            future.add_done_callback(partial(self._one_settled, at))

    def _one_settled(self, at: int, done: Future[None]) -> None:
        error = done.exception()
        if error is not None and not isinstance(error, S3Error):
            with self._lock:
                cut, self._open = self._open > 0, 0
            if cut:
                self.fail(error)  # cancelled
            return
        self._outcome[at] = error
        with self._lock:
            self._open -= 1
            over = self._open == 0
        if over:
            if len(self.items) == 1 and error is not None:
                self.fail(error)
            else:
                self.end(self._outcome)
