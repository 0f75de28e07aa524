"""Asking about one object: a single HEAD."""

from __future__ import annotations

from s3nb.errors import NotFound
from s3nb.model import S3Object
from s3nb.transfer.attempt import Call, Scope
from s3nb.transfer.task import Task
from s3nb.transfer.wanted import Wanted
from s3nb.wire import Reply, Request, Sink


class HeadTask(Task):
    """Get what S3 knows of one object, without its bytes."""

    __slots__ = ("wanted",)

    def __init__(self, scope: Scope, wanted: Wanted) -> None:
        super().__init__(scope)
        self.wanted = wanted

    def start(self) -> None:
        self.engine.submit(_HeadCall(self))


class _HeadCall(Call):
    __slots__ = ("task",)

    def __init__(self, task: HeadTask) -> None:
        super().__init__(task.scope)
        self.task = task

    def make(self) -> tuple[Request, Sink | None]:
        wanted = self.task.wanted
        return Request("HeadObject", "HEAD", wanted.bucket, wanted.key, query=wanted.query()), None

    def done(self, result: Reply) -> None:
        wanted = self.task.wanted
        length = result.headers.peek("content-length") or "0"  # the others are parsed if somebody looks
        self.task.end(
            S3Object(
                wanted.base,
                wanted.url,
                size=int(length),
                headers=result.headers,
                version_id=wanted.version_id,
                origin=self.task.engine.owner,
            )
        )

    def failed(self, error: BaseException) -> None:
        if self.task.wanted.missing_ok and isinstance(error, NotFound):
            self.task.end(self.task.wanted.missing())
        else:
            self.task.fail(error)
