"""One logical request, tried until it succeeds or is beyond help; and the engine that runs many.

Strategy: a `Call` makes its request anew for each try (a resumed range starts further on), the engine sends it
when pace and byte budget allow, and the reply, arriving on the wire's thread, either ends the call or puts it
on the clock for another try. No thread waits for any of this.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from typing import Any

from s3nb.config import TransferConfig
from s3nb.errors import (
    ClientClosed,
    ConnectionFailed,
    CredentialsError,
    IntegrityError,
    ListError,
    RequestTimeout,
    S3Error,
    from_reply,
)
from s3nb.progress import Progress
from s3nb.text import visible
from s3nb.transfer.chores import Chores
from s3nb.transfer.clock import Clock
from s3nb.transfer.failures import (
    AGAIN_CODES,
    AGAIN_STATUSES,
    EXPIRED_CODES,
    THROTTLE_CODES,
    about,
    local_error,
    no_descriptors,
    retry_after,
    seconds_ahead,
)
from s3nb.transfer.interrupt import held
from s3nb.transfer.pace import Backoff, Pace, RetryBudget
from s3nb.wire import Pending, Reply, Request, Sink, Wire, WireError
from s3nb.wire.xml import MalformedReply, parse_error

_log = logging.getLogger("s3nb")
_DNS_TRIES = 3
_MALFORMED_TRIES = 5
_SILENT_TRIES = 3  # of a request that nobody takes, where nobody ever has, once first_patience is over
_IN_VAIN = 1.0  # seconds for which a refusal is waited out where that was done before, and nothing has answered yet
_WHERE = (
    "nothing has answered there yet: is the endpoint right? "
    "(endpoint_url=, for fsspec in storage_options; --endpoint-url; AWS_ENDPOINT_URL)"
)
_HTTP = "it does not speak https there, as it seems: an endpoint of http://... ?"
_SILENT, _SAID_AGAIN = (
    2.0,
    20.0,
)  # seconds without an answer until that is said, if as many are left; and until it is said again
_NO_IDENTITY = 2.0  # seconds for which nothing is sent after credentials were refused and there were no others
_CLEANING = 5.0  # seconds that closing waits for uploads to be aborted


class Again(Exception):
    """Raised by `Call.accept`: what came is not usable, another try may bring better."""

    def __init__(self, error: S3Error) -> None:
        super().__init__(str(error))
        self.error = error


class Scope:
    """The calls of one operation of the user: what is cancelled together, and counted together."""

    __slots__ = ("calls", "cancelled", "engine", "progress", "usual")

    def __init__(self, engine: Engine, progress: Progress) -> None:
        self.engine = engine
        self.progress = progress
        self.calls: set[Call] = set()
        self.cancelled = False
        self.usual = 0  # bytes of the object whose size was learnt last: the next may be like it
        progress.on_cancel(self.cancel)

    def cancel(self) -> None:
        """Drop what is queued or waiting, and stop what is in flight."""
        self.cancelled = True
        if self.engine.forked:
            return  # it runs in the parent, and goes on
        self.engine.purge(self)
        for call in list(self.calls):
            call.cancel()


class Call:
    """One logical request. Subclasses say what to send, what a success means, and what follows.

    `accept` returns the result or raises; then exactly one of `done` and `failed` is called, once, on a thread of
    the wire, the clock or the pool. None of them may block.
    """

    __slots__ = ("_began", "_exchange", "_request", "_sent_at", "cost", "dropped", "renewing", "scope", "tries")

    def __init__(self, scope: Scope, cost: int = 0) -> None:
        self.scope = scope
        self.cost = cost  # bytes that being in flight holds
        self.tries = 0
        self.dropped = False
        self.renewing = False
        self._began = 0.0
        self._sent_at = 0.0
        self._exchange: Pending | None = None
        self._request: Request | None = None

    def make(self) -> tuple[Request, Sink | None]:
        """Return the request of the next try, and where its body goes."""
        raise TypeError(f"{type(self).__name__} does not say what to send")

    def accept(self, reply: Reply) -> Any:
        """Return the result of a 2xx reply; raise `Again` or an `S3Error` if it is not one."""
        return reply

    def refused(self, error: S3Error, reply: Reply) -> bool:
        """Have a look at a final refusal; True if the call has changed itself and wants another try at once."""
        return False

    def interrupted(self) -> bool:
        """Have a look at a connection that broke; True if the call has handed on what is left, and is over."""
        return False

    def done(self, result: Any) -> None:
        """Take the result."""

    def failed(self, error: BaseException) -> None:
        """Take the failure: an `S3Error`, or `CancelledError`."""

    def renew(self) -> None:
        """Give the exchange up, and send what is left of it over another connection."""
        exchange = self._exchange
        if exchange is not None and not self.renewing:
            self.renewing = True
            exchange.cancel()

    @property
    def age(self) -> float:
        """Seconds since the exchange under way was sent."""
        return time.monotonic() - self._sent_at

    def cancel(self) -> None:
        """Stop this call; it will fail with `CancelledError`."""
        self.dropped = True
        exchange = self._exchange
        if exchange is not None:
            exchange.cancel()

    # -- the engine's side --------------------------------------------------------------

    def _launch(self, engine: Engine) -> None:
        if self.dropped:
            engine.settle(self, CancelledError())
            return
        self.tries += 1
        self._sent_at = now = time.monotonic()
        if not self._began:
            self._began = now
        try:
            request, sink = self.make()
            self._request = request
            self._exchange = exchange = engine.wire.send(request, sink)
        except (S3Error, WireError, OSError, MemoryError) as exc:
            engine.settle(self, local_error(exc, self._request))
            return
        exchange.add_done_callback(self._replied)
        if self.dropped:  # cancel() may have come before there was an exchange
            exchange.cancel()  # type: ignore[unreachable]  # mypy does not think of other threads

    def _replied(self, exchange: Pending) -> None:
        self._exchange = None
        self.scope.engine.replied(self, exchange)


class SimpleCall(Call):
    """A call whose result is a function of the reply; it completes a future."""

    __slots__ = ("future", "parse", "request", "sink")

    def __init__(self, scope: Scope, request: Request, parse: Callable[[Reply], Any]) -> None:
        super().__init__(scope)
        self.request = request
        self.parse = parse
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()  # who waits may give up; the outcome comes all the same

    def make(self) -> tuple[Request, Sink | None]:
        return self.request, None

    def accept(self, reply: Reply) -> Any:
        return self.parse(reply)

    def done(self, result: Any) -> None:
        self.future.set_result(result)

    def failed(self, error: BaseException) -> None:
        self.future.set_exception(error)


class Engine:
    """Runs calls over a wire, within the limits of the configuration. Thread-safe.

    Parameters
    ----------
    wire : Wire
    config : TransferConfig
    renew : callable, optional
        Fetch other credentials; False if there are none but those S3 has just refused. May block: it
        runs in the pool, and once for all calls that were in flight.
    skewed : callable, optional
        Told by how many seconds the server's clock is ahead of ours, if it refuses a signature for that.
    """

    def __init__(
        self,
        wire: Wire,
        config: TransferConfig,
        renew: Callable[[], bool] | None = None,
        backoff: Backoff | None = None,
        skewed: Callable[[float], None] | None = None,
    ) -> None:
        self.wire = wire
        self.config = config
        self.owner: Any = None  # what results can ask for more
        self.clock = Clock()
        self.pace = Pace(config)
        self._backoff = backoff or Backoff(config)
        self._renew = renew
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._renewed_at = 0.0
        self._renewals = 0  # calls that wait for other credentials; meanwhile nothing is sent with the old ones
        self._no_identity: tuple[float, BaseException | None] = (0.0, None)  # until when there are no others, and why
        self._in_flight = 0
        self._bytes = 0
        self._queue: deque[Call] = deque()
        self._waiting: set[Call] = set()  # on the clock
        self._cleaning: set[Future[Any]] = set()
        self.chores = Chores(config.max_workers)
        self._closed = False
        self._answered = False  # ever, whatever it was
        self._in_vain = False  # somebody has waited for a first answer until patience was over
        self._said = -_SAID_AGAIN  # when it was last said that nothing answers
        self._pumping = False
        self._thread = threading.local()  # what each is starting
        self._budget = RetryBudget()
        self._skewed = skewed

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process that the engine runs in: its threads are not here, its locks may be held."""
        return self._pid != os.getpid()

    def work(self, step: Callable[..., object], *arguments: Any) -> None:
        """Have local work that may block done by another thread; see `Chores.work`."""
        self.chores.work(step, *arguments)

    def request(self, scope: Scope, request: Request, parse: Callable[[Reply], Any]) -> Future[Any]:
        """Run one request; the future gives ``parse(reply)`` of its 2xx reply."""
        call = SimpleCall(scope, request, parse)
        self.submit(call)
        return call.future

    def submit(self, call: Call) -> None:
        """Take a call: it is sent now, or when others have made room."""
        with held:
            self._submit(call)

    def _submit(self, call: Call) -> None:
        call.scope.calls.add(call)
        if call.scope.cancelled:
            call.dropped = True
        now = time.monotonic()
        with self._lock:
            until, hopeless = self._no_identity
            if self._closed:
                closed: BaseException | None = ClientClosed("the client was closed")
            elif hopeless is not None and now < until:
                closed = hopeless
            else:
                closed = None
                self._budget.earn()
                if not self._room(call, now):
                    self._queue.append(call)
                    return
                self._enter(call, now)
        if closed is not None:
            call.scope.calls.discard(call)
            call.failed(closed)
            return
        call._launch(self)

    def _room(self, call: Call, now: float) -> bool:
        """Say whether a call may be sent now (with the lock held); if only the time has not come, see to it that it will."""
        if (
            self._renewals
            or self._in_flight >= self.pace.limit
            or (self._bytes and self._bytes + call.cost > self.config.upload_budget)
        ):
            return False
        if not self.pace.limited:
            return True
        wait = self.pace.wait(now)
        if wait > 0 and not self._pumping:
            self._pumping = True
            self.clock.later(wait, self._pump)
        return wait <= 0

    def _enter(self, call: Call, now: float) -> None:
        self._in_flight += 1
        self._bytes += call.cost
        if self.pace.limited:
            self.pace.sent(now)

    def _pump(self) -> None:
        """Send what may be sent by now."""
        with self._lock:
            self._pumping = False
            ready = self._ready(time.monotonic())
        if ready:
            self._start(ready)

    def _ready(self, now: float) -> list[Call]:
        ready = []
        queue = self._queue
        while queue and self._room(queue[0], now):
            call = queue.popleft()
            self._enter(call, now)
            ready.append(call)
        return ready

    def _leave(self, call: Call) -> None:
        with self._lock:
            self._in_flight -= 1
            self._bytes -= call.cost
            ready = self._ready(time.monotonic()) if self._queue else None
        if ready:
            self._start(ready)

    def _start(self, ready: list[Call]) -> None:
        """Send calls. One that cannot be sent makes room for the next: in a row, not on top of each other on the stack."""
        starting = getattr(self._thread, "starting", None)
        if starting is not None:
            starting.extend(ready)
            return
        self._thread.starting = ready
        try:
            for call in ready:  # which grows meanwhile
                call._launch(self)
        finally:
            self._thread.starting = None

    def purge(self, scope: Scope) -> None:
        """End the calls of a cancelled scope that are queued or waiting for another try."""
        with self._lock:
            gone = [c for c in self._queue if c.scope is scope]
            if gone:
                self._queue = deque(c for c in self._queue if c.scope is not scope)
            waiting = [c for c in self._waiting if c.scope is scope]
            self._waiting.difference_update(waiting)
            gone += waiting
        for call in gone:
            scope.calls.discard(call)
            call.failed(CancelledError())

    def replied(self, call: Call, exchange: Pending) -> None:
        """Judge what came back (called by the wire)."""
        if exchange.cancelled():
            if call.renewing and not call.dropped:
                call.renewing = False
                call.scope.progress.retried()
                over = call.interrupted()
                self._leave(call)
                if over:
                    call.scope.calls.discard(call)
                else:
                    self._resubmit(call)
                return
            self.settle(call, CancelledError())
            return
        failure = exchange.exception()
        if failure is not None:
            self._broken(call, failure)
            return
        self._answered = True
        reply = exchange.result()
        if 200 <= reply.status < 300:
            self.pace.success(time.monotonic())
            try:
                result = call.accept(reply)
            except Again as again:
                self._once_more(call, again.error, throttled=False)
            except MalformedReply as exc:
                listing = call._request is not None and call._request.operation.startswith("List")
                kind = ListError if listing else IntegrityError
                self._once_more(
                    call,
                    about(call._request, kind, f"reply is not what S3 sends: {exc}"),
                    throttled=False,
                    wire="malformed",
                )
            except BaseException as exc:
                self.settle(call, exc)
            else:
                self._leave(call)
                call.scope.calls.discard(call)
                call.done(result)
            return
        self._refused(call, reply)

    def _refused(self, call: Call, reply: Reply) -> None:
        request = call._request
        document = parse_error(reply.body) if reply.body else None
        code = document.code if document else ""
        error = from_reply(
            operation=request.operation if request else "",
            bucket=request.bucket if request else "",
            key=request.key if request else "",
            status=reply.status,
            code=code,
            message=(document.message or "") if document else "",
            request_id=reply.headers.get("x-amz-request-id") or (document.request_id if document else "") or "",
        )
        if code in THROTTLE_CODES or reply.status in (429, 503):
            self.pace.throttled(time.monotonic(), self._in_flight - 1)
            self._once_more(call, error, throttled=True, asked=retry_after(reply))
        elif code in EXPIRED_CODES:
            self._expired(call, error)
        elif code == "RequestTimeTooSkewed" and call.tries < 2 and self._set_clock(reply):
            self._once_more(call, error, throttled=False)
        elif code in AGAIN_CODES or reply.status in AGAIN_STATUSES or (reply.status >= 500 and not document):
            self._once_more(call, error, throttled=False, asked=retry_after(reply))
        elif call.refused(error, reply):
            self._leave(call)
            self._resubmit(call)
        else:
            self.pace.success(time.monotonic())
            self.settle(call, error)

    def _set_clock(self, reply: Reply) -> bool:
        """Learn from a reply how far our clock is off."""
        ahead = seconds_ahead(reply)
        if ahead is None or self._skewed is None:
            return False
        self._skewed(ahead)
        return True

    def _broken(self, call: Call, failure: BaseException) -> None:
        if not isinstance(failure, WireError) or failure.kind in ("setup", "sink", "source", "closed"):
            cause = failure.__cause__
            if isinstance(cause, Again):
                self._once_more(call, cause.error, throttled=False)
            elif no_descriptors(cause):
                self.pace.fewer(time.monotonic())
                self._once_more(call, local_error(failure, call._request), throttled=False, wire="descriptors")
            else:
                self.settle(call, local_error(failure, call._request))
            return
        if not call.dropped and call.interrupted():
            call.scope.progress.retried()
            self._leave(call)
            call.scope.calls.discard(call)
            return
        kind = RequestTimeout if failure.kind == "timeout" else ConnectionFailed
        self._once_more(call, about(call._request, kind, str(failure)), throttled=False, wire=failure.kind)

    def _once_more(
        self, call: Call, error: S3Error, *, throttled: bool, asked: float | None = None, wire: str = ""
    ) -> None:
        """Put the call on the clock, unless it has used up its tries."""
        waited = time.monotonic() - call._began
        config = self.config
        limit = config.patience
        first = wire in ("connect", "timeout") and not self._answered
        if first:
            limit = min(config.first_patience, limit)
            if self._in_vain:
                limit = min(limit, _IN_VAIN)
        if throttled:
            more = call.tries < config.attempts or waited < config.patience
        elif wire in ("connect", "descriptors"):
            more = waited < limit
        elif wire == "dns":
            more = call.tries < _DNS_TRIES
        elif wire == "malformed":
            more = call.tries < min(
                _MALFORMED_TRIES, config.attempts
            )  # a page of some proxy's, rather than a passing fault
        elif wire == "tls":
            more = call.tries < 2
        elif first:
            more = call.tries < (config.attempts if waited < limit else min(_SILENT_TRIES, config.attempts))
        else:
            more = call.tries < config.attempts
        if not more or waited >= config.deadline or call.dropped:
            if call.tries > 1:
                error.add_note(f"given up after {call.tries} tries in {waited:.1f} s")
            if wire in ("connect", "dns", "tls", "timeout") and not self._answered:
                error.add_note(_HTTP if "wrong version number" in str(error) else _WHERE)
                self._in_vain |= first and not call.dropped
            self.settle(call, CancelledError() if call.dropped else error)
            return
        left = limit - waited
        if first and wire == "timeout":
            left = max(left, waited / call.tries)  # another try takes as long
        if (first or wire in ("connect", "dns")) and waited >= _SILENT <= left and not call.scope.progress.quiet:
            self._say(error, left)
        call.scope.progress.retried(error)
        self._leave(call)
        pause = self._backoff.pause(
            call.tries, throttled=throttled, refused=wire in ("connect", "descriptors"), asked=asked
        )
        with self._lock:
            pause = max(pause, self._budget.spend(time.monotonic()))
            self._waiting.add(call)
        self.clock.later(pause, lambda: self._wait_is_over(call))

    def _say(self, error: S3Error, left: float) -> None:
        """Say that nothing answers, but is waited for: who looks at a cell that does nothing would like to know."""
        now = time.monotonic()
        if now < self._said + _SAID_AGAIN:
            return
        self._said = now
        _log.warning("%s; trying for another %.0f s%s", error, left, "" if self._answered else f" ({_WHERE})")

    def _wait_is_over(self, call: Call) -> None:
        with self._lock:
            if call not in self._waiting:
                return  # purged
            self._waiting.discard(call)
        self._resubmit(call)

    def _resubmit(self, call: Call) -> None:
        with self._lock:
            if not self._closed:
                now = time.monotonic()
                if not self._room(call, now):
                    self._queue.appendleft(call)  # it has waited longest
                    return
                self._enter(call, now)
        if self._closed:
            call.scope.calls.discard(call)
            call.failed(ClientClosed("the client was closed"))
        else:
            call._launch(self)

    def _expired(self, call: Call, error: S3Error) -> None:
        if self._renew is None:
            self.settle(call, error)
            return
        with self._lock:
            self._renewals += 1
        self._leave(call)
        self.work(self._renew_for, call, error)

    def _renew_for(self, call: Call, error: S3Error) -> None:
        """Renew the credentials, unless that was done or tried since the call was sent; then send it again, or fail it."""
        failure: BaseException | None = None
        gone: list[Call] = []
        with self._renewing:
            if call._sent_at < self._renewed_at:
                failure = self._no_identity[1]
            else:
                failure = self._other_credentials(error)
                with self._lock:
                    self._no_identity = (time.monotonic() + _NO_IDENTITY, failure)
                    if failure is not None:  # those who wait would be refused as well
                        gone = list(self._queue)
                        self._queue.clear()
                self._renewed_at = time.monotonic()
        with self._lock:
            self._renewals -= 1
        if failure is None:
            call.scope.progress.retried()
            self._resubmit(call)
        else:
            for other in (call, *gone):
                other.scope.calls.discard(other)
                other.failed(failure)
        self._pump()

    def _other_credentials(self, error: S3Error) -> BaseException | None:
        """Renew; return why there are no others."""
        assert self._renew is not None
        try:
            return None if self._renew() else error
        except Exception as exc:
            return exc if isinstance(exc, S3Error) else CredentialsError(visible(str(exc), 300))

    def settle(self, call: Call, error: BaseException) -> None:
        """End a call that was sent with a failure."""
        self._leave(call)
        call.scope.calls.discard(call)
        call.failed(error)

    def cleaning(self, future: Future[Any]) -> None:
        """Note a request that cleans up; `close` waits for it a little."""
        with self._lock:
            self._cleaning = {f for f in self._cleaning if not f.done()} | {future}

    def close(self) -> None:
        """Fail what is queued and close clock, pool and wire. May be called twice."""
        wait(self._cleaning, _CLEANING)
        with self._lock:
            self._closed = True
            queued, self._queue = [*self._queue, *self._waiting], deque()
            self._waiting.clear()
        self.clock.close()
        for call in queued:
            call.scope.calls.discard(call)
            call.failed(ClientClosed("the client was closed"))
        self.wire.close()
        self.chores.close()
