"""Reads an object in a process of its own: libraries in C++ end the whole program when hostile bytes get the better of them.

The child is given the head and asks for more by its standard output; it has 512 MiB, ten seconds of a processor, and no say
over anything but the text that is shown. If it ends, the preview shows bytes, and the program goes on. Costs half a second,
of which most is the import of pyarrow.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from typing import IO, Any

from s3nb.preview import arrow
from s3nb.preview.model import Content, Grid, Limits, Text, TooMuch, Window

_READERS = {"parquet": arrow.of_parquet, "arrow": arrow.of_arrow}
_MEMORY = 512 << 20
_START = 20.0  # seconds to begin in, on a busy machine
_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from s3nb.preview.apart import child; child()"


def run(reader: str, window: Window) -> Content:
    """Return what a reader (``"parquet"``, ``"arrow"``) finds in a window.

    Raises
    ------
    TooMuch
        It takes too long, or needs more than a preview may have.
    ValueError
        It cannot be read, or reading it has ended the process.
    """
    if not sys.executable:
        raise TooMuch("there is no Python to read it with, apart from this one")
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _CODE, json.dumps(sys.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    said: queue.Queue[bytes] = queue.Queue()
    listener = threading.Thread(target=_listen, args=(process.stdout, said), daemon=True)
    listener.start()
    try:
        return _answer(process, process.stdin, said, reader, window)
    finally:
        process.kill()
        process.wait()
        listener.join()
        process.stdout.close()
        try:
            process.stdin.close()
        except OSError:
            pass  # it ended before it had read everything


def _listen(out: IO[bytes], said: queue.Queue[bytes]) -> None:
    for line in out:
        said.put(line)
    said.put(b"")


def _answer(
    process: subprocess.Popen[bytes], to: IO[bytes], said: queue.Queue[bytes], reader: str, window: Window
) -> Content:
    begin = {
        "reader": reader, "size": window.size, "name": window.name, "limits": asdict(window.limits), "fetched": window.fetched,
        "head": len(window.head),
    }  # fmt: skip
    patience = _START
    try:
        to.write(json.dumps(begin).encode() + b"\n" + window.head)
        to.flush()
        while True:
            try:
                line = said.get(timeout=patience)
            except queue.Empty:
                raise TooMuch(f"looking took longer than {window.limits.seconds:g} s") from None
            if not line:
                code = process.wait()
                raise ValueError(
                    f"it has ended the process that read it, {'signal' if code < 0 else 'status'} {abs(code)}"
                )
            asked = json.loads(line)
            patience = window.limits.seconds
            if "ready" in asked:
                continue
            if "error" in asked:
                raise (TooMuch if asked["much"] else ValueError)(asked["error"])
            if "kind" in asked:
                return _content(asked)
            try:
                data = window.read(*asked["read"])
            except TooMuch as exc:
                to.write(json.dumps({"error": str(exc)}).encode() + b"\n")
            else:
                to.write(json.dumps({"length": len(data)}).encode() + b"\n" + data)
            to.flush()
    except BrokenPipeError as exc:
        raise ValueError("it has ended the process that read it") from exc


def _content(found: dict[str, Any]) -> Content:
    blocks = tuple(
        Text(b["text"])
        if "text" in b
        else Grid(tuple(b["columns"]), tuple(map(tuple, b["rows"])), tuple(b["numbers"]), b["left_out"])
        for b in found["blocks"]
    )
    return Content(found["kind"], blocks, tuple((n, v) for n, v in found["facts"]), tuple(found["notes"]))


# -- the child ------------------------------------------------------------------------------------


def child() -> None:
    """Read one object, as standard input says, and write what is found to standard output."""
    _limit()
    source, out = sys.stdin.buffer, sys.stdout.buffer
    begin = json.loads(source.readline())
    reader = _READERS[begin["reader"]]
    head = source.read(begin["head"])
    import pyarrow

    pyarrow.set_cpu_count(1)

    def say(what: dict[str, Any]) -> None:
        out.write(json.dumps(what).encode() + b"\n")
        out.flush()

    def fetch(start: int, stop: int) -> bytes:
        say({"read": [start, stop]})
        answer = json.loads(source.readline())
        if "error" in answer:
            raise TooMuch(answer["error"])
        return source.read(answer["length"])

    say({"ready": time.time()})
    window = Window(head, begin["size"], begin["name"], "", Limits(**begin["limits"]), fetch)
    window.fetched = begin["fetched"]
    try:
        say(asdict(reader(window)))
    except TooMuch as exc:
        say({"error": str(exc), "much": True})
    except Exception as exc:  # whatever hostile bytes make a library do
        say({"error": (str(exc) or type(exc).__name__)[:500], "much": False})


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in ((resource.RLIMIT_DATA, _MEMORY), (resource.RLIMIT_CPU, 10), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
