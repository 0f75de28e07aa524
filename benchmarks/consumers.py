"""Libraries that take files, given objects: what reads, what writes, as a table for the docs.

    python -m benchmarks.consumers

Each row writes an object through the library and reads it back, from an embedded server, and compares. "w+b" in the column of
writers: the library seeks in what it writes, and so needs a mode that can.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import importlib.metadata
import importlib.util
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

from s3nb import open


class Consumer(NamedTuple):
    """A library, and what it does with a file that it is given; ``mode`` is the one it writes in."""

    name: str
    needs: str
    mode: str
    write: Callable[[Any], object]
    read: Callable[[Any], object]
    read_mode: str = "rb"


def _frame() -> Any:
    import pandas

    return pandas.DataFrame(
        {"a": range(1000), "b": [f"text {n}" for n in range(1000)], "c": [n / 7 for n in range(1000)]}
    )


def _same(frame: Any) -> bool:
    import pandas

    pandas.testing.assert_frame_equal(frame, _frame())
    return True


def _pandas(kind: str, mode: str = "wb", read_mode: str = "rb", **options: Any) -> Consumer:
    import_name = {"excel": "openpyxl", "parquet": "pyarrow", "feather": "pyarrow"}.get(kind, "pandas")

    def write(f: Any) -> None:
        import pandas

        extra = {} if kind in ("feather", "pickle") else {"index": False}
        frame, name = _frame(), f"to_{kind}"
        assert isinstance(frame, pandas.DataFrame)
        getattr(frame, name)(f, **extra, **options)

    def read(f: Any) -> bool:
        import pandas

        return _same(getattr(pandas, f"read_{kind}")(f))

    return Consumer(f"pandas, {kind}", import_name, mode, write, read, read_mode)


def _arrow_table() -> Any:
    import pyarrow

    return pyarrow.table({"a": list(range(5000))})


def _ipc(f: Any) -> None:
    import pyarrow

    with pyarrow.ipc.new_file(f, _arrow_table().schema) as writer:
        writer.write_table(_arrow_table())


def _arrow(name: str) -> Any:
    return importlib.import_module(f"pyarrow.{name}")


def _array() -> Any:
    import numpy

    return numpy.arange(100_000).reshape(100, 1000)


def _numpy() -> Any:
    return importlib.import_module("numpy")


def _h5_write(f: Any) -> None:
    import h5py

    with h5py.File(f, "w") as h:
        h.create_dataset("x", data=_array(), chunks=(10, 1000), compression="gzip")


def _h5_read(f: Any) -> bool:
    import h5py

    with h5py.File(f, "r") as h:
        return bool((h["x"][50:60] == _array()[50:60]).all())


def _image(kind: str) -> tuple[Callable[[Any], object], Callable[[Any], object]]:
    def write(f: Any) -> None:
        from PIL import Image

        Image.new("RGB", (300, 200), (10, 200, 30)).save(f, kind)

    def read(f: Any) -> bool:
        from PIL import Image

        with Image.open(f) as image:
            image.load()
            return (
                image.size == (300, 200)
                and max(abs(a - b) for a, b in zip(image.getpixel((5, 5)), (10, 200, 30), strict=True)) < 5
            )  # type: ignore[arg-type]

    return write, read


def _sound() -> Any:
    import numpy

    return numpy.sin(numpy.arange(20_000) / 20)


def _tar(f: Any) -> None:
    with tarfile.open(fileobj=f, mode="w:gz") as tar:
        info = tarfile.TarInfo("member")
        info.size = 1000
        tar.addfile(info, io.BytesIO(b"m" * 1000))


def _tar_read(f: Any) -> bool:
    with tarfile.open(fileobj=f) as tar:
        member = tar.extractfile("member")
        return member is not None and member.read() == b"m" * 1000


def _zip(f: Any) -> None:
    with zipfile.ZipFile(f, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("member", b"m" * 1000)


def _zip_append(f: Any) -> None:
    _zip(f)
    with zipfile.ZipFile(f, "a") as z:
        z.writestr("second", b"s")


def _gzip(f: Any) -> None:
    with gzip.GzipFile(fileobj=f, mode="wb") as z:
        z.write(b"line\n" * 1000)


def _torch_write(f: Any) -> None:
    import torch

    torch.save({"x": torch.arange(1000)}, f)


def _torch_read(f: Any) -> bool:
    import torch

    return bool((torch.load(f)["x"] == torch.arange(1000)).all())


class _Rows:
    """A data set that reads where it is asked to; workers get a copy of the open file, by fork or by pickle."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __len__(self) -> int:
        return 200

    def __getitem__(self, index: int) -> int:
        return sum(self.file.pread(index * 500, 500))


def _loader_write(f: Any) -> None:
    f.write(bytes(range(250)) * 400)


def _loader_read(f: Any) -> bool:
    import torch.utils.data

    for how in ("fork", "spawn"):
        loader = torch.utils.data.DataLoader(_Rows(f), batch_size=20, num_workers=2, multiprocessing_context=how)
        if [int(n) for batch in loader for n in batch] != [sum(range(250)) * 2] * 200:
            return False
    return True


CONSUMERS = [
    Consumer("csv", "csv", "w", lambda f: csv.writer(f).writerows([["a", "b"], ["1", "ä"]]),
             lambda f: list(csv.reader(f)) == [["a", "b"], ["1", "ä"]], "r"),
    Consumer("json", "json", "w", lambda f: json.dump({"ä": [1, 2]}, f), lambda f: json.load(f) == {"ä": [1, 2]}, "r"),
    Consumer("pickle", "pickle", "wb", lambda f: pickle.dump([1, "x"] * 1000, f), lambda f: pickle.load(f) == [1, "x"] * 1000),
    Consumer("gzip", "gzip", "wb", _gzip, lambda f: gzip.GzipFile(fileobj=f).read() == b"line\n" * 1000),
    Consumer("tarfile, gz", "tarfile", "wb", _tar, _tar_read),
    Consumer("zipfile", "zipfile", "wb", _zip, lambda f: zipfile.ZipFile(f).read("member") == b"m" * 1000),
    Consumer("zipfile, appending", "zipfile", "w+b", _zip_append, lambda f: zipfile.ZipFile(f).namelist() == ["member", "second"]),
    _pandas("csv"),
    _pandas("json", orient="records"),
    _pandas("parquet"),
    _pandas("feather"),
    _pandas("excel"),
    Consumer("numpy, npy", "numpy", "wb", lambda f: _numpy().save(f, _array()), lambda f: (_numpy().load(f) == _array()).all()),
    Consumer("numpy, npz", "numpy", "wb", lambda f: _numpy().savez(f, x=_array()), lambda f: (_numpy().load(f)["x"] == _array()).all()),
    Consumer("pyarrow, parquet", "pyarrow", "wb", lambda f: _arrow("parquet").write_table(_arrow_table(), f),
             lambda f: _arrow("parquet").read_table(f).equals(_arrow_table())),
    Consumer("pyarrow, ipc", "pyarrow", "wb", _ipc, lambda f: _arrow("ipc").open_file(f).read_all().equals(_arrow_table())),
    Consumer("h5py", "h5py", "w+b", _h5_write, _h5_read),
    Consumer("pillow, PNG", "PIL", "wb", *_image("PNG")),
    Consumer("pillow, JPEG", "PIL", "wb", *_image("JPEG")),
    Consumer("pillow, TIFF", "PIL", "w+b", *_image("TIFF")),
    Consumer("soundfile, WAV", "soundfile", "w+b",
             lambda f: importlib.import_module("soundfile").write(f, _sound(), 8000, format="WAV"),
             lambda f: abs(importlib.import_module("soundfile").read(f)[0] - _sound()).max() < 1e-3),
    Consumer("torch, save and load", "torch", "wb", _torch_write, _torch_read),
    Consumer("torch, DataLoader with workers", "torch", "wb", _loader_write, _loader_read),
]  # fmt: skip


def present(needs: str) -> bool:
    """Say whether a library is installed."""
    return importlib.util.find_spec(needs) is not None


def check(consumer: Consumer, url: str, **options: Any) -> None:
    """Write an object through a library, and read it back; raises if something is not as it should be."""
    with open(url, consumer.mode, **options) as f:
        consumer.write(f)
    with open(url, consumer.read_mode, **options) as f:
        if not consumer.read(f):
            raise AssertionError(f"{consumer.name} read something else than it wrote")


def check_boto3(client: Any, bucket: str, **options: Any) -> None:
    """boto3 uploads from a file of ours, and downloads into one."""
    blob = bytes(range(256)) * 40_000
    with open(f"s3://{bucket}/source", "wb", **options) as f:
        f.write(blob)
    with open(f"s3://{bucket}/source", "rb", **options) as f:
        client.upload_fileobj(f, bucket, "uploaded")
    with open(f"s3://{bucket}/downloaded", "wb", **options) as f:
        client.download_fileobj(bucket, "uploaded", f)
    with open(f"s3://{bucket}/downloaded", "rb", **options) as f:
        if f.read() != blob:
            raise AssertionError("boto3 gave something else")


def main() -> None:
    import boto3

    from s3nb.sandbox import Sandbox

    with Sandbox(populate=False) as sandbox:
        import os

        os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="us-east-1")
        client = boto3.client("s3", endpoint_url=sandbox.endpoint_url)
        client.create_bucket(Bucket="consumers")
        print("| library | version | reads | writes |\n| --- | --- | --- | --- |")
        for consumer in CONSUMERS:
            distribution = consumer.name.partition(",")[0]
            try:
                version = importlib.metadata.version(distribution)
            except importlib.metadata.PackageNotFoundError:
                version = "standard library"
            if not present(consumer.needs):
                continue
            try:
                check(consumer, f"s3://consumers/{consumer.name}", endpoint_url=sandbox.endpoint_url)
                cells = f"`{consumer.read_mode}` | `{consumer.mode}`"
            except Exception as exc:
                cells = f"**{type(exc).__name__}** | "
            print(f"| {consumer.name} | {version} | {cells} |")
        check_boto3(client, "consumers", endpoint_url=sandbox.endpoint_url)
        version = importlib.metadata.version("boto3")
        print(f"| boto3, upload_fileobj and download_fileobj | {version} | `rb` | `wb` |")


if __name__ == "__main__":
    main()
