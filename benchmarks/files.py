"""`open()` beside its peers, over a server as far away as S3: seconds, requests, bytes sent.

    python -m benchmarks.files [--rounds N] [--large MiB] [--only WORKLOAD ...] [--peers NAME ...] [--write]

Some ten minutes for everything. `--write` puts the table into docs/files.md. Every number is the median of the rounds, of which
each runs all peers, one after the other. The server is `benchmarks.slow`: 30 ms to the first byte (lognormal; two in a thousand
take 300 ms), 25 MB/s for each connection, in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import os
import platform
import random
import statistics
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from .slow import Slow

MIB = 1 << 20
BUCKET = "bench"
Workload = Callable[[Any], Any]

os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench", AWS_DEFAULT_REGION="us-east-1",
                  AWS_EC2_METADATA_DISABLED="true", AWS_REQUEST_CHECKSUM_CALCULATION="when_required",
                  AWS_RESPONSE_CHECKSUM_VALIDATION="when_required")  # fmt: skip


# -- what is read ------------------------------------------------------------------------------


def make_objects(root: Any, large: int) -> None:
    """Write the objects of the workloads; always the same."""
    rng = random.Random(7)

    def put(name: str, data: bytes) -> None:
        (root / BUCKET / name).write_bytes(data)

    put("100k", rng.randbytes(100_000))
    put("4m", rng.randbytes(4 * MIB))
    put("64m", rng.randbytes(64 * MIB))
    if large:
        block = rng.randbytes(16 * MIB)
        with (root / BUCKET / "large").open("wb") as f:
            for n in range(large // 16):
                f.write(block[n:] + block[:n])
    put(
        "text",
        b"".join(
            b"%06d %s\n" % (n, b"some text for a line of seventy four characters, as in a log, or so"[:66])
            for n in range(400_000)
        ),
    )
    blob = io.BytesIO()
    with tarfile.open(fileobj=blob, mode="w") as tar:
        for n in range(200):
            info = tarfile.TarInfo(f"member-{n:03}")
            info.size = rng.randrange(140_000, 160_000)
            tar.addfile(info, io.BytesIO(rng.randbytes(info.size)))
    put("a.tar", blob.getvalue())
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w") as z:
        for n in range(500):
            z.writestr(f"member-{n:03}", rng.randbytes(30_000))
    put("a.zip", blob.getvalue())
    import numpy
    import pyarrow
    import pyarrow.parquet

    values = numpy.random.default_rng(7)
    table = pyarrow.table({f"c{n}": values.random(500_000) for n in range(10)})
    blob = io.BytesIO()
    pyarrow.parquet.write_table(table, blob, row_group_size=62_500, compression="none", use_dictionary=False)
    put("a.parquet", blob.getvalue())
    for n in range(100):
        put(f"small-{n:03}", rng.randbytes(16 * 1024))


# -- what is done with it ----------------------------------------------------------------------------


def read_all(key: str) -> Workload:
    return lambda peer: len(peer.open(key).read())


def in_pieces(key: str, size: int = 64 * 1024) -> Workload:
    def run(peer: Any) -> int:
        total = 0
        with peer.open(key) as f:
            while data := f.read(size):
                total += len(data)
        return total

    return run


def first(peer: Any) -> int:
    with peer.open("64m") as f:
        return len(f.read(1000))


def last(peer: Any) -> int:
    with peer.open("64m") as f:
        f.seek(-64 * 1024, 2)
        return len(f.read())


def lines(peer: Any) -> int:
    with peer.text("text") as f:
        return sum(len(line) for line in f)


def tar(peer: Any) -> int:
    with peer.open("a.tar") as f, tarfile.open(fileobj=f) as t:
        names = t.getnames()
        member = t.extractfile(names[137])
        assert member is not None
        return len(names) * 1_000_000 + len(member.read())


def zip_(peer: Any) -> int:
    with peer.open("a.zip") as f, zipfile.ZipFile(f) as z:
        names = z.namelist()
        return len(names) * 1_000_000 + len(z.read(names[250]))


def zip_names(peer: Any) -> int:
    with peer.open("a.zip") as f, zipfile.ZipFile(f) as z:
        return len(z.namelist())


def parquet(peer: Any) -> int:
    import pyarrow.parquet

    with peer.open("a.parquet") as f:
        return int(pyarrow.parquet.ParquetFile(f, pre_buffer=False).read(columns=["c2", "c7"]).num_rows)


def parquet_metadata(peer: Any) -> int:
    import pyarrow.parquet

    with peer.open("a.parquet") as f:
        return int(pyarrow.parquet.read_metadata(f).num_rows)


def here_and_there(peer: Any) -> int:
    rng, total = random.Random(3), 0
    with peer.open("64m") as f:
        for _ in range(60):
            f.seek(rng.randrange(64 * MIB - 4096))
            total += len(f.read(4096))
    return total


def again(peer: Any) -> int:
    rng, total = random.Random(3), 0
    with peer.open("64m") as f:
        total += len(f.read(MIB))
        for _ in range(20):
            f.seek(rng.randrange(MIB - 4096))
            total += len(f.read(4096))
    return total


def write(size: int) -> Workload:
    block = random.Random(1).randbytes(64 * 1024)

    def run(peer: Any) -> int:
        with peer.create(f"written-{size}") as f:
            for _ in range(max(1, size // len(block))):
                f.write(block[:size])
        return size

    return run


def workloads(large: int) -> dict[str, tuple[str, Workload]]:
    found = {
        "100k": ("100 KB, read()", read_all("100k")),
        "4m": ("4 MiB, read()", read_all("4m")),
        "first": ("first 1,000 B of 64 MiB", first),
        "last": ("last 64 KiB of 64 MiB", last),
        "pieces": ("64 MiB by 64 KiB", in_pieces("64m")),
        "whole": ("64 MiB, one read()", read_all("64m")),
        "lines": ("400,000 lines of text", lines),
        "tar": ("tar of 200: names + 1", tar),
        "zip": ("zip of 500: names + 1", zip_),
        "zip names": ("zip of 500: names", zip_names),
        "parquet": ("parquet, 2 of 10 columns", parquet),
        "metadata": ("parquet, metadata", parquet_metadata),
        "random": ("60 times 4 KiB anywhere", here_and_there),
        "again": ("1 MiB, 20 re-reads", again),
        "write": ("write 64 MiB by 64 KiB", write(64 * MIB)),
        "write small": ("write 1,000 B", write(1000)),
    }
    if large:
        found["large"] = (f"{large} MiB by 64 KiB", in_pieces("large"))
    return found


# -- who does it -----------------------------------------------------------------------------------------


class Peer:
    """A library that opens files; ``skips`` are workloads it has no answer for, or that take minutes."""

    skips: tuple[str, ...] = ()

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url

    def open(self, key: str) -> Any:
        raise TypeError

    def text(self, key: str) -> Any:
        return io.TextIOWrapper(self.open(key), "utf-8")

    def create(self, key: str) -> Any:
        raise TypeError

    def warm(self) -> None:
        self.open("100k").read(10)


class S3nb(Peer):
    last: Any = None  # what was opened last

    def open(self, key: str) -> Any:
        import s3nb

        self.last = s3nb.open(f"s3://{BUCKET}/{key}", "rb", endpoint_url=self.endpoint_url)
        return self.last

    def text(self, key: str) -> Any:
        import s3nb

        text = s3nb.open(f"s3://{BUCKET}/{key}", "r", endpoint_url=self.endpoint_url)
        self.last = text.buffer
        return text

    def wasted(self) -> float:
        """Return which share of the object came last time, and was neither read nor between bytes that were."""
        return float(self.last.stats().wasted / self.last.size)

    def create(self, key: str) -> Any:
        import s3nb

        return s3nb.open(f"s3://{BUCKET}/{key}", "wb", endpoint_url=self.endpoint_url)


class SmartOpen(Peer):
    def __init__(self, endpoint_url: str) -> None:
        super().__init__(endpoint_url)
        import boto3

        self.parameters = {"client": boto3.client("s3", endpoint_url=endpoint_url)}

    def _open(self, key: str, mode: str) -> Any:
        import smart_open

        return smart_open.open(
            f"s3://{BUCKET}/{key}", mode, transport_params=dict(self.parameters), compression="disable",
            **({"encoding": "utf-8"} if mode == "r" else {}),
        )  # fmt: skip

    def open(self, key: str) -> Any:
        return self._open(key, "rb")

    def text(self, key: str) -> Any:
        return self._open(key, "r")

    def create(self, key: str) -> Any:
        return self._open(key, "wb")


class S3fs(Peer):
    def __init__(self, endpoint_url: str) -> None:
        super().__init__(endpoint_url)
        import s3fs

        self.fs = s3fs.S3FileSystem(
            key="bench", secret="bench", endpoint_url=endpoint_url, client_kwargs={"region_name": "us-east-1"},
            use_listings_cache=False, skip_instance_cache=True,
        )  # fmt: skip

    def open(self, key: str) -> Any:
        self.fs.invalidate_cache()
        return self.fs.open(f"{BUCKET}/{key}", "rb")

    def text(self, key: str) -> Any:
        self.fs.invalidate_cache()
        return self.fs.open(f"{BUCKET}/{key}", "r")

    def create(self, key: str) -> Any:
        return self.fs.open(f"{BUCKET}/{key}", "wb")


class Pyarrow(Peer):
    skips = ("lines", "large", "pieces")  # minutes: it sends a request for every read, and has no text

    def __init__(self, endpoint_url: str) -> None:
        super().__init__(endpoint_url)
        from pyarrow import fs

        self.fs = fs.S3FileSystem(
            access_key="bench", secret_key="bench", region="us-east-1", endpoint_override=endpoint_url, scheme="http"
        )

    def open(self, key: str) -> Any:
        return self.fs.open_input_file(f"{BUCKET}/{key}")

    def create(self, key: str) -> Any:
        return self.fs.open_output_stream(f"{BUCKET}/{key}")


class Obstore(Peer):
    skips = ("lines", "last")  # no text; seek(-n, 2) is not taken

    def __init__(self, endpoint_url: str) -> None:
        super().__init__(endpoint_url)
        from obstore.store import S3Store

        self.store = S3Store(
            BUCKET, access_key_id="bench", secret_access_key="bench", region="us-east-1", endpoint=endpoint_url,
            virtual_hosted_style_request=False, client_options={"allow_http": True},
        )  # fmt: skip

    def open(self, key: str) -> Any:
        import obstore

        return _WithContext(obstore.open_reader(self.store, key))

    def create(self, key: str) -> Any:
        import obstore

        return obstore.open_writer(self.store, key)


class _WithContext:
    """obstore's reader is no context manager, and gives a bytes type of its own."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __enter__(self) -> _WithContext:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    closed = False

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return bytes(self._reader.read())
        pieces, left = [], size
        while left:  # its reads may be short in the middle
            data = bytes(self._reader.read(left))
            if not data:
                break
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())

    def size(self) -> int:
        return int(self._reader.size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def close(self) -> None:
        """Leave it."""


class Cloudpathlib(Peer):
    def __init__(self, endpoint_url: str) -> None:
        super().__init__(endpoint_url)
        import boto3

        self.session = boto3.Session()

    def _path(self, key: str) -> Any:
        from cloudpathlib import S3Client

        client = S3Client(
            boto3_session=self.session, endpoint_url=self.endpoint_url, local_cache_dir=tempfile.mkdtemp()
        )
        return client.CloudPath(f"s3://{BUCKET}/{key}")

    def open(self, key: str) -> Any:
        return self._path(key).open("rb")

    def text(self, key: str) -> Any:
        return self._path(key).open("r", encoding="utf-8")

    def create(self, key: str) -> Any:
        return self._path(key).open("wb")


class _Download(Peer):
    """Not files: a whole object to disk and back, as the measure for reading it as one."""

    skips = (
        "first",
        "last",
        "lines",
        "tar",
        "zip",
        "zip names",
        "parquet",
        "metadata",
        "random",
        "again",
        "write",
        "write small",
    )

    def download(self, key: str, path: str) -> None:
        raise TypeError

    def open(self, key: str) -> Any:
        with tempfile.NamedTemporaryFile(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as f:
            self.download(key, f.name)
            size = os.path.getsize(f.name)
        return _Sized(size)


class _Sized(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int | None = -1) -> Any:
        left, self._left = self._left, 0
        return range(left)


class Boto3Download(_Download):
    def __init__(self, endpoint_url: str) -> None:
        super().__init__(endpoint_url)
        import boto3

        self.client = boto3.client("s3", endpoint_url=endpoint_url)

    def download(self, key: str, path: str) -> None:
        self.client.download_file(BUCKET, key, path)


class S3nbDownload(_Download):
    def __init__(self, endpoint_url: str) -> None:
        super().__init__(endpoint_url)
        from s3nb import S3, TransferConfig

        self.client = S3(
            bucket=BUCKET, endpoint_url=endpoint_url, progress=False, config=TransferConfig(fsync=False),
            tmproot="/dev/shm" if os.path.isdir("/dev/shm") else ".",
        )  # fmt: skip

    def open(self, key: str) -> Any:
        found = self.client.get(key)
        size = found.size
        _ = found.path
        os.unlink(found.path)
        return _Sized(size)


PEERS: dict[str, type[Peer]] = {
    "s3nb": S3nb,
    "smart_open": SmartOpen,
    "s3fs": S3fs,
    "pyarrow": Pyarrow,
    "obstore": Obstore,
    "cloudpathlib": Cloudpathlib,
    "boto3 file": Boto3Download,
    "s3nb get": S3nbDownload,
}


# -- measuring ----------------------------------------------------------------------------------------------

ONCE = 10.0  # seconds: what takes longer is measured once
WHOLE_FILES = ("boto3 file", "s3nb get")  # in no column of the table: named below it
BEGIN, END = "<!-- made by: python -m benchmarks.files --write -->", "<!-- end of what is made -->"
PAGE = Path(__file__).parent.parent / "docs" / "files.md"


class Cell(NamedTuple):
    """What a library took for a workload: the median of its rounds."""

    seconds: float
    requests: float
    sent: float  # MiB
    cpu: float  # seconds

    def __str__(self) -> str:
        return f"{self.seconds:.2f} / {self.requests:.0f} / {self.sent:.1f}"


def measure(slow: Slow, peer: Peer, run: Workload) -> Cell:
    slow.take()
    cpu, start = time.process_time(), time.perf_counter()
    run(peer)
    took, used = time.perf_counter() - start, time.process_time() - cpu
    time.sleep(0.05)  # what is on its way when a file is closed is sent all the same, and counts
    requests, sent = slow.take()
    return Cell(took, requests, sent / MIB, used)


def row(slow: Slow, peers: dict[str, Peer], key: str, title: str, run: Workload, rounds: int) -> dict[str, Cell | str]:
    """Measure one workload: in each round all libraries, one after the other."""
    found: dict[str, list[Cell]] = {name: [] for name in peers if key not in peers[name].skips}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for name, cells in found.items():
            if name in failed or (cells and cells[0].seconds > ONCE):
                continue
            try:
                cells.append(measure(slow, peers[name], run))
            except Exception as exc:
                failed[name] = "fails"
                print(f"{title}: {name}: {type(exc).__name__}: {exc}", file=sys.stderr)
    medians = {
        name: Cell(*(statistics.median(column) for column in zip(*cells, strict=True)))
        for name, cells in found.items()
        if cells and name not in failed
    }
    return {**medians, **failed}


def as_line(title: str, cells: dict[str, Cell | str], names: list[str]) -> str:
    """Return a line of the table; the quickest is bold, and who is as quick to a hundredth of a second."""
    quickest = min((f"{c.seconds:.2f}" for n, c in cells.items() if isinstance(c, Cell) and n in names), default="")
    texts = []
    for name in names:
        cell = cells.get(name, "-")
        best = isinstance(cell, Cell) and f"{cell.seconds:.2f}" == quickest
        texts.append(f"**{cell}**" if best else str(cell))
    return f"| {title} | " + " | ".join(texts) + " |"


def below(title: str, cells: dict[str, Cell | str]) -> str:
    """Return the sentence on downloads of whole files beside the reading of one."""
    named = {"boto3 file": "boto3's `download_file`", "s3nb get": "`S3.get`"}
    return f"{title}, beside whole files: " + ", ".join(
        f"{named.get(name, name)} {cell.seconds:.2f} s"
        for name, cell in sorted(cells.items(), key=lambda item: str(item[1]))
        if isinstance(cell, Cell) and name in (*WHOLE_FILES, "s3nb")
    )  # fmt: skip


def versions(names: list[str]) -> str:
    """Return what was compared with, by version."""
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name.replace('_', '-'))}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=512, help="MiB of the largest object; 0: leave it out")
    parser.add_argument(
        "--only", nargs="*", choices=list(workloads(1)), metavar="WORKLOAD", help=", ".join(workloads(1))
    )
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--write", action="store_true", help="put what is found into docs/files.md")
    given = parser.parse_args()
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    with Slow() as slow:
        make_objects(slow.root, given.large)
        peers: dict[str, Peer] = {}
        for name in given.peers or PEERS:
            try:
                peers[name] = PEERS[name](slow.endpoint_url)
                peers[name].warm()
            except ImportError as exc:
                print(f"left out: {name} ({exc})", file=sys.stderr)
        names = [name for name in peers if name not in WHOLE_FILES]
        say("| seconds / requests / MiB sent | " + " | ".join(names) + " |\n| --- |" + " --- |" * len(names))
        notes, wasted = [], []
        for key, (title, run) in workloads(given.large).items():
            if given.only and key not in given.only:
                continue
            if isinstance(peers.get("s3nb"), S3nb):
                peers["s3nb"].last = None  # type: ignore[attr-defined]
            cells = row(slow, peers, key, title, run, given.rounds)
            say(as_line(title, cells, names))
            if any(name in cells for name in WHOLE_FILES):
                notes.append(below(title, cells))
            if key in ("lines", "tar", "zip", "parquet") and "s3nb" in peers:
                wasted.append(f"{key} {peers['s3nb'].wasted():.1%}")  # type: ignore[attr-defined]
            if key == "write":
                used = ", ".join(f"{n} {c.cpu:.2f} s" for n, c in cells.items() if isinstance(c, Cell))
                notes.append(f"Processor time for {title}: {used}")
        say("")
        for note in notes:
            say(f"- {note}.")
        if wasted:
            say(
                f"- Received by s3nb, but neither read nor between bytes that were, of the object: {', '.join(wasted)}."
            )
        if not given.only and "s3nb" in peers:
            say(f"- {many_at_once(slow)}")
        say(
            f"- Measured on {os.cpu_count()} cores, Python {platform.python_version()}, the median of {given.rounds} rounds, of which each "
            f"runs all libraries one after the other; what takes more than {ONCE:.0f} s was run once. {versions(names)}."
        )
    if given.write:
        text = PAGE.read_text(encoding="utf-8")
        head, rest = text.split(BEGIN)
        PAGE.write_text(
            head + BEGIN + "\n\n" + "\n".join(lines).strip() + "\n\n" + END + rest.split(END)[1], encoding="utf-8"
        )


def many_at_once(slow: Slow, count: int = 100) -> str:
    """Read a hundred files at once, and say how much memory they took."""
    from concurrent.futures import ThreadPoolExecutor

    import s3nb
    from s3nb.files.budget import MEMORY

    def run(n: int) -> int:
        with s3nb.open(f"s3://{BUCKET}/64m", "rb", endpoint_url=slow.endpoint_url) as f:
            total = 0
            while total < 8 * MIB and (data := f.read(64 * 1024)):
                total += len(data)
            return total

    MEMORY.peak = 0
    start = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        total = sum(pool.map(run, range(count)))
    return (
        f"{count} files read at once, 8 MiB of each: {time.perf_counter() - start:.1f} s, {total / MIB:.0f} MiB; memory of all "
        f"files at its peak {MEMORY.peak / MIB:.0f} MiB, of a budget of {MEMORY.limit / MIB:.0f} MiB (what a reader waits for is "
        "always fetched, so that it may be exceeded by a part)"
    )


if __name__ == "__main__":
    main()
