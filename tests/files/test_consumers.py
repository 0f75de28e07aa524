"""Libraries that take files read and write objects; the list is the one of the docs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import consumers
from benchmarks.consumers import CONSUMERS, Consumer

from .conftest import Bucket, Memory


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("consumer", [c for c in CONSUMERS if c.needs != "torch"], ids=lambda c: c.name)
def test_what_a_library_writes_it_reads_back(consumer: Consumer, memory: Callable[..., Memory]) -> None:
    consumers.check(consumer, f"s3://bkt/{consumer.name}", client=memory().client)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_boto3_uploads_from_a_file_and_downloads_into_one(at: str, inside: Bucket, boto: Any) -> None:
    consumers.check_boto3(boto, inside.name)
