"""Archives: the members of a zip by its end, of a tar by its beginning. Nothing is ever taken out of them."""

from __future__ import annotations

import io
import tarfile
import zipfile

from s3nb.preview.model import Content, Window, WindowFile, grid
from s3nb.text import size_text


def of_zip(window: Window) -> Content:
    """Return the members of a zip; its directory is at its end, and is all that is fetched."""
    limits = window.limits
    with zipfile.ZipFile(WindowFile(window)) as archive:
        members = archive.infolist()
    window.tick()
    rows = []
    for member in members[: limits.rows]:
        ratio = f"{member.file_size / member.compress_size:,.1f}" if member.compress_size else "-"
        when = "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*member.date_time)
        rows.append(
            [
                size_text(member.file_size),
                ratio,
                when,
                member.filename + (" (encrypted)" if member.flag_bits & 1 else ""),
            ]
        )
    total = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    facts = [("members", f"{len(members):,}"), ("unpacked", size_text(total))]
    notes = [f"the first {limits.rows} members"] if len(members) > limits.rows else []
    if total > limits.ratio * max(packed, window.size or 0, 1):
        notes.append(f"unpacks to more than {limits.ratio} times its size")
    return Content(
        "zip archive", (grid(["size", "ratio", "modified", "name"], rows, limits),), tuple(facts), tuple(notes)
    )


_TYPES = {
    tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "link", tarfile.DIRTYPE: "folder", tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "pipe",
}  # fmt: skip


def of_tar(window: Window) -> Content:
    """Return the members of a tar that begin within the head."""
    limits = window.limits
    rows: list[list[str]] = []
    ended = False
    try:
        with tarfile.open(fileobj=io.BytesIO(window.head), mode="r:") as archive:
            while len(rows) < limits.rows:
                window.tick()
                member = archive.next()
                if member is None:
                    ended = window.complete
                    break
                kind = _TYPES.get(member.type, "")
                name = f"{member.name} → {member.linkname}" if kind == "link" else member.name
                rows.append([kind or size_text(member.size), f"{member.mode & 0o7777:04o}", name])
    except tarfile.TarError:
        if not rows:
            raise
    notes = () if ended else ("the first members",)
    facts = (("members", f"{len(rows):,}"),) if ended else ()
    return Content("tar archive", (grid(["size", "mode", "name"], rows, limits),), facts, notes)


def is_tar(head: bytes) -> bool:
    """Say whether bytes begin with a tar header."""
    if len(head) < 512 or head[257:262] != b"ustar":
        return False
    try:
        said = int(head[148:156].rstrip(b" \0") or b"-1", 8)
    except ValueError:
        return False
    return said == sum(head[:148]) + 8 * 32 + sum(head[156:512])
