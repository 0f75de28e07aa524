"""The server for trying things out."""

from __future__ import annotations

import hashlib
import io

from s3nb import S3
from s3nb.sandbox import Sandbox


def test_nobody_else_moves_about_in_an_object_while_its_sum_is_made() -> None:
    """moto makes an ETag at the first question, in the file that readers move about in, and keeps what it got."""
    from moto.s3.models import FakeKey

    with Sandbox(populate=False):
        key = FakeKey("k", b"body", "1", "us-east-1")
        alone = []

        class File(io.BytesIO):
            def read(self, *size: int) -> bytes:
                alone.append(key.lock.locked())
                return super().read(*size)

        key._value_buffer.close()
        key._value_buffer = File(b"body")
        assert key.etag == f'"{hashlib.md5(b"body").hexdigest()}"'
    assert alone
    assert all(alone)


def test_the_samples_are_there_after_a_mock_of_aws_has_emptied_the_store() -> None:
    from moto import mock_aws

    with Sandbox(populate=False):  # another one of this process, so that the last has not gone
        with Sandbox():
            pass
        with mock_aws():
            pass
        with Sandbox() as again, S3(bucket=again.bucket, **again.client_options) as s3:
            assert s3.get("readme.txt").exists
