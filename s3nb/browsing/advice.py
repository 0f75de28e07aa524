"""What went wrong, in words for somebody who looks at a browser, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

from s3nb.errors import (
    AccessDenied,
    BucketNotFound,
    ClientClosed,
    ConnectionFailed,
    CredentialsError,
    InvalidURL,
    LocalFileError,
    NotFound,
    S3Error,
    Throttled,
    UnsafeKey,
)
from s3nb.text import visible


class Problem(NamedTuple):
    """An error as it is shown: what happened, what to do, and what S3 said. Plain text, safe to print."""

    title: str
    advice: str
    detail: str


STOPPED = Problem("Stopped", "Nothing was listed.", "")  # no error: somebody pressed Stop

_EXPIRED = frozenset({"ExpiredToken", "TokenRefreshRequired", "InvalidToken", "RequestExpired"})


def problem_of(error: BaseException, url: str = "") -> Problem:
    """Return how an error is shown.

    Parameters
    ----------
    url : str
        What was asked for; ``s3://`` is the list of buckets.
    """
    detail = visible(str(error).partition("\n")[0], 500)
    where = visible(url, 200)
    if isinstance(error, CredentialsError):
        if error.code in _EXPIRED:
            return Problem(
                "Your credentials have expired",
                "Renew them (for example with “aws sso login”), then try again: the kernel need not restart.",
                detail,
            )
        if error.code:
            return Problem(
                "S3 does not accept these credentials",
                "Check profile, endpoint and the clock of this machine, then try again.",
                detail,
            )
        return Problem(
            "No credentials were found",
            "Set AWS_PROFILE, run “aws configure”, or give profile=…; for public data give anonymous=True. Then try again.",
            detail,
        )
    if isinstance(error, AccessDenied):
        if url == "s3://":
            return Problem(
                "You may not list the buckets",
                "That right is not needed: type s3://bucket/ into the address bar.",
                detail,
            )
        return Problem(
            "Access denied",
            f"These credentials may not do this with {where or 'it'}. It takes s3:ListBucket to list and s3:GetObject to "
            "read; a prefix further down may be open to you: type it into the address bar.",
            detail,
        )
    if isinstance(error, BucketNotFound):
        return Problem("There is no such bucket", "Check its name, and that this endpoint is the right one.", detail)
    if isinstance(error, NotFound):
        return Problem("It is not there", "It may have been deleted since it was listed: refresh.", detail)
    if isinstance(error, ConnectionFailed):
        return Problem("S3 cannot be reached", "Check the network, endpoint_url= and proxies, then try again.", detail)
    if isinstance(error, Throttled):
        return Problem("S3 asks to slow down", "Try again in a moment.", detail)
    if isinstance(error, ClientClosed):
        return Problem("The client was closed", "Make a new browser: what is shown stays as it is.", detail)
    if isinstance(error, InvalidURL):
        return Problem("Not an address in S3", "An address looks like s3://bucket/prefix/.", detail)
    if isinstance(error, UnsafeKey):
        return Problem("No safe file name", "Download it under a name of your own: s3.download_to(key, path).", detail)
    if isinstance(error, LocalFileError) or (isinstance(error, OSError) and not isinstance(error, S3Error)):
        return Problem("A file on the kernel's machine", "Check the folder, and the room on the disk.", detail)
    return Problem("That did not work", "Try again.", detail or type(error).__name__)
