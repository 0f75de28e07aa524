"""`open`: builtin's, for objects in S3 as well."""

from __future__ import annotations

import builtins
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, Unpack, overload
from urllib.parse import urlencode

from s3nb import session
from s3nb.checksum import CHECKSUMS, crc
from s3nb.client import S3
from s3nb.errors import (
    InvalidObject,
)
from s3nb.files import writer as writers
from s3nb.files.address import Address, Mode, address, check_layers, mode_of, one_of
from s3nb.files.asking import Ask, quoted
from s3nb.files.compress import Compressed, Decompressed, codec_for
from s3nb.files.kinds import Account, Openable, Options, ReadingMode, TextMode, UpdatingMode, WritingMode
from s3nb.files.reader import S3Reader
from s3nb.files.remote import Remote
from s3nb.files.spool import S3Spool
from s3nb.files.text import S3TextFile
from s3nb.files.upload import PART, Parts
from s3nb.files.writer import S3Writer
from s3nb.ranges import MAX_PART_SIZE, MIN_PART_SIZE
from s3nb.text import Masked, visible
from s3nb.uri import StrPath

# Their readers begin at the end: footer, central directory.
_TAIL_FIRST = (".parquet", ".orc", ".zip", ".npz", ".jar", ".whl", ".xlsx", ".feather", ".arrow")
_EVERY = ("x-amz-request-payer", "x-amz-server-side-encryption-customer-", "x-amz-expected-bucket-owner")
_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}


@overload
def open(
    file: Openable, mode: TextMode = "r", buffering: int = -1, encoding: str | None = None, errors: str | None = None,
    newline: str | None = None, closefd: bool = True, opener: Any = None, *, compression: str | None = None, **options: Unpack[Options],
) -> S3TextFile: ...  # fmt: skip
@overload
def open(
    file: Openable, mode: ReadingMode, buffering: int = -1, encoding: None = None, errors: None = None, newline: None = None,
    closefd: bool = True, opener: Any = None, *, compression: None = None, **options: Unpack[Options],
) -> S3Reader: ...  # fmt: skip
@overload
def open(
    file: Openable, mode: WritingMode, buffering: int = -1, encoding: None = None, errors: None = None, newline: None = None,
    closefd: bool = True, opener: Any = None, *, compression: None = None, **options: Unpack[Options],
) -> S3Writer: ...  # fmt: skip
@overload
def open(
    file: Openable, mode: UpdatingMode, buffering: int = -1, encoding: None = None, errors: None = None, newline: None = None,
    closefd: bool = True, opener: Any = None, *, compression: None = None, **options: Unpack[Options],
) -> S3Spool: ...  # fmt: skip
@overload
def open(
    file: Openable, mode: ReadingMode, buffering: int = -1, encoding: None = None, errors: None = None, newline: None = None,
    closefd: bool = True, opener: Any = None, *, compression: str, **options: Unpack[Options],
) -> Decompressed: ...  # fmt: skip
@overload
def open(
    file: Openable, mode: WritingMode, buffering: int = -1, encoding: None = None, errors: None = None, newline: None = None,
    closefd: bool = True, opener: Any = None, *, compression: str, **options: Unpack[Options],
) -> Compressed: ...  # fmt: skip
@overload
def open(
    file: Openable, mode: str, buffering: int = -1, encoding: str | None = None, errors: str | None = None,
    newline: str | None = None, closefd: bool = True, opener: Any = None, *, compression: str | None = None, **options: Unpack[Options],
) -> Any: ...  # fmt: skip
def open(
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
    *,
    version_id: str | None = None,
    literal: bool = False,
    strict: bool | None = None,
    compression: str | None = None,
    compression_level: int | None = None,
    decode_content: bool = False,
    access: str = "auto",
    size: int | None = None,
    on_change: str = "raise",
    if_match: str | None = None,
    on_error: str = "abort",
    commit: str = "close",
    metadata: Mapping[str, str] | None = None,
    content_type: str | None = None,
    tags: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    encryption: str | None = None,
    kms_key: str | None = None,
    acl: str | None = None,
    headers: Mapping[str, str] | None = None,
    checksum: str | bool | None = None,
    part_size: int = PART,
    size_hint: int | None = None,
    equal_parts: bool = False,
    client: S3 | None = None,
    **options: Any,
) -> Any:
    """Open a file, as builtin `open` does; an ``s3://`` URL opens an object.

    Local paths go to the builtin, which returns its own file. For an object, mode ``r`` costs one request, sent at once: a
    missing object is an error here. Modes ``w``, ``x``, ``a`` make the object when the file is closed, all at once; if the
    ``with`` block fails, or nobody closes the file, nothing is changed. Modes with ``+`` work on a copy that is put back.

    Parameters
    ----------
    file : str, path, int or bytes
        ``s3://bucket/key``, also ``s3a://``, ``s3n://``; the key is literal, but for a trailing ``?versionId=...``. Anything
        else is local.
    mode, buffering, encoding, errors, newline
        As builtin. Text is UTF-8 unless said otherwise. ``buffering=0`` (binary): read exactly what is asked for; more
        than 1: the least that is read at once, in bytes.
    closefd, opener
        For local files.
    version_id : str, optional
        Read this version.
    literal : bool
        The key is taken to the letter: ``?versionId=`` and a slash at its end belong to it.
    strict : bool, optional
        Refuse bytes in a bare text mode, as builtin. Default: they go through with a warning, unless ``S3NB_STRICT_TEXT=1``.
    compression : str, optional
        ``"gzip"``, ``"bz2"``, ``"xz"``, ``"zstd"``, ``"lz4"``, or ``"infer"``, by the name's ending. None: the bytes as stored.
    compression_level : int, optional
        For writing.
    decode_content : bool
        Undo ``Content-Encoding: gzip`` (or zstd) when reading.
    access : {"auto", "sequential", "random", "tail"}
        How the file will be read; found out by itself. ``"tail"`` fetches the end first.
    size : int, optional
        Bytes of the object, if they are known (from a listing): up to 8 MiB are then fetched whole.
    on_change : {"raise", "pin"}
        When the object is replaced while it is read: `ObjectChanged`, or go on with the version that was opened (in a
        versioned bucket).
    if_match : str, optional
        An ETag: read, or replace, only this one, else `ObjectChanged`. ``"current"`` when writing: the one that is there now.
    on_error : {"abort", "commit"}
        What an exception in the ``with`` block does to what was written.
    commit : {"close", "explicit"}
        ``"explicit"``: only ``f.commit()`` makes the object.
    metadata, content_type, tags, storage_class, encryption, kms_key, acl
        Of the object that is written. The type is guessed from the name.
    headers : mapping, optional
        Further headers: of the object, and (requester pays, customer keys) of every request.
    checksum : {"crc32", "crc32c", "crc64nvme", "sha1", "sha256"} or False, optional
        Sent along when writing, compared by S3, and kept with the object; False: none. Default: CRC32, unless
        `TransferConfig` says otherwise. crc32c and crc64nvme need the extra ``crt``. What S3 keeps is the CRC of all bytes, but of more
        than a part the SHA of the parts' SHAs, which S3 has not of copied bytes: mode ``a`` takes no SHA.
    part_size : int
        Bytes of a part, 5 MiB to 5 GiB; grows by itself after a thousand parts.
    size_hint : int, optional
        Bytes to come, if known: parts are cut accordingly.
    equal_parts : bool
        All parts alike, for servers that demand it.
    client : S3, optional
        The client to use. Default: a shared one, for the following options.
    **options
        ``profile``, ``region``, ``endpoint_url``, ``anonymous``, ``requester_pays``, ``role``, ``session``, ``engine``,
        ``config``: as for `S3`. See `s3nb.session.configure` for defaults.

    Returns
    -------
    file
        `S3Reader`, `S3Writer`, `S3Spool` (``+``), or an `io.TextIOWrapper` above one of them; builtin's for a local path, which
        no type checker can know: to it, the file is one of S3.

    Raises
    ------
    ValueError, TypeError
        Arguments that builtin would refuse, or that do not go together; before any request.
    FileNotFoundError, PermissionError, IsADirectoryError, FileExistsError
        As for files. Every error of S3 is an `S3Error` too.
    """
    where = address(file, literal=literal, version_id=version_id)
    if not isinstance(where, Address):
        hook = None if where is not None or isinstance(file, (str, bytes, int, os.PathLike)) else _hooks(file)
        _only_in_s3(
            version_id=version_id, if_match=if_match, checksum=checksum, compression=compression,
            decode_content=decode_content or None, explicit=None if commit == "close" else commit,
            on_error=None if on_error == "abort" else on_error,
        )  # fmt: skip
        if hook is not None:
            return _open_by_hook(file, mode_of(mode), buffering, encoding, errors, newline)
        return builtins.open(
            file if where is None else where, mode, buffering, encoding, errors, newline, closefd, opener
        )
    asked = mode_of(mode)
    if not asked.binary and encoding is None:
        io.text_encoding(None)  # the warning that -X warn_default_encoding asks for
    buffering = check_layers(asked, buffering, encoding, errors, newline)
    if not closefd:
        raise ValueError("Cannot use closefd=False with file name")
    if opener is not None:
        raise ValueError("opener= makes descriptors, which objects in S3 have not")
    one_of("access", access, "auto", "sequential", "random", "tail")
    one_of("on_change", on_change, "raise", "pin")
    one_of("on_error", on_error, "abort", "commit")
    one_of("commit", commit, "close", "explicit")
    if asked.writes and where.version_id is not None:
        raise ValueError("version_id= is for reading: what is written becomes a new version")
    if asked.kind == "x" and if_match is not None:
        raise ValueError("mode 'x' makes a new object: if_match= names one that is there")
    if if_match == "current" and not asked.writes:
        raise ValueError("if_match='current' is for writing")
    if decode_content and asked.writes:
        raise ValueError("decode_content= is for reading")
    codec = codec_for(compression, where.key)
    if codec and asked.plus:
        raise ValueError("a compressed file is read or written, not both (mode with '+')")
    if compression_level is not None and (codec is None or not asked.writes):
        raise ValueError("compression_level= is for writing with compression=")
    if not MIN_PART_SIZE <= part_size <= MAX_PART_SIZE:
        raise ValueError(f"part_size must be 5 MiB to 5 GiB, not {part_size!r} bytes")
    kept = _checksum(checksum, asked)
    parts = Parts(part_size, equal=equal_parts, size_hint=size_hint)
    every, own = _headers(where, metadata, content_type, tags, storage_class, encryption, kms_key, acl, headers)
    if client is None and not options:
        client = getattr(file, "client", None)  # of an `S3Path`
    known = None if client is not None else Masked(options)
    if client is None:
        client = session.client(**options)
    elif options:
        raise TypeError(f"open() got client= and {sorted(options)[0]}=: the client has its own")
    elif not isinstance(client, S3):
        raise TypeError(f"client= is an s3nb.S3, not a {type(client).__name__}; session= takes a boto3 session")
    core = client._alive()
    _ = core.engine  # no credentials: said here, before any request
    writers.register()
    ask = Ask(core, where, asked, every, own, parts, on_error, commit, kept)
    ask.refuse_directories()
    if not asked.writes:
        kind = "exact" if buffering == 0 else access
        if kind == "auto" and where.key.lower().endswith(_TAIL_FIRST):
            kind = "tail"
        remote = ask.remote(kind, size=size, etag=quoted(if_match), pin=on_change == "pin", least=max(buffering, 0))
        remote.begin()
        below: Any = ask.reader(remote, known, client)
        if decode_content:
            found = "" if remote.headers is None else remote.headers.get("content-encoding", "")
            codec = _CODINGS.get(found.lower(), codec)
    else:
        below = ask.writable(quoted(if_match))
    below._owner = client  # kept from being collected, and closed, while the file is open
    try:
        if codec:
            below = Compressed(codec, below, compression_level) if asked.writes else Decompressed(codec, below)
        if asked.binary:
            return below
        strict = os.environ.get("S3NB_STRICT_TEXT", "") not in ("", "0") if strict is None else strict
        bare = asked.text in ("w", "x", "a") and encoding is None and errors is None and newline is None
        return S3TextFile(
            below, encoding or "utf-8", errors, "\n" if newline is None and asked.kind != "r" and not asked.plus else newline,
            buffering == 1, asked.text, bare and not strict,
        )  # fmt: skip
    except BaseException as exc:
        if asked.writes:
            below.abort(exc)
        else:
            below.close()
        raise


@overload
def open_many(
    urls: Iterable[StrPath], mode: ReadingMode = "rb", *, ahead: int = 16, **options: Unpack[Account]
) -> Iterator[S3Reader]: ...
@overload
def open_many(
    urls: Iterable[StrPath], mode: Literal["r", "rt", "tr"], *, ahead: int = 16, encoding: str | None = None,
    errors: str | None = None, newline: str | None = None, **options: Unpack[Account],
) -> Iterator[S3TextFile]: ...  # fmt: skip
def open_many(urls: Iterable[Any], mode: str = "rb", *, ahead: int = 16, **options: Any) -> Iterator[Any]:
    """Open many objects for reading, several requests ahead; yields the open files in order. For many small objects.

    Parameters
    ----------
    urls : iterable
        ``s3://`` URLs or paths; read lazily.
    mode : str
        ``"rb"``, or a text mode for reading.
    ahead : int
        Objects whose opening request is under way; small ones are complete with it.
    **options
        As for `open`. A file is closed when the next one is asked for, if it was not before.

    Raises
    ------
    FileNotFoundError, ...
        When it is the object's turn.
    """
    asked = mode_of(mode)
    if asked.writes:
        raise ValueError(f"open_many reads: mode {mode!r} writes")
    if ahead < 1:
        raise ValueError(f"ahead must be at least 1, not {ahead}")
    if isinstance(urls, (str, bytes, os.PathLike)):
        raise TypeError(f"urls must be several, not one {type(urls).__name__}")
    return _open_many(iter(urls), asked, ahead, options)


def _open_many(urls: Iterator[Any], asked: Mode, ahead: int, options: dict[str, Any]) -> Iterator[Any]:
    text = {name: options.pop(name) for name in ("encoding", "errors", "newline") if name in options}
    check_layers(asked, -1, *(text.get(name) for name in ("encoding", "errors", "newline")))
    client = options.pop("client", None) or session.client(**options)
    core = client._alive()
    waiting: deque[tuple[Ask, Remote]] = deque()
    current: Any = None
    try:
        while True:
            while len(waiting) < ahead:
                try:
                    url = next(urls)
                except StopIteration:
                    break
                where = address(url)
                if not isinstance(where, Address):
                    raise ValueError(f"open_many reads s3:// URLs, not {visible(repr(url), 200)}")
                ask = Ask(core, where, asked, (), (), Parts(), "abort", "close")
                ask.refuse_directories()
                remote = ask.remote("auto")
                remote.begin()
                waiting.append((ask, remote))
            if not waiting:
                return
            ask, remote = waiting.popleft()
            current = ask.reader(remote, Masked(options), client)
            if not asked.binary:
                current = S3TextFile(
                    current,
                    text.get("encoding") or "utf-8",
                    text.get("errors"),
                    text.get("newline"),
                    False,
                    asked.text,
                    False,
                )
            yield current
            current.close()
    finally:
        if current is not None:
            current.close()
        for _, remote in waiting:
            remote.close()


def _checksum(asked: str | bool | None, mode: Mode) -> str | None:
    """Return S3's name of the checksum to send, empty for none, None for the configured one."""
    if asked is None:
        return None
    if not mode.writes:
        raise ValueError("checksum= is for writing: what is read is compared with what S3 has, see f.verified")
    if asked is False:
        return ""
    one_of("checksum", asked, *CHECKSUMS, False)
    name = str(asked)
    if name.startswith("sha") and mode.kind == "a":
        raise ValueError(
            f"checksum={name!r} is not for mode 'a': S3 has it of no bytes that are copied; a CRC can be put together"
        )
    if name.startswith("crc") and crc(name) is None:
        raise ImportError(f"{name} needs a library: install the extra 'crt' (pip install -e '.[crt]')")
    return name


def _headers(
    where: Address, metadata: Any, content_type: Any, tags: Any, storage_class: Any, encryption: Any,
    kms_key: Any, acl: Any, headers: Any,
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:  # fmt: skip
    """Return the headers of every request, and those of the object."""
    lines: list[tuple[str, Any]] = []
    if content_type is not None:
        lines.append(("Content-Type", content_type))
    lines += [(f"x-amz-meta-{name}", value) for name, value in (metadata or {}).items()]
    if tags:
        lines.append(("x-amz-tagging", urlencode(tags)))
    if encryption is None and kms_key is not None:
        encryption = "aws:kms"
    for name, value in (
        ("x-amz-storage-class", storage_class),
        ("x-amz-server-side-encryption", encryption),
        ("x-amz-server-side-encryption-aws-kms-key-id", kms_key),
        ("x-amz-acl", acl),
    ):
        if value is not None:
            lines.append((name, value))
    lines += (headers or {}).items()
    for name, value in lines:
        if not isinstance(name, str) or not isinstance(value, str) or any(c in name + value for c in "\r\n\0"):
            raise InvalidObject(
                f"{visible(where.name, 200)}: header {visible(str(name), 60)} must be a str on one line, "
                f"not {visible(repr(value), 100)}"
            )
    every = tuple(line for line in lines if line[0].lower().startswith(_EVERY))
    return every, tuple(line for line in lines if line not in every)


# -- what is not in S3 ------------------------------------------------------------------------------


def _only_in_s3(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{'commit' if name == 'explicit' else name}= is for s3:// URLs: a local file has no such thing"
            )


def _hooks(file: Any) -> bool | None:
    names = ("__open_reader__", "__open_writer__", "__open_rb__", "__open_wb__")
    return True if any(hasattr(type(file), name) for name in names) else None


def _open_by_hook(
    file: Any, mode: Mode, buffering: int, encoding: str | None, errors: str | None, newline: str | None
) -> Any:
    """Open an object that knows how to open itself (pathlib-abc: ``__open_reader__``, ``__open_writer__``)."""
    check_layers(mode, buffering, encoding, errors, newline)
    if mode.plus:
        raise ValueError(f"{type(file).__name__} opens itself for reading or writing, not for both")
    names = ("__open_reader__", "__open_rb__") if mode.kind == "r" else ("__open_writer__", "__open_wb__")
    hook: Callable[..., Any] | None = next((getattr(file, n) for n in names if hasattr(type(file), n)), None)
    if hook is None:
        raise TypeError(f"{type(file).__name__} cannot be opened with mode {mode.text!r}")
    if hook.__name__ == "__open_reader__":
        below = hook()
    elif hook.__name__ == "__open_writer__":
        below = hook(mode.kind)
    else:
        below = hook(buffering)
    return below if mode.binary else io.TextIOWrapper(below, encoding or "utf-8", errors, newline)
