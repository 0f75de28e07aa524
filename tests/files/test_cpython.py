"""CPython's own tests for files, pointed at S3: what they ask of local files, objects do as well.

The tests are those of the running interpreter (package `test`). What cannot hold for an object is listed here with its reason.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import io
import os
import re
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from .conftest import Memory

pytest.importorskip("test.test_file", reason="this Python came without its test package")

# What cannot hold for an object, with the reason.
DEVIATIONS = {"testTruncateOnWindows": "looks at the size of the file by os.path, while it is open"}


class Names:
    """Turns the local names of the tests into URLs, and `os` functions on them into what they would be."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def open(self, file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        import s3nb

        if isinstance(file, int) or not isinstance(file, (str, bytes)):
            return builtins.open(file, mode, *arguments, **options)
        name = os.fsdecode(file)
        url = name if name.startswith("s3://") else f"s3://bkt/{os.path.basename(name)}"
        return s3nb.open(url, mode, *arguments, client=self.memory.client, **options)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their local files are made where they do not disturb."""
    monkeypatch.chdir(tmp_path)


def run(case: type[unittest.TestCase], skipped: dict[str, str]) -> list[str]:
    suite = unittest.TestLoader().loadTestsFromTestCase(case)
    chosen = unittest.TestSuite(t for t in suite if t._testMethodName not in skipped)  # type: ignore[union-attr]
    result = unittest.TestResult()
    chosen.run(result)
    failures = [f"{test}: {text[-1500:]}" for test, text in [*result.failures, *result.errors]]
    assert result.testsRun > 0, failures
    return failures


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", ["CAutoFileTests", "COtherFileTests"])
def test_test_file(name: str, memory: Any) -> None:
    module = importlib.import_module("test.test_file")
    names = Names(memory())
    case = type(name, (getattr(module, name),), {"open": staticmethod(names.open)})
    with mock.patch.object(module, "TESTFN", "s3://bkt/file"):
        assert run(case, DEVIATIONS) == []


@pytest.mark.parametrize("name", ["CTestCRNewlines", "CTestLFNewlines", "CTestCRLFNewlines", "CTestMixedNewlines"])
def test_test_univnewlines(name: str, memory: Any) -> None:
    module = importlib.import_module("test.test_univnewlines")
    names = Names(memory())
    case = type(name, (getattr(module, name),), {"open": staticmethod(names.open)})
    assert run(case, DEVIATIONS) == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_test_tarfile(memory: Any) -> None:
    """Reading: every archive of theirs is an object; what is opened by name is opened from there."""
    module = importlib.import_module("test.test_tarfile")
    m: Memory = memory()
    module.setUpModule()
    try:
        for folder, _, files in os.walk(module.TEMPDIR):
            for file in files:
                with io.open(os.path.join(folder, file), "rb") as f:  # noqa: UP020
                    m.wire.store("bkt", file, f.read())
        m.wire.store("bkt", "testtar.tar", io.open(module.tarname, "rb").read())  # noqa: UP020, SIM115
        names = Names(m)

        def open_there(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            key = os.path.basename(os.fspath(file)) if isinstance(file, (str, os.PathLike)) else ""
            if key and m.wire.body("bkt", key) is not None and mode in ("rb", "r"):
                return names.open(os.fspath(file), mode, *arguments, **options)
            return io.open(file, mode, *arguments, **options)  # noqa: UP020

        with (
            mock.patch.object(module, "setUpModule"),
            mock.patch.object(module, "tearDownModule"),
            mock.patch("builtins.open", open_there),
            mock.patch.object(module.tarfile, "bltn_open", open_there),
            mock.patch.object(module.bz2, "_builtin_open", open_there),
        ):
            failures = []
            for name in (
                "UstarReadTest", "GzipUstarReadTest", "Bz2UstarReadTest", "LzmaUstarReadTest", "MiscReadTest", "GzipMiscReadTest",
                "StreamReadTest", "GzipStreamReadTest", "MemberReadTest", "GNUReadTest", "PaxReadTest", "DetectReadTest",
            ):  # fmt: skip
                failures += run(getattr(module, name), DEVIATIONS)
        assert failures == []
        assert m.wire.requests("GetObject") > 100
    finally:
        module.tearDownModule()


def test_test_zipfile(memory: Any) -> None:
    """Their archives are written to and read from objects, in all the modes that they use."""
    try:
        package = importlib.import_module("test.test_zipfile.test_core")
    except ImportError:  # before 3.12 it was one module
        package = importlib.import_module("test.test_zipfile")
    names = Names(memory())
    theirs = io.open

    def open_there(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if file == "archive.zip":
            return names.open(file, mode, *arguments, **options)
        return theirs(file, mode, *arguments, **options)

    cases = ("StoredTestsWithSourceFile", "DeflateTestsWithSourceFile", "StoredTestZip64InSmallFiles", "OtherTests")
    with (
        mock.patch.object(io, "open", open_there),
        mock.patch.object(package, "get_files", side_effect=lambda _: iter(["archive.zip"])),
    ):
        failures = [failure for name in cases for failure in run(getattr(package, name), DEVIATIONS)]
    assert failures == []
    assert names.memory.wire.requests("PutObject") > 10


# -- test_io ---------------------------------------------------------------------------------------------------

_DESCRIPTOR = "wants the descriptor of an open file, which an object has not"
_RAW = "makes an io.FileIO itself: open() is not asked"
_SEEKS = (
    "asks that a file opened for writing only seeks: parts that were sent cannot be changed; run below with mode 'w+'"
)
LEFT_OUT = {
    "test_attributes": "looks at buffer.raw, which is no part of a reader of its own (B1), and wants a descriptor",
    "test_bad_opener_negative_1": "opener= makes descriptors: refused, as test_dispatch.py shows (D9)",
    "test_bad_opener_other_negative": "opener= makes descriptors: refused, as test_dispatch.py shows (D9)",
    "test_buffered_file_io": _SEEKS,
    "test_closefd_attr": "looks at buffer.raw.closefd, and wants a descriptor",
    "test_destructor": _RAW,
    "test_fileio_closefd": _DESCRIPTOR,
    "test_flush_error_on_close": _RAW,
    "test_fspath_support": f"a path of bytes is a local one (D1); {_DESCRIPTOR}",
    "test_garbage_collection": _RAW,
    "test_array_writes": _RAW,
    "test_large_file_ops": "seeks to 2 GiB, and so sends 2 GiB: it passes, but takes a minute",
    "test_open_pipe_with_append": "opens a pipe by its descriptor",
    "test_opener": "opener= makes descriptors: refused, as test_dispatch.py shows (D9)",
    "test_opener_invalid_fd": "opener= makes descriptors: refused, as test_dispatch.py shows (D9)",
    "test_raw_file_io": _SEEKS,
    "test_read_closed": _DESCRIPTOR,
    "test_seek_append_bom": _SEEKS,
    "test_seek_with_encoder_state": _SEEKS,
    "test_truncate": _SEEKS,
    "test_unbounded_file": "reads /dev/zero",
    "test_nonblock_pipe_write_bigbuf": "opens a pipe by its descriptor",
    "test_nonblock_pipe_write_smallbuf": "opens a pipe by its descriptor",
    "test_open_handles_NUL_chars": "a key may hold the character 0, which a local name may not",
}  # fmt: skip
# test_abc_inheritance* open by way of a helper that asks an unbuffered file to be an io.RawIOBase: B1 says why ours is not.


class Theirs(Names):
    """`open` for test_io: every name of the test's own file is an object."""

    def __init__(self, memory: Memory, plus: bool) -> None:
        super().__init__(memory)
        self.plus = plus
        self.opened = 0

    def open(self, file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        name = os.fsdecode(file) if isinstance(file, (str, bytes)) else ""
        if "@test" not in name:
            return builtins.open(file, mode, *arguments, **options)
        self.opened += 1
        if self.plus and isinstance(mode, str) and mode[:1] in ("w", "a") and "+" not in mode:
            mode += "+"
        return super().open(name, mode, *arguments, **options)

    def unlink(self, name: Any) -> None:
        self.memory.client.delete(f"s3://bkt/{os.path.basename(os.fsdecode(name))}")
        Path(os.fsdecode(name)).unlink(missing_ok=True)


def _test_io(name: str) -> Any:
    """Return the module that has a class of test_io: since 3.15 it is several."""
    for module in ("", ".test_general", ".test_bufferedio", ".test_textio"):
        try:
            found = importlib.import_module(f"test.test_io{module}")
        except ImportError:
            continue
        if hasattr(found, name):
            return found
    raise LookupError(name)


def _of_test_io(name: str, memory: Memory, *, plus: bool = False) -> Iterator[tuple[Any, Theirs]]:
    """Make the tests of a class of test_io that open a file by name, each with S3 of its own in memory."""
    module = _test_io(name)
    module.load_tests(unittest.TestLoader(), None, None)  # puts the names of `io` into its classes
    theirs = Theirs(memory, plus)
    case = type(name, (getattr(module, name),), {"open": staticmethod(theirs.open)})
    with mock.patch.object(module.os_helper, "unlink", theirs.unlink):
        for test in unittest.TestLoader().getTestCaseNames(case):
            if re.search(r"self\.open\b", inspect.getsource(getattr(case, test))):
                yield case(test), theirs


# How many tests of each are run at least: that none runs would be found out. That of `CBufferedReaderTest` (threads, over an
# unbuffered file) sends a request for each 8 of 256,000 bytes: what threads read is tested in test_reader.py.
CLASSES = {
    "CIOTest": 10,
    "CBufferedWriterTest": 2,
    "CBufferedRandomTest": 2,
    "CTextIOWrapperTest": 10,
    "CMiscIOTest": 5,
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", CLASSES)
def test_test_io(name: str, memory: Any) -> None:
    failures, ran = [], 0
    for test, theirs in _of_test_io(name, memory()):
        if test._testMethodName in LEFT_OUT and (name, test._testMethodName) != (
            "CBufferedRandomTest",
            "test_truncate",
        ):
            continue
        theirs.opened, result = 0, unittest.TestResult()
        test.run(result)
        ran += not result.skipped
        failures += [f"{test}: {text[-1500:]}" for _, text in [*result.failures, *result.errors]]
        assert theirs.opened or result.skipped, f"{test} opened no object"
    assert failures == []
    assert ran >= CLASSES[name]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("name", "seeking"),
    [
        ("CTextIOWrapperTest", {"test_seek_append_bom", "test_seek_with_encoder_state"}),
        ("CBufferedWriterTest", {"test_truncate"}),
    ],
)
def test_what_seeks_in_a_file_opened_for_writing_works_in_one_opened_with_plus(
    name: str, seeking: set[str], memory: Any
) -> None:
    ran = set()
    for test, _ in _of_test_io(name, memory(), plus=True):
        if test._testMethodName in seeking:
            result = unittest.TestResult()
            test.run(result)
            assert [*result.failures, *result.errors] == []
            ran.add(test._testMethodName)
    assert ran == seeking


@pytest.mark.parametrize("buffering", [-1, 0])
def test_the_operations_of_test_io_on_a_file_that_seeks_and_on_one_that_is_read(buffering: int, memory: Any) -> None:
    """The bodies of test_raw_file_io and test_buffered_file_io."""
    case = _test_io("CIOTest").CIOTest("write_ops")
    names = Names(memory())
    with names.open("file", "w+b", buffering) as f:
        case.write_ops(f)
    with names.open("file", "rb", buffering) as f:
        assert (f.readable(), f.writable(), f.seekable()) == (True, False, True)
        case.read_ops(f, buffering != 0)
