"""Are they the bytes that S3 holds? The sum of a downloaded file is compared; what does not agree is fetched once more.

Strategy. CRCs run along as bytes are written, per range, and are combined at the end. MD5s and sums of parts are computed from
the file. Which bytes are wrong a sum of all of them does not tell: if S3 knows the sums of the parts it was uploaded in, those
say it; else ranges are fetched again, several at a time, until the sum agrees.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from itertools import accumulate
from typing import Protocol

from s3nb.checksum import Crc, Expected, crc, of_etag, of_part, of_parts, whole
from s3nb.errors import IntegrityError
from s3nb.text import visible
from s3nb.transfer.attempt import Scope
from s3nb.transfer.fetch import WITH_CHECKSUM
from s3nb.transfer.journal import Sum
from s3nb.transfer.wanted import Wanted
from s3nb.wire import Reply, Request

_USUAL = (8, 16, 6, 5, 10, 15, 25, 32, 50, 64, 100, 128, 256, 512)  # MiB of a part
ROUNDS = 3  # of fetching again: what comes may be wrong again, in another place
_SEVERAL = 100  # parts of several sizes that are asked for one by one
_REPAIR = 4 * 1024 * 1024  # bytes of a range that is fetched once more


class Arrived(Protocol):
    """A file whose bytes have all come."""

    scope: Scope
    wanted: Wanted

    @property
    def size(self) -> int: ...
    def read(self, start: int, stop: int) -> Iterator[bytes]: ...
    def fetch_again(self, pieces: list[Sum]) -> None: ...
    def accepted(self, by: str) -> None: ...
    def rejected(self, error: BaseException) -> None: ...
    def in_pool(self, step: Callable[[], None]) -> None: ...


def crc_of(want: Expected) -> Crc | None:
    """Return the CRC of all bytes that is to be compared, if it is one."""
    return None if want.parts else crc(want.kind)


def wrong(want: Expected, found: str, wanted: Wanted) -> IntegrityError:
    """Return the error that names both sums."""
    text = f"{want.kind} of what came is {found}, S3 has {visible(want.value, 100)}"
    if want.kind == "etag":
        text += " (if the ETags of this server are no MD5s: TransferConfig(verify=False))"
    return IntegrityError(
        f"{visible(wanted.url)}: {text}",
        bucket=wanted.bucket, key=wanted.key, operation="GetObject",
    )  # fmt: skip


class Audit:
    """The sums of what has arrived of one file, and what they should come to."""

    __slots__ = ("_asked", "_doubted", "_guessed", "_lock", "_rounds", "_starts", "crc", "file", "sums", "want")

    def __init__(self, file: Arrived, want: Expected, running: Crc) -> None:
        self.file = file
        self.want = want
        self.crc = running
        self.sums: list[Sum] = []
        self._lock = threading.Lock()
        self._starts: list[
            int
        ] = []  # of the parts that the object was uploaded in, as far as they are known for certain
        self._asked = False  # the server, for each of them
        self._guessed = False  # nobody has said how long parts are
        self._doubted: str | None = None  # the sum that did not agree, of bytes that have not changed since
        self._rounds = 0  # how often bytes were fetched again

    def judge(self) -> None:
        """Compare; ends in `Arrived.accepted` or `Arrived.rejected`, or in another judgement when bytes have come again."""
        want, file = self.want, self.file
        known = crc_of(want)
        if want.kind == "size":
            file.accepted("size")
        elif known is not None:
            self._compare(self._combined(known))
        elif self._starts:
            file.in_pool(lambda: self._compare(self._sum_of_parts(self._starts)))
        elif want.parts:
            query = (*file.wanted.query(), ("partNumber", "1"))
            self._head(query, (), lambda done: file.in_pool(lambda: self._measure(done)))
        else:
            file.in_pool(lambda: self._compare(whole(want, file.read(0, file.size))))

    def _head(
        self,
        query: tuple[tuple[str, str], ...],
        headers: tuple[tuple[str, str], ...],
        then: Callable[[Future[Reply]], None],
    ) -> None:
        file = self.file
        request = Request("HeadObject", "HEAD", file.wanted.bucket, file.wanted.key, query=query, headers=headers)
        file.scope.engine.request(file.scope, request, lambda reply: reply).add_done_callback(then)

    def _combined(self, known: Crc) -> str:
        value = 0
        for part in sorted(self.sums):
            value = known.combine(value, part.value, part.stop - part.start)
        return known.text(value)

    def _measure(self, done: Future[Reply]) -> None:
        """Compute the sum of the parts' sums, if the server says how long they are."""
        want, size = self.want, self.file.size
        error = done.exception()
        length = 0 if error is not None else int(done.result().headers.get("content-length", "0"))
        if isinstance(error, CancelledError):
            raise error
        if 0 < length < size and -(-size // length) != want.parts <= _SEVERAL:
            self._ask_for_parts()  # they are of several sizes
            return
        if not length or -(-size // length) != want.parts:
            # Not told. What uploaders usually take may still agree.
            self._guessed = True
            usual = dict.fromkeys((self.file.scope.engine.config.part_size, *(n << 20 for n in _USUAL)))
            found = ""
            for guess in usual:
                if -(-size // guess) == want.parts and found != want.value:
                    found = self._sum_of_parts(range(0, size, guess))
            if found:
                self._compare(found)
            else:
                self.file.accepted("size")
            return
        self._starts = list(range(0, size, length))
        self._compare(self._sum_of_parts(self._starts))

    def _sum_of_parts(self, starts: Sequence[int]) -> str:
        stops = [*starts[1:], self.file.size]
        pieces = [self.file.read(start, stop) for start, stop in zip(starts, stops, strict=True)]
        return of_parts(self.want, [of_part(self.want, piece) for piece in pieces])

    def _compare(self, found: str) -> None:
        want = self.want
        if found == want.value:
            self.file.accepted(want.kind)
        elif found == self._doubted or self._rounds == ROUNDS:
            self._give_up(found)
        else:
            self._doubted = found
            self.file.scope.progress.retried()
            if self._starts and not self._asked:
                self._ask_for_parts()
            else:
                self._fetch_again(self.sums)

    def _give_up(self, found: str) -> None:
        if self._guessed and found == self._doubted:
            # every byte came twice, the same both times, and only a guess at the parts' lengths speaks against them
            self.file.accepted("size")
        else:
            self.file.rejected(wrong(self.want, found, self.file.wanted))

    def _ask_for_parts(self) -> None:
        """Ask for length and sum of each part that the object was uploaded in."""
        self._asked = True
        waiting = set(range(1, self.want.parts + 1))
        heads: dict[int, Reply] = {}
        lock = threading.Lock()

        def answered(number: int, done: Future[Reply]) -> None:
            if done.exception() is None:
                heads[number] = done.result()
            with lock:
                waiting.discard(number)
                if waiting:
                    return
            self.file.in_pool(lambda: self._compare_parts(heads))

        for number in sorted(waiting):
            query = (*self.file.wanted.query(), ("partNumber", str(number)))
            self._head(query, WITH_CHECKSUM, partial(answered, number))

    def _compare_parts(self, heads: dict[int, Reply]) -> None:
        """Fetch the parts whose own sum is off once more; all of them, if the server does not tell."""
        want, size, read = self.want, self.file.size, self.file.read
        lengths = [int(heads[n].headers.get("content-length", "0")) for n in sorted(heads)]
        starts = [0, *accumulate(lengths)][:-1]
        if len(lengths) == want.parts and sum(lengths) == size and starts != self._starts:
            self._starts = starts  # parts of several sizes
            if self._sum_of_parts(starts) == want.value:
                self.file.accepted(want.kind)
                return
        if not self._starts:
            self.file.accepted("size")
            return
        bad: list[Sum] = []
        for number, reply in heads.items():
            start, stop = [*self._starts, size][number - 1 : number + 1]
            told = reply.headers.get(f"x-amz-checksum-{want.algorithm}") or ""
            mine = of_part(want, read(start, stop))
            if want.kind == "composite" and told and "-" not in told:
                good = base64.b64encode(mine).decode() == told
            else:
                tag = of_etag(reply.headers)
                if not tag.value or tag.parts:
                    continue
                good = whole(tag, read(start, stop)) == tag.value
            if not good:
                bad += [s for s in self.sums if s.start < stop and s.stop > start]
        self._fetch_again(bad or self.sums)

    def _fetch_again(self, sums: Iterable[Sum]) -> None:
        """Have ranges fetched once more."""
        groups: list[Sum] = []
        for piece in sorted(set(sums)):
            last = groups[-1] if groups else None
            if last is not None and last.stop == piece.start and piece.stop - last.start <= _REPAIR:
                value = self.crc.combine(last.value, piece.value, piece.stop - piece.start)
                groups[-1] = Sum(last.start, piece.stop, value)
            else:
                groups.append(piece)
        self._rounds += 1
        if groups:
            self.file.fetch_again(groups)
        else:
            self.judge()  # an empty object has nothing to fetch

    def replaced(self, before: Sum, fresh: Sum) -> bool:
        """Take the sum of a range that came a second time; True if all is well now."""
        if fresh == before:
            return False
        with self._lock:
            self.sums = [*(s for s in self.sums if s.stop <= fresh.start or s.start >= fresh.stop), fresh]
            self._doubted = None
            known = crc_of(self.want)
            return known is not None and self._combined(known) == self.want.value
