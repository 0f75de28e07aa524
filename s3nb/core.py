"""What a client runs on: wire, engine and account, made at the first request and again after a fork."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from s3nb import bars, farewell
from s3nb.config import TransferConfig
from s3nb.errors import ClientClosed, CredentialsError
from s3nb.progress import Progress
from s3nb.transfer.attempt import Engine, Scope
from s3nb.transfer.task import Task, Window, run_one
from s3nb.wire import Pending, Request, Sink, Wire
from s3nb.wire.aws import Account

ENGINES = ("auto", "curl", "boto3")


class Core:
    """One account, one engine. Survives a fork by being made anew in the child."""

    def __init__(
        self, account: Account, engine: str, config: TransferConfig, wire: Wire | None = None, *, pays: bool = False
    ) -> None:
        if engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
        self.account = account
        self.config = within_limits(config)
        self._asked = engine
        self._given_wire = wire
        self._pays = pays
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._pid = os.getpid()
        self.closed = False
        self.look: Callable[..., Any] | None = None  # how a result of this is previewed

    @property
    def used(self) -> bool:
        """Whether there is anything to close."""
        return self._engine is not None

    @property
    def engine(self) -> Engine:
        """The engine; made at the first look. Missing credentials are an error here, before any request."""
        engine = self._engine
        if engine is not None and self._pid == os.getpid():
            return engine
        if self.closed:
            raise ClientClosed("this client was closed")
        if self._pid != os.getpid():
            self._lock = threading.Lock()
            self.account.after_fork()
            self._engine = None
            self._pid = os.getpid()
        with self._lock:
            if self._engine is None:
                if self._given_wire is not None:
                    wire = self._given_wire
                else:
                    self.account.credentials()
                    if self.account.verify is False:
                        warnings.warn(
                            "TLS certificates are not verified (verify=False): who sits between here and S3 reads and changes all",
                            stacklevel=2,
                        )
                    wire = make_wire(self.account, self._asked, self.config)
                if self._pays:
                    from s3nb.wire.payer import Payer

                    wire = Payer(wire)
                farewell.ready()
                renew = self._renew if self._given_wire is None else None
                self._engine = Engine(wire, self.config, renew, skewed=self.account.set_clock)
                self._engine.owner = self
            return self._engine

    def _renew(self) -> bool:
        try:
            seen = self.account.credentials()
            return seen is not None and self.account.refresh(seen) != seen
        except CredentialsError:
            return False

    def preview(self, item: Any, limit: int | None = None, rows: int | None = None) -> Any:
        """Return a preview of one of this client's results."""
        if self.closed or self.look is None:
            raise ClientClosed("this client was closed")
        return self.look(self, item, limit, rows)

    def scope(self, verb: str, total: int | None = None) -> Scope:
        """Return a scope for one operation."""
        return Scope(self.engine, Progress(verb, total))

    def run(self, task: Task, setting: Any = False) -> Any:
        """Run one task to its end; the calling thread waits, and shows it as ``setting`` says."""
        shown = bars.display(task.scope.progress, setting)
        try:
            return run_one(task, shown.tick)
        finally:
            shown.close()

    def wait(self, future: Future[Any], scope: Scope) -> Any:
        """Wait for a future; Ctrl-C cancels its scope."""
        try:
            while True:
                try:
                    return future.result(0.2)
                except TimeoutError:
                    if future.done():
                        raise
        except KeyboardInterrupt:
            scope.cancel()
            raise

    def close(self) -> None:
        """Stop everything. May be called twice."""
        self.closed = True
        if self._pid != os.getpid():
            self._engine = None  # the parent's, and so may be whoever holds the lock
            return
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


class Operation:
    """A many-operation: its scope, and what shows it; a context manager that ends both."""

    def __init__(self, core: Core, verb: str, total: int | None, setting: Any) -> None:
        self.scope = core.scope(verb, total)
        self._display = bars.display(self.scope.progress, setting)
        self._size = 2 * core.config.max_requests

    def __enter__(self) -> Operation:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.scope.progress.finish()
        self._display.close()

    def window(self, items: Iterable[Any], make: Callable[[Any], Task]) -> Window[Any]:
        """Return a window of tasks over ``items``."""
        return Window(self.scope, items, make, self._size, self._display.tick)


def within_limits(config: TransferConfig) -> TransferConfig:
    """Return a configuration that leaves three quarters of the descriptors to others."""
    if resource is None:
        return config  # type: ignore[unreachable]
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(1, soft // 4)
    if soft == resource.RLIM_INFINITY or config.max_requests <= most:
        return config
    return replace(config, max_requests=most, start_requests=min(config.start_requests, most))


def mocked() -> bool:
    """Say whether an in-process mock of AWS is active: it intercepts botocore and nothing else."""
    stubber = getattr(sys.modules.get("moto.core.models"), "botocore_stubber", None)
    return bool(getattr(stubber, "enabled", False))


def make_wire(account: Account, engine: str, config: TransferConfig) -> Wire:
    """Return the wire for ``engine``; ``"auto"`` is libcurl unless it is missing or a mock is active."""
    from s3nb.wire.boto import BotoWire

    if engine == "boto3" or (engine == "auto" and mocked()):
        return BotoWire(account, config)
    try:
        from s3nb.wire.curl import CurlWire
    except ImportError:
        if engine == "curl":
            raise
        return BotoWire(account, config)
    return _ByBucket(CurlWire(account, config), lambda: BotoWire(account, config), account)


class _ByBucket:
    """libcurl for all buckets but those that only botocore can speak to."""

    def __init__(self, fast: Wire, portable: Callable[[], Wire], account: Account) -> None:
        self._fast = fast
        self._make = portable
        self._portable: Wire | None = None
        self._account = account
        self._known: dict[str, Wire] = {}  # which a bucket needs, wherever it moves

    def _wire(self, bucket: str) -> Wire:
        wire = self._known.get(bucket)
        if wire is None:
            wire = self._fast
            if self._account.endpoint(bucket).portable:
                wire = self._portable = self._portable or self._make()
            self._known[bucket] = wire
        return wire

    def send(self, request: Request, sink: Sink | None = None) -> Pending:
        return self._wire(request.bucket).send(request, sink)

    def presign(self, request: Request, expires: int) -> str:
        return self._wire(request.bucket).presign(request, expires)

    def checks_uploads(self, bucket: str) -> bool:
        return self._wire(bucket).checks_uploads(bucket)

    def signs_payload(self, bucket: str) -> bool:
        return self._wire(bucket).signs_payload(bucket)

    def close(self) -> None:
        self._fast.close()
        if self._portable is not None:
            self._portable.close()
