"""Secrets kept out of what botocore writes to its logs at level DEBUG: whole requests with session token and signature."""

from __future__ import annotations

import logging
import re

_LOGGERS = (
    "auth",
    "endpoint",
    "parsers",
    "hooks",
    "credentials",
    "httpsession",
    "awsrequest",
    "regions",
    "utils",
    "tokens",
)
_NAMED = re.compile(
    r"(?i)((?:security|session)-?token|secret_?access_?key|access_?token|client_?secret|x-amz-signature|x-amz-credential)"
    r"(['\"]?\s*[:=>]\s*b?['\"]?)([^'\"&\s<>,}]+)"
)
_SIGNATURE = re.compile(r"(?i)(signature['\"]?\s*[:=]\s*)[0-9a-f]{64}")
_KEY_ID = re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{12,}")


def redacted(text: str) -> str:
    """Return text without session tokens, secret keys, signatures, and but the first letters of key ids."""
    text = _NAMED.sub(r"\1\2***", text)
    text = _SIGNATURE.sub(r"\1***", text)
    return _KEY_ID.sub(r"\1***", text)


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG:
            record.msg, record.args = redacted(record.getMessage()), ()
        return True


_filter = _Redacting()


def keep_secrets() -> None:
    """Have botocore's loggers leave secrets out, in this process. May be called twice."""
    for name in _LOGGERS:
        logging.getLogger(f"botocore.{name}").addFilter(_filter)  # one filter is added once
