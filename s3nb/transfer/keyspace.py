"""Where to cut a key space so that its parts can be listed at the same time. Pure arithmetic on names.

Strategy: a key is read as a number whose digits are its characters, each position with an alphabet of its own: the characters
that have been seen there, and their kin (a digit stands for all digits, two letters of a case
for all of that case). How far
apart two known keys are, and how many lie between them, tells where the key so many further on may be. A wrong guess
costs a request, never a key: whoever lists takes what really is there.
"""

from __future__ import annotations

import string
from bisect import bisect_left
from collections.abc import Iterable

_DEPTH = 64  # characters of a key that count
_KIN = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
_SCRIPT, _MORE = 0x2000, 16  # characters that one script may have at a place
_TWO = 2  # one letter at a place is likely part of a word, two are likely a code


class KeySpace:
    """What is known of the keys below a prefix.

    Parameters
    ----------
    prefix : str
        What all keys begin with.
    """

    def __init__(self, prefix: str) -> None:
        self._at = len(prefix)
        self._prefix = prefix
        self._seen: list[set[str]] = []
        self._alphabets: list[str] = []
        self._weights: list[int] = []  # what a step of one at a place is worth
        self._top = 0
        self._stale = True

    def learn(self, keys: Iterable[str]) -> None:
        """Take note of some keys: a few of a page will do."""
        seen = self._seen
        for key in keys:
            name = key[self._at : self._at + _DEPTH]
            while len(seen) < len(name):
                seen.append(set())
            for place, char in zip(seen, name, strict=False):
                if char not in place:
                    place.add(char)
                    self._stale = True

    def _settle(self) -> None:
        if not self._stale:
            return
        self._stale = False
        self._alphabets = ["".join(sorted(_with_kin(place))) for place in self._seen]
        weight = 1
        weights = []
        for alphabet in reversed(self._alphabets):
            weights.append(weight)
            weight *= len(alphabet)
        self._weights = weights[::-1]
        self._top = weight

    def position(self, key: str | None) -> int:
        """Return where a key stands; None is the end of all."""
        self._settle()
        if key is None:
            return self._top
        total = 0
        for char, alphabet, weight in zip(key[self._at :], self._alphabets, self._weights, strict=False):
            place = bisect_left(alphabet, char)
            if place == len(alphabet):
                return total + place * weight - 1  # beyond all that was seen here
            total += place * weight
            if alphabet[place] != char:
                break
        return total

    def cut(self, after: str, until: str | None, step: int) -> str | None:
        """Return a name about ``step`` behind ``after``, as short as will do; None if there is none before ``until``."""
        self._settle()
        left = self.position(after) + step
        if left >= self.position(until):
            return None
        name = []
        for alphabet, weight in zip(self._alphabets, self._weights, strict=True):
            if 4 * weight * len(alphabet) < step:
                break  # finer than it need be
            place, left = divmod(left, weight)
            name.append(alphabet[min(place, len(alphabet) - 1)])
        found = self._prefix + "".join(name)
        return found if after < found and (until is None or found < until) else None


def _with_kin(chars: set[str]) -> set[str]:
    found = set(chars)
    for kin in _KIN:
        known = found.intersection(kin)
        if len(known) >= _TWO or (known and kin is string.digits):
            found.update(kin)
    others = [ord(char) for char in chars if char > "\x7f"]
    if others:  # of another script all that lie between, and as many again
        first, last = min(others), max(others)
        last = min(2 * last - first + _MORE, first + _SCRIPT, 0x110000)
        found.update(chr(code) for code in range(first, last) if not 0xD800 <= code < 0xE000)
    return found
