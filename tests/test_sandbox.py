"""The server for trying things out."""

from __future__ import annotations

import hashlib

from s3nb import S3
from s3nb.sandbox import Sandbox, samples


def test_sums_are_made_before_anybody_reads() -> None:
    """moto makes an ETag at the first question, in the file that readers move about in, and keeps what it got."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    with Sandbox() as sandbox:
        held = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[sandbox.bucket].keys
        for sample in samples():
            if sample.key in held:
                assert held[sample.key]._etag == hashlib.md5(sample.body).hexdigest(), sample.key


def test_the_samples_are_there_after_a_mock_of_aws_has_emptied_the_store() -> None:
    from moto import mock_aws

    with Sandbox(populate=False):  # another one of this process, so that the last has not gone
        with Sandbox():
            pass
        with mock_aws():
            pass
        with Sandbox() as again, S3(bucket=again.bucket, **again.client_options) as s3:
            assert s3.get("readme.txt").exists
