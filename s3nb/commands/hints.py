"""How an error is told to somebody who types lines: short, and what to do about it where it does not say so itself."""

from __future__ import annotations

import re

from s3nb.errors import AccessDenied, BucketNotFound, BulkError, CredentialsError, S3Error
from s3nb.text import visible

_EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "RequestExpired"}
)


_ADDRESSES = (  # bucket and key, as others write them
    re.compile(r"s3[an]?:/*(?P<bucket>[^/]+)/?(?P<key>.*)", re.DOTALL),
    re.compile(r"arn:aws[a-z-]*:s3:::(?P<bucket>[^/]+)/?(?P<key>.*)", re.DOTALL),
    re.compile(r"https?://(?P<bucket>[^/]+)\.s3[.a-z0-9-]*\.amazonaws\.com(?:/(?P<key>[^?#%]*))?"),
    re.compile(r"https?://s3[.a-z0-9-]*\.amazonaws\.com/(?P<bucket>[^/]+)/?(?P<key>[^?#%]*)"),
    re.compile(r"(?P<bucket>[a-z0-9][a-z0-9-]{2,62})(?:/(?P<key>.*))?", re.DOTALL),  # with a dot it is rather a file
)
_DETAILS = re.compile(r" \[[A-Z]\w+(?:, status \d+[^\]\n]*)?\]$", re.MULTILINE)


def told(error: BaseException, *, verbose: bool = False) -> str:
    """Return the text of an error: without what only S3's operators ask for, or with all of it."""
    text = str(error)
    if not isinstance(error, S3Error):
        return text
    short = _DETAILS.sub("", text)
    if not verbose:
        return short
    failed = error.failed if isinstance(error, BulkError) else [error]
    return "\n".join([short, *(f"  {said}" for said in (details(one) for one in failed) if said)])


def meant(name: str) -> str:
    """Return the ``s3://`` URL that a name which is none may stand for; an empty string if that cannot be told."""
    found = next((m for m in (address.fullmatch(name) for address in _ADDRESSES) if m), None)
    return (
        f"s3://{found['bucket']}/{found['key']}"
        if found and found["key"]
        else f"s3://{found['bucket']}"
        if found
        else ""
    )


def details(error: S3Error) -> str:
    """Return operation, code, status and request id, as far as there are any."""
    facts = (
        ("", error.operation), ("code ", error.code), ("status ", error.status), ("request ", error.request_id),
    )  # fmt: skip
    return ", ".join(f"{name}{visible(str(value), 100)}" for name, value in facts if value)


def hint(error: BaseException, program: str) -> str:
    """Return what to do next, for somebody who types lines that begin with ``program``; an empty string if there is no advice."""
    if isinstance(error, BulkError):
        causes = {hint(one, program) for one in error.failed}
        return causes.pop() if len(causes) == 1 else ""
    if isinstance(error, CredentialsError) and error.code in _EXPIRED:
        return "renew the credentials, for example with aws sso login, and try again: nothing need be restarted"
    if isinstance(error, CredentialsError) and error.code:
        return f"check profile, endpoint and the clock of this machine: {program} config shows what is in force"
    if isinstance(error, CredentialsError):
        return ""  # it says where they were looked for
    if isinstance(error, AccessDenied):
        return (
            f"{program} config shows whose credentials these are; --profile NAME takes others, --no-sign-request none, "
            "--requester-pays is what some public buckets want"
        )
    if isinstance(error, BucketNotFound):
        return f"check its name and the endpoint: {program} config shows what is in force"
    return ""
