"""Keys that would leave their folder, meet, or have no name on disk: nothing outside, every other one arrives, each refusal named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s3nb import S3, BulkError, UnsafeKey
from s3nb.testing import MemoryWire

REFUSED = [
    "../climb", "x/../../climb", "../../../../../../tmp/s3nb-climb", "..", "a/..", "../", "/absolute", "//absolute", "/",
    "/etc/passwd", "d//f", "d///f", "e//", "./here", "h/./here", ".", "nul\0byte", "nul/\0", "marker//", "n" * 256,
    "long/" + "n" * 300, "€" * 86, "out/escape", "out/deep/escape", "inner/../../climb",
]  # fmt: skip
WELCOME = [
    "plain", "d/f", "spaces in a name", " leading", "trailing ", "dots...", "...", "..hidden", ".hidden", "tab\tname", "new\nline",
    "esc\x1b[31mred", "back\\slash", "..\\climb", "C:\\windows", "c:name", "con", "nul", "aux.txt", "quote'\"", "$(touch x)", "`x`",
    "-rf", "~", "~root/x", "%2e%2e/x", "..%2fx", "star*?[x]", "<b>", "Case", "case", "ü", "n" * 255, "€" * 85, "in/side", "a+b&c=d",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a link that leads out of it, and one that does not."""
    folder = tmp_path / "outer" / "to"
    (folder / "real").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (folder / "out").symlink_to(tmp_path / "elsewhere")
    (folder / "in").symlink_to("real")
    return folder


def files(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def test_forty_hostile_keys(folder: Path, tmp_path: Path) -> None:
    wire = MemoryWire({"box": {f"p/{key}": key.encode() for key in REFUSED + WELCOME}})
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3, pytest.raises(BulkError) as caught:
        s3.download(["p"], folder, recursive=True)
    # markers of folders that hold nothing are no files, and no failures
    assert {e.key for e in caught.value.failed} == {f"p/{key}" for key in REFUSED if key}
    assert all(isinstance(e, UnsafeKey) for e in caught.value.failed)
    assert {o.object_key for o in caught.value.ok} == {f"p/{key}" for key in WELCOME}
    assert files(tmp_path) == {f"outer/to/{'real/side' if key == 'in/side' else key}" for key in WELCOME}
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (folder / "€€".replace("€€", "€" * 85)).read_bytes() == ("€" * 85).encode()
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        (["a", "a/b"], ["a"]), (["a/b", "a"], ["a/b"]), (["a", "a/b/c", "a/d"], ["a"]), (["x/y", "x/y/z"], ["x/y"]),
        (["é", "e\u0301"], ["é"]), (["Å/x", "A\u030a/x"], ["Å/x"]),
    ],
)  # fmt: skip
def test_keys_that_meet_are_found_before_a_byte_is_written(folder: Path, keys: list[str], kept: list[str]) -> None:
    wire = MemoryWire({"box": {key: key.encode() for key in keys}})
    with S3(folder.parent, s3root="s3://box", wire=wire) as s3, pytest.raises(BulkError, match="same name") as caught:
        s3.download(keys, folder)
    assert [o.object_key for o in caught.value.ok] == kept
    assert {r.key for r in wire.log} == set(kept)
    assert files(folder) == set(kept)


def test_a_link_as_the_target_is_replaced_and_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("old")
    (folder / "k").symlink_to(tmp_path / "victim")
    wire = MemoryWire({"box": {"k": b"new"}})
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        s3.download(["k"], folder)
    assert (tmp_path / "victim").read_text() == "old"
    assert not os.path.islink(folder / "k")
    assert (folder / "k").read_bytes() == b"new"
