"""What tests run in other processes; it imports nothing of the tests, as their set-up would run there once more."""

from __future__ import annotations

from s3nb import S3


def text_of(s3: S3, key: str) -> str | None:
    with s3:
        return s3.get(key).text
