"""Which failures pass, what a reply asks for, and how what went wrong is said. No state, no I/O."""

from __future__ import annotations

import errno
import os
import time
from email.utils import parsedate_to_datetime

from s3nb.errors import ClientClosed, LocalFileError, S3Error
from s3nb.text import visible
from s3nb.wire import Reply, Request, WireError

THROTTLE_CODES = frozenset(
    {"SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "RequestLimitExceeded",
     "TooManyRequests", "ServiceUnavailable"}
)  # fmt: skip
AGAIN_CODES = frozenset(
    {"InternalError", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "BadDigest", "IncompleteBody",
     "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}
)  # fmt: skip
AGAIN_STATUSES = frozenset({408, 500, 502, 504})
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})


def no_descriptors(error: BaseException | None) -> bool:
    """Say whether this process, or the system, has no room for another open file: it will, when others have been closed."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def seconds_ahead(reply: Reply) -> float | None:
    """Return the seconds that the server's clock is ahead of ours."""
    try:
        return parsedate_to_datetime(reply.headers["date"]).timestamp() - time.time()
    except (KeyError, ValueError, TypeError):
        return None


def retry_after(reply: Reply) -> float | None:
    """Return the seconds that the reply asks to wait (RFC 9110, 10.2.3), at most 60."""
    value = reply.headers.get("retry-after")
    if not value:
        return None
    try:
        return min(60.0, max(0.0, float(value)))
    except ValueError:
        pass
    try:
        return min(60.0, max(0.0, parsedate_to_datetime(value).timestamp() - time.time()))
    except (ValueError, TypeError):
        return None


def about(request: Request | None, kind: type[S3Error], text: str) -> S3Error:
    """Make an error that says which request it is about."""
    request = request or Request("", "")
    where = visible(f"s3://{request.bucket}/{request.key}") if request.bucket else "S3"
    return kind(
        f"{where}: {visible(text, 500)} [{request.operation}]",
        bucket=request.bucket,
        key=request.key,
        operation=request.operation,
    )


def local_error(failure: BaseException, request: Request | None) -> S3Error:
    """Translate what went wrong on this side of the network."""
    cause: BaseException | None = failure
    if isinstance(failure, WireError):
        cause = failure.__cause__ or failure
    if isinstance(cause, S3Error):
        return cause
    if isinstance(cause, WireError) and cause.kind == "closed":
        return ClientClosed("the client was closed")
    if isinstance(cause, OSError):
        file = f" {visible(os.fsdecode(cause.filename), 300)}" if cause.filename else ""
        error = about(request, LocalFileError, f"local file{file}: {cause.strerror or cause}")
        error.errno = cause.errno
    else:
        error = about(request, S3Error, f"{type(cause).__name__}: {cause}")
    error.__cause__ = cause
    return error
