"""What to do about an error, in a line, where the error itself does not say it."""

from __future__ import annotations

from s3nb.errors import AccessDenied, BucketNotFound, BulkError, CredentialsError

_EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "RequestExpired"}
)


def hint(error: BaseException, program: str) -> str:
    """Return what to do next, for somebody who types lines that begin with ``program``; an empty string if there is no advice."""
    if isinstance(error, BulkError):
        causes = {hint(one, program) for one in error.failed}
        return causes.pop() if len(causes) == 1 else ""
    if isinstance(error, CredentialsError) and error.code in _EXPIRED:
        return "renew the credentials, for example with aws sso login, and try again: nothing need be restarted"
    if isinstance(error, CredentialsError) and error.code:
        return f"check profile, endpoint and the clock of this machine: {program} config shows what is in force"
    if isinstance(error, AccessDenied):
        return (
            f"{program} config shows whose credentials these are; --profile NAME takes others, --no-sign-request none"
        )
    if isinstance(error, BucketNotFound):
        return f"check its name and the endpoint: {program} config shows what is in force"
    return ""
