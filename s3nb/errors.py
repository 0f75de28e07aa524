"""The exception tree, and the one table from S3's error codes to its classes.

Every error is an :class:`S3Error`, which is an `OSError`, so that code written for files catches it; with
``errno``, and as ``filename`` the URL. Where Python has a word for it, it is that builtin too::

    S3Error (OSError)
    ├── NotFound (FileNotFoundError)
    │   ├── ObjectNotFound      no such key or version
    │   ├── BucketNotFound      no such bucket
    │   ├── UploadNotFound      no such multipart upload
    │   └── LocalFileNotFound   a file on this machine that was to be uploaded
    ├── IsADirectory (IsADirectoryError)   a prefix where an object is wanted
    ├── NotADirectory (NotADirectoryError) an object where a prefix is wanted
    ├── DirectoryNotEmpty                  a prefix with objects below it
    ├── AccessDenied (PermissionError)
    │   └── CredentialsError    none found, expired, or not accepted
    ├── InvalidURL (ValueError)            not an address of an object
    ├── InvalidObject (TypeError)          a value that cannot be uploaded
    ├── InvalidRange (ValueError)          a range that the object does not have
    ├── PreconditionFailed
    │   ├── ObjectExists (FileExistsError) an exclusive write lost
    │   └── ObjectChanged                  another version came in between
    ├── IntegrityError                     bytes that are not those that were sent
    ├── ListError                          a listing that is none
    ├── UnfitWorker                        of processes= or executor=: no credentials, another s3nb, ...
    ├── UnsafeKey (ValueError)             a key that has no safe local path
    ├── LocalFileError                     disk full, no permission, ...
    ├── ConnectionFailed (ConnectionError) no connection, or it broke
    │   └── RequestTimeout (TimeoutError)  silence
    ├── ServerError                        5xx and what S3 calls internal
    │   └── Throttled                      asked to slow down
    ├── ClientClosed (ValueError)
    └── BulkError                          some of many failed; ``.failed``, ``.ok``, ``.retry()``
"""

from __future__ import annotations

import errno as _errno
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from s3nb import plain, styled
from s3nb.text import plural, visible

_FIELDS = ("bucket", "key", "operation", "code", "status", "request_id")


class S3Error(OSError):
    """Something between this program and S3 went wrong.

    Attributes
    ----------
    errno : int
        As for files; `errno.EIO` where there is no better.
    filename : str or None
        The ``s3://`` URL of what it was about; None if nothing.
    bucket, key : str
        What it was about; empty if nothing.
    operation : str
        S3's name for it, e.g. ``"GetObject"``; empty if no request was made.
    code : str
        S3's error code, e.g. ``"NoSuchKey"``; empty if S3 did not answer.
    status : int
        HTTP status; 0 if S3 did not answer.
    request_id : str
        What S3's operators ask for. Not in ``message``; lines tell it with ``--verbose``.
    message : str
        The text, safe to print.
    """

    _ERRNO: int = _errno.EIO

    def __init__(
        self,
        message: str = "",
        *,
        bucket: str = "",
        key: str = "",
        operation: str = "",
        code: str = "",
        status: int = 0,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.bucket = bucket
        self.key = key
        self.operation = operation
        self.code = code
        self.status = status
        self.request_id = request_id
        self.errno = self._ERRNO
        self.filename = self.url or None

    @property
    def url(self) -> str:
        """The ``s3://`` URL of what it was about; empty if nothing."""
        return f"s3://{self.bucket}/{self.key}" if self.bucket else ""

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in _FIELDS}
        state: dict[str, Any] = {"errno": self.errno, "filename": self.filename}
        if hasattr(self, "__notes__"):
            state["__notes__"] = self.__notes__
        return _rebuild, (type(self), self.message, fields), state


def _rebuild(kind: type[S3Error], message: str, fields: dict[str, Any]) -> S3Error:
    return kind(message, **fields)


class NotFound(S3Error, FileNotFoundError):
    """What was named is not there."""

    _ERRNO = _errno.ENOENT


class ObjectNotFound(NotFound):
    """No object has this key (or this version)."""


class BucketNotFound(NotFound):
    """No bucket has this name."""


class UploadNotFound(NotFound):
    """The multipart upload is finished, aborted, or never was."""


class LocalFileNotFound(NotFound):
    """A file on this machine that was to be uploaded is not there."""


class IsADirectory(S3Error, IsADirectoryError):
    """A prefix was named where an object is wanted."""

    _ERRNO = _errno.EISDIR


class NotADirectory(S3Error, NotADirectoryError):
    """An object was named where a prefix is wanted."""

    _ERRNO = _errno.ENOTDIR


class DirectoryNotEmpty(S3Error):
    """There are objects below the prefix."""

    _ERRNO = _errno.ENOTEMPTY


class AccessDenied(S3Error, PermissionError):
    """S3 refuses. (It also says so of a missing key to callers who may not list the bucket.)"""

    _ERRNO = _errno.EACCES


class CredentialsError(AccessDenied):
    """No credentials were found, or S3 does not know them, or they have expired."""


class InvalidURL(S3Error, ValueError):
    """Not an address that names an object or prefix here."""

    _ERRNO = _errno.EINVAL


class InvalidObject(S3Error, TypeError):
    """A value that cannot be uploaded."""

    _ERRNO = _errno.EINVAL


class InvalidRange(S3Error, ValueError):
    """The object has no byte in the range asked for."""

    _ERRNO = _errno.EINVAL


class PreconditionFailed(S3Error):
    """A condition of the request did not hold (412, or 304)."""

    _ERRNO = _errno.ESTALE


class ObjectExists(PreconditionFailed, FileExistsError):
    """An exclusive write found an object under the key."""

    _ERRNO = _errno.EEXIST


class ObjectChanged(PreconditionFailed):
    """The object was replaced while it was being read."""


class IntegrityError(S3Error):
    """Bytes arrived that are not those S3 holds, or the other way round."""


class ListError(S3Error):
    """What came in place of a listing is none; nothing may be concluded from it."""


class UnfitWorker(S3Error):
    """A worker cannot do its part of a many-operation: another s3nb, no credentials, a function that does not load."""


class UnsafeKey(S3Error, ValueError):
    """The key has no local path that stays inside the target folder."""

    _ERRNO = _errno.EINVAL


class LocalFileError(S3Error):
    """A file on this machine could not be read or written; ``errno`` says why."""

    def __init__(self, message: str = "", *, errno: int | None = None, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.errno = errno


class ConnectionFailed(S3Error, ConnectionError):
    """S3 could not be reached, or the connection broke, more often than patience allows."""

    _ERRNO = _errno.ECONNABORTED


class RequestTimeout(ConnectionFailed, TimeoutError):
    """The connection was silent for too long."""

    _ERRNO = _errno.ETIMEDOUT


class ServerError(S3Error):
    """S3 says that it failed (5xx), more often than patience allows."""


class Throttled(ServerError):
    """S3 asks for fewer requests, longer than patience allows."""

    _ERRNO = _errno.EBUSY


class ClientClosed(S3Error, ValueError):
    """The client was used after ``close()``."""

    _ERRNO = _errno.EBADF


class BulkError(S3Error):
    """Some of the objects of a many-operation failed; all others are done.

    If every failure is of one kind, the error is of that kind as well: a ``get_many`` that
    only met missing keys raises an error that ``except ObjectNotFound`` catches.

    Attributes
    ----------
    results : list
        What the call would have returned, in its order; a failed place holds its exception.
    ok : list
        The results that are there.
    failed : list of S3Error
        The failures, in the order of the request.
    """

    def __init__(
        self,
        message: str = "",
        *,
        results: Sequence[Any] = (),
        retry: Callable[[], Any] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message, **fields)
        self.results: list[Any] = _Settled(results)
        self._retry = retry

    @property
    def ok(self) -> list[Any]:
        """What was done, in order, without what failed."""
        return [r for r in self.results if not isinstance(r, BaseException)]

    @property
    def failed(self) -> list[S3Error]:
        """The errors, in the order of what they are about; each with ``key`` and ``url``."""
        return [r for r in self.results if isinstance(r, S3Error)]

    def retry(self) -> Any:
        """Do what failed once more; returns what the original call would have returned."""
        if self._retry is None:
            raise ValueError("this error was pickled or copied: retry the keys in .failed with the client")
        return self._retry()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show what failed, then what did not, in IPython."""
        return styled.bundle(self._table(), styled.table(self.results))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        plain.pretty(printer, self, self._table())

    def _table(self) -> str:
        return plain.table(self.results, width=plain.width_of_output())

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in _FIELDS}
        return _rebuild, (type(self), self.message, fields | {"results": self.results})


class _Settled(list[Any]):
    """Results that remember of what operation: so they are shown as those of one that did not fail."""

    def __init__(self, items: Sequence[Any] = ()) -> None:
        super().__init__(items)
        self._verb = plain.verb_of(items)


class BulkNotFound(BulkError, ObjectNotFound):
    """Some of many were not found; nothing else failed."""


class BulkAccessDenied(BulkError, AccessDenied):
    """Some of many were refused; nothing else failed."""


class BulkObjectExists(BulkError, ObjectExists):
    """Some of many were there already; nothing else failed."""


class BulkInvalidRange(BulkError, InvalidRange):
    """Some of many have no byte in the range asked for; nothing else failed."""


_BULK_KINDS: tuple[tuple[type[S3Error], type[BulkError]], ...] = (
    (NotFound, BulkNotFound),
    (AccessDenied, BulkAccessDenied),
    (ObjectExists, BulkObjectExists),
    (InvalidRange, BulkInvalidRange),
)

_SHOWN = 3  # failures spelled out in the message of a bulk error, per cause


def bulk_error(verb: str, results: Sequence[Any], retry: Callable[[], Any] | None = None) -> BulkError:
    """Make the error that names every failure among ``results``.

    The message counts failures by cause and spells out the first three of each; all are in ``.failed``.
    """
    failed = [r for r in results if isinstance(r, S3Error)]
    kind: type[BulkError] = BulkError
    for single, bulk in _BULK_KINDS:
        if all(isinstance(e, single) for e in failed):
            kind = bulk
            break
    causes = Counter(cause_of(e) for e in failed)
    lines = [f"{verb}: {plural(len(failed), 'object')} of {len(results):,} failed"]
    for cause, count in causes.most_common():
        named = [e for e in failed if cause_of(e) == cause]
        lines += [f"  {e}" for e in named[:_SHOWN]]
        if count > _SHOWN:
            lines.append(f"  and {count - _SHOWN:,} more with {cause}")
    first = failed[0]
    return kind("\n".join(lines), results=results, retry=retry, **{name: getattr(first, name) for name in _FIELDS})


def cause_of(error: S3Error) -> str:
    """Return the short name under which failures are counted: S3's code, else the class."""
    return error.code or type(error).__name__


# S3's codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
# Servers differ more in codes than in statuses; what is not here goes by status.
_BY_CODE: dict[str, type[S3Error]] = {
    "NoSuchKey": ObjectNotFound,
    "NoSuchVersion": ObjectNotFound,
    "NoSuchBucket": BucketNotFound,
    "NoSuchUpload": UploadNotFound,
    "AccessDenied": AccessDenied,
    "AllAccessDisabled": AccessDenied,
    "AccountProblem": AccessDenied,
    "InvalidAccessKeyId": CredentialsError,
    "SignatureDoesNotMatch": CredentialsError,
    "ExpiredToken": CredentialsError,
    "InvalidToken": CredentialsError,
    "TokenRefreshRequired": CredentialsError,
    "RequestTimeTooSkewed": CredentialsError,
    "InvalidRange": InvalidRange,
    "PreconditionFailed": PreconditionFailed,
    "BucketAlreadyExists": ObjectExists,
    "BucketAlreadyOwnedByYou": ObjectExists,
    "InvalidObjectState": AccessDenied,
    "InvalidBucketName": InvalidURL,
    "KeyTooLongError": InvalidURL,
    "BadDigest": IntegrityError,
    "XAmzContentSHA256Mismatch": IntegrityError,
    "SlowDown": Throttled,
    "SlowDownRead": Throttled,
    "SlowDownWrite": Throttled,
    "Throttling": Throttled,
    "ThrottlingException": Throttled,
    "RequestLimitExceeded": Throttled,
    "TooManyRequests": Throttled,
    "ServiceUnavailable": Throttled,
    "RequestTimeout": RequestTimeout,
    "InternalError": ServerError,
}

_BY_STATUS: dict[int, type[S3Error]] = {
    304: PreconditionFailed,
    401: CredentialsError,
    403: AccessDenied,
    404: ObjectNotFound,
    408: RequestTimeout,
    412: PreconditionFailed,
    416: InvalidRange,
    429: Throttled,
    503: Throttled,
}

# A HEAD has no body, so no code: this is what S3 would have written.
_CODE_OF_STATUS = {
    304: "NotModified",
    403: "AccessDenied",
    404: "NotFound",
    412: "PreconditionFailed",
    416: "InvalidRange",
}


# What the reader of a refusal should know.
_HINTS = {
    "AccessDenied": "without the right to list the bucket, a missing key looks the same",
    "InvalidObjectState": "the object is archived: restore it first (RestoreObject), and wait",
}


def class_of(code: str, status: int) -> type[S3Error]:
    """Return the class for a code and status; the code goes first, `S3Error` if neither is known."""
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if kind is None:
        kind = ServerError if status >= 500 else S3Error
    return kind


def from_reply(
    *, operation: str, bucket: str, key: str, status: int, code: str, message: str, request_id: str
) -> S3Error:
    """Make the error for a reply of S3 that is not a success.

    ``message`` is the server's own text; it is made printable here.
    """
    code = code or _CODE_OF_STATUS.get(status, "")
    kind = class_of(code, status)
    if kind is ObjectNotFound and not key:
        kind = BucketNotFound
    where = f"s3://{bucket}/{key}" if bucket else "S3"
    text = f"{visible(where)}: {visible(code) or 'HTTP ' + str(status)}"
    if message:
        text += f" ({visible(message, 200)})"
    if code in _HINTS and key and operation in ("GetObject", "HeadObject"):
        text += f" ({_HINTS[code]})"
    text += f" [{operation}, status {status}]"  # the request's ID is for S3's operators: an attribute, and told with --verbose
    error = kind(
        text, bucket=bucket, key=key, operation=operation, code=code, status=status, request_id=visible(request_id, 80)
    )
    if code == "KeyTooLongError":
        error.errno = _errno.ENAMETOOLONG
    return error
