"""An object that is read from its first byte to its last is proved: S3 is asked for its sum, and that is compared.

How sums are made is `s3nb.files.proof`; here are the requests, and the verdict.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial

from s3nb.checksum import SIZE, expected
from s3nb.errors import S3Error
from s3nb.files.get import NO_MD5, Opened
from s3nb.files.proof import Proof, Told, comparable, summable
from s3nb.text import visible
from s3nb.transfer.fetch import WITH_CHECKSUM
from s3nb.wire import Headers

_PARTS_ASKED = 100  # parts whose length is asked for before bytes are said to be wrong


class Proving:
    """The proof of one object, until there is a verdict, or can be none."""

    def __init__(self, remote: Opened, proof: Proof) -> None:
        self._remote = remote
        self._proof: Proof | None = proof

    def prepare(self, start: int, stop: int) -> None:
        """Ask S3 for the sum of all bytes, if somebody who has read all of them so far wants those up to ``stop``."""
        proof, remote = self._proof, self._remote
        if proof is None or start > proof.at or not proof.due(stop):
            return
        remote.ready()
        told: Future[Told] = Future()
        proof.asked = told
        heads: dict[str, Headers] = {}
        waiting = ["whole", "part"] if proof.count else ["whole"]
        lock = threading.Lock()

        def answered(which: str, done: Future[Headers]) -> None:
            if done.exception() is None and done.result().get("etag") == remote.etag:
                heads[which] = done.result()
            with lock:
                waiting.remove(which)
                if waiting:
                    return
            told.set_result(_told(heads))

        for which in tuple(waiting):
            asked = remote.ask(("partNumber", "1")) if which == "part" else remote.ask(headers=WITH_CHECKSUM)
            asked.add_done_callback(partial(answered, which))

    def prove(self, start: int, data: bytes | memoryview) -> None:
        """Take bytes at ``start`` that are about to be given out; raise if with them the object is not the one in S3."""
        proof = self._proof
        if proof is None:
            return
        if proof.error is not None:
            raise proof.error
        if not proof.add(start, data) or not proof.able:
            self.end()
        elif proof.at == proof.size:
            self._judge(proof)

    def _judge(self, proof: Proof) -> None:
        remote = self._remote
        proof.hear(wait=True)
        want = proof.want
        if want is None or not proof.able:
            self.end()
            return
        found = proof.found()
        if found != want.value:
            if proof.length and not self._alike(want.parts, proof.length):
                self.end()  # cut elsewhere than the parts were
                return
            proof.error = remote.wrong(
                f"{want.kind} of what was read is {found}, S3 has {visible(want.value, 80)}: what was read before is not to be "
                "trusted either" + (NO_MD5 if want.kind == "etag" else "")
            )
            raise proof.error
        remote.verified = want.kind
        self.end()

    def _alike(self, count: int, length: int) -> bool:
        """Ask S3 whether the parts of the object, but for the last, all have this length."""
        remote = self._remote
        scope = remote.ready()
        for number in range(2, min(count, _PARTS_ASKED)):
            asked = remote.ask(("partNumber", str(number)))
            try:
                headers = remote.core.wait(asked, scope)
            except S3Error:
                continue
            if headers.get("content-length") != str(length):
                return False
        return True

    def end(self) -> None:
        """Compare no more."""
        proof, self._proof = self._proof, None
        if proof is not None:
            proof.release()


def _told(heads: Mapping[str, Headers]) -> Told:
    """Return what the heads of an object, and of its first part, say that can be compared."""
    want = SIZE if "whole" not in heads else expected(heads["whole"])
    if summable(want):
        length = heads["part"].get("content-length") or "" if "part" in heads else ""
        return want, int(length) if length.isdigit() else 0
    return (want if comparable(want, 0) and want.kind != "etag" else SIZE), 0
