"""The four examples that people try first."""

from __future__ import annotations

import io
import tarfile
import warnings

import s3nb
from s3nb import open

from .conftest import Bucket


def test_lines_of_an_object_in_the_default_mode(at: str, inside: Bucket) -> None:
    inside.put("path/to/file", "first\nzweite Zeile: ä\r\nlast".encode())
    with open(at + "path/to/file") as fd:
        assert list(fd) == ["first\n", "zweite Zeile: ä\n", "last"]


def test_encoded_bytes_written_in_a_loop_to_mode_w(at: str, inside: Bucket) -> None:
    with warnings.catch_warnings(record=True) as caught, open(at + "numbers", "w") as fd:
        warnings.simplefilter("always")
        for i in range(1000):
            fd.write(f"{i}\n".encode())
    assert [w.category for w in caught] == [s3nb.BytesInTextModeWarning]
    assert inside.get("numbers") == b"".join(b"%d\n" % i for i in range(1000))


def test_a_member_of_a_tar_archive(at: str, inside: Bucket) -> None:
    blob = io.BytesIO()
    with tarfile.open(fileobj=blob, mode="w") as tar:
        for n in range(20):
            info = tarfile.TarInfo(f"member-{n}")
            info.size = 1000
            tar.addfile(info, io.BytesIO(b"%d" % (n % 10) * 1000))
    inside.put("test-data.tar", blob.getvalue())
    with open(at + "test-data.tar", "rb") as fd, tarfile.open(fileobj=fd) as tar:
        assert tar.getnames() == [f"member-{n}" for n in range(20)]
        member = tar.extractfile("member-7")
        assert member is not None
        assert member.read() == b"7" * 1000
