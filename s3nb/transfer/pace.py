"""How many requests may be in flight: additive increase, multiplicative decrease. Pure arithmetic."""

from __future__ import annotations

import math
import random
from collections import deque

from s3nb.config import TransferConfig

_WINDOW = 1.0  # seconds over which the rate of successes is taken
_BELOW = 0.9  # of what S3 took
_SEVERAL, _TOO_MANY = 3, 0.11  # complaints that are taken to heart: so many, and so many to a success
_NOISE = 2.0  # how far that may be exceeded by chance, in standard deviations
_DOUBT = 0.1  # seconds without a request to see which it is
_LEAST = 2.0  # requests a second
_CATCH_UP, _PROBE = 1.5, 1.05  # growth of the rate in a second without a complaint
_FREE = 20_000.0  # requests a second that nobody here can send
_LATE = 0.05  # seconds of sending that may be made up for
_BURST = 500  # tries again that need not be earned
_SHARE = 0.2
_A_SECOND = 10.0
_REFUSED_CAP = 3.0  # seconds: a server that is back should not wait for us
_THROTTLED_CAP = 6.0  # seconds: it is the pace of all requests that spares the server, not the pause of one


class Pace:
    """How many requests may be in flight, and how many may be sent a second, moved by what S3 answers.

    In flight: every success raises the limit by one until S3 complains for the first time, so that a long way is filled in a
    few rounds; from then on a round of successes (as many as the limit) raises it by a step. Complaints halve it, at most
    once per ``hold`` seconds, as all requests then in flight tell the same news. A second: not limited until S3 complains; then
    what it took in the last second, and from there on a little more every second without a complaint. On a short way few
    requests in flight can still be too many a second, so the one does not do for the other.
    """

    __slots__ = (
        "_credit",
        "_doubt",
        "_doubted",
        "_held_until",
        "_hold",
        "_known",
        "_max",
        "_next",
        "_raised",
        "_refused",
        "_taken",
        "_until",
        "limit",
        "limited",
        "rate",
    )

    def __init__(self, config: TransferConfig, hold: float = 0.5) -> None:
        self._max = config.max_requests
        self._hold = hold
        self._held_until = 0.0
        self._credit = 0
        self._taken: deque[float] = deque()  # times of the last second's successes
        self._refused: deque[float] = deque()  # and of the complaints
        self._until = 0.0  # nothing is sent before; then the rate is set
        self._doubt = 0.0  # nothing is sent before; then nothing may have happened
        self._doubted = -hold  # when that was last begun
        self._next = 0.0  # when the next request may be sent
        self._raised = 0.0
        self._known = 0.0  # rate that S3 did not complain of
        self.limit = config.start_requests
        self.rate: float | None = None  # requests a second
        self.limited = False  # what a second may have, too: else neither `wait` nor `sent` need be called

    def success(self, now: float) -> None:
        """Count a reply that is none of S3's complaints."""
        taken = self._taken
        taken.append(now)
        if now - taken[0] > _WINDOW:
            taken.popleft()
            if now - taken[0] > _WINDOW:
                taken.popleft()  # two for one: the queue shrinks when replies come slower
        if self.limit < self._max:
            if not self._held_until:
                self.limit += 1
                return
            self._credit += 1
            if self._credit >= self.limit:
                self._credit = 0
                self.limit = min(self._max, self.limit + max(1, self.limit // 16))

    def throttled(self, now: float, in_flight: int) -> None:
        """Count a reply that asks for fewer requests; ``now`` in monotonic seconds.

        Only more than a tenth of all replies is a limit that we run into: now and then S3 says so for reasons of its own. The first time
        there must be more than chance brings, and what is in flight counts as good, as refusals are quicker than bodies; until
        that is known, nothing is sent for a moment.
        """
        refused, taken = self._refused, self._taken
        refused.append(now)
        for queue in (refused, taken):
            while queue and now - queue[0] > _WINDOW:
                queue.popleft()
        if now < self._held_until or len(refused) < _SEVERAL or len(refused) <= _TOO_MANY * len(taken):
            return
        if self.rate is None and not self._until:
            usual = _TOO_MANY * (len(taken) + in_flight)
            if len(refused) <= usual + _NOISE * math.sqrt(usual):
                if now >= self._doubted + self._hold:
                    self._doubted = now
                    self._doubt, self.limited = now + _DOUBT, True
                return
        self._credit = 0
        self.limit = max(1, self.limit // 2)
        self._held_until = self._until = now + self._hold
        self.limited = True

    def fewer(self, now: float) -> None:
        """Halve the number in flight, for a reason of our own."""
        if now >= self._held_until:
            self._credit = 0
            self.limit = max(1, self.limit // 2)
            self._held_until = now + self._hold

    def wait(self, now: float) -> float:
        """Return the seconds until a request may be sent; 0.0: now."""
        if self._doubt:
            if now < self._doubt:
                return self._doubt - now
            self._doubt = 0.0
            self.limited = self.rate is not None or self._until > 0
        if self._until:
            if now < self._until:
                return self._until - now
            self._until = 0.0
            lately = sum(1 for at in self._taken if now - at <= _WINDOW)
            self.rate = max(_LEAST, _BELOW * lately / _WINDOW, min(self.rate or 0.0, self._known) * _BELOW)
            self._known = self.rate
            self._raised = now
        if self.rate is None:
            return 0.0
        if now - self._raised >= 1.0:
            self._raised = now
            self.rate *= _CATCH_UP if self.rate < self._known else _PROBE
            if self.rate > _FREE:
                self.rate = None
                self.limited = False
                return 0.0
        return max(0.0, self._next - now)

    def sent(self, now: float) -> None:
        """Count a request that is sent."""
        if self.rate is not None:
            self._next = max(now - _LATE, self._next) + 1 / self.rate


class RetryBudget:
    """Keeps tries again below a fifth of all requests, plus a burst: a server in trouble is not helped by more of them.

    A request that is sent for the first time earns a fifth of a token, time earns a few a second (so that those who wait
    get on when nothing else is sent); a try again costs one. Not thread-safe.
    """

    __slots__ = ("_at", "_tokens")

    def __init__(self) -> None:
        self._tokens = float(_BURST)
        self._at = 0.0

    def earn(self) -> None:
        """Count a request that is sent for the first time."""
        if self._tokens < _BURST:
            self._tokens += _SHARE

    def spend(self, now: float) -> float:
        """Take a token; return the seconds until it is there (0.0: at once)."""
        if self._at:
            self._tokens = min(_BURST, self._tokens + (now - self._at) * _A_SECOND)
        self._at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / _A_SECOND)


class Backoff:
    """Pauses between tries: full jitter under a doubling ceiling (AWS Architecture Blog, 2015)."""

    __slots__ = ("_base", "_cap", "_random", "_throttle")

    def __init__(self, config: TransferConfig, source: random.Random | None = None) -> None:
        self._base = config.backoff_base
        self._cap = config.backoff_cap
        self._throttle = config.throttle_base
        self._random = source or random.Random()

    def pause(self, tries: int, *, throttled: bool, refused: bool = False, asked: float | None = None) -> float:
        """Return seconds to wait after try number ``tries`` (from 1); at least ``asked`` (Retry-After)."""
        longest = _REFUSED_CAP if refused else _THROTTLED_CAP if throttled else self._cap
        first = self._throttle if throttled else self._base
        ceiling = min(self._cap, longest, first * 2.0 ** min(tries - 1, 30))
        pause = self._random.uniform(0, ceiling)
        return pause if asked is None else max(pause, asked)
