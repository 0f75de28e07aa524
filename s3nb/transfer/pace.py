"""How many requests may be in flight: additive increase, multiplicative decrease. Pure arithmetic."""

from __future__ import annotations

import random

from s3nb.config import TransferConfig

_BURST = 500  # tries again that need not be earned
_SHARE = 0.2
_A_SECOND = 10.0
_REFUSED_CAP = 3.0  # seconds: a server that is back should not wait for us


class Pace:
    """The limit on requests in flight, moved by what S3 answers.

    A round of successes (as many as the limit) raises it by a step; a throttled reply halves it,
    at most once per ``hold`` seconds, as all requests then in flight tell the same news.
    """

    __slots__ = ("_credit", "_held_until", "_hold", "_max", "limit")

    def __init__(self, config: TransferConfig, hold: float = 0.5) -> None:
        self._max = config.max_requests
        self._hold = hold
        self._held_until = 0.0
        self._credit = 0
        self.limit = config.start_requests

    def success(self) -> None:
        """Count a reply that is none of S3's complaints."""
        if self.limit < self._max:
            self._credit += 1
            if self._credit >= self.limit:
                self._credit = 0
                self.limit = min(self._max, self.limit + max(1, self.limit // 16))

    def throttled(self, now: float) -> None:
        """Count a reply that asks for fewer requests; ``now`` in monotonic seconds."""
        self._credit = 0
        if now >= self._held_until:
            self.limit = max(1, self.limit // 2)
            self._held_until = now + self._hold


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
        ceiling = min(
            min(self._cap, _REFUSED_CAP) if refused else self._cap,
            (self._throttle if throttled else self._base) * 2.0 ** min(tries - 1, 30),
        )
        pause = self._random.uniform(0, ceiling)
        return pause if asked is None else max(pause, asked)
