"""CPython's own tests for files, pointed at S3: what they ask of local files, objects do as well.

The tests are those of the running interpreter (package `test`). What cannot hold for an object is listed here with its reason.
"""

from __future__ import annotations

import builtins
import importlib
import io
import os
import unittest
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
    module = importlib.import_module("test.test_zipfile")
    package = getattr(module, "test_core", module) if hasattr(module, "test_core") else module
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
