"""How many requests may be in flight: additive increase, multiplicative decrease. Pure arithmetic."""

from __future__ import annotations

import random

from s3nb.config import TransferConfig


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


class Backoff:
    """Pauses between tries: full jitter under a doubling ceiling (AWS Architecture Blog, 2015)."""

    __slots__ = ("_base", "_cap", "_random", "_throttle")

    def __init__(self, config: TransferConfig, source: random.Random | None = None) -> None:
        self._base = config.backoff_base
        self._cap = config.backoff_cap
        self._throttle = config.throttle_base
        self._random = source or random.Random()

    def pause(self, tries: int, *, throttled: bool, asked: float | None = None) -> float:
        """Return seconds to wait after try number ``tries`` (from 1); at least ``asked`` (Retry-After)."""
        ceiling = min(self._cap, (self._throttle if throttled else self._base) * 2.0 ** min(tries - 1, 30))
        pause = self._random.uniform(0, ceiling)
        return pause if asked is None else max(pause, asked)
