"""What to do about an error, said in a line below it."""

from __future__ import annotations

import pytest

from s3nb.commands.hints import hint
from s3nb.testing import Fault, MemoryWire

from .test_verbs import Do


@pytest.mark.parametrize(
    ("line", "fault", "told"),
    [
        ("ls s3://box", Fault(status=400, code="ExpiredToken", times=None), "aws sso login"),
        ("ls s3://box", Fault(status=403, code="InvalidAccessKeyId", times=None), "check profile"),
        ("get s3://box/a.txt", Fault(status=403, code="AccessDenied", times=None), "%s3 config shows whose"),
        ("get_many s3://box/a.txt s3://box/esc", Fault(status=403, code="AccessDenied", times=None), "--profile NAME"),
        ("ls s3://nowhere", None, "check its name and the endpoint"),
        ("get s3://box/none", None, ""),
    ],
)
def test_an_error_says_what_to_do(do: Do, wire: MemoryWire, line: str, fault: Fault | None, told: str) -> None:
    if fault is not None:
        wire.faults.append(fault)
    with pytest.raises(OSError) as caught:
        do(line)
    assert told in hint(caught.value, "%s3")
    assert bool(told) == bool(hint(caught.value, "%s3"))
