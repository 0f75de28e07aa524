"""A ``with`` block of somebody's own layer that fails writes nothing; a file that is meant to be closed is written.

In each case the object was b"old" before.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from s3nb.files import leaving

from .conftest import Memory

Make = Callable[..., Memory]
Open = Callable[..., Any]


class Failure(Exception):
    pass


def fail() -> None:
    raise Failure


# -- what is left by an exception ---------------------------------------------------------------------------


def text_layer(opened: Open) -> None:
    with io.TextIOWrapper(opened("wb")) as file:
        file.write("half")
        fail()


def buffer_and_text(opened: Open) -> None:
    with io.TextIOWrapper(io.BufferedWriter(opened("wb"))) as file:
        file.write("half")
        fail()


def codec_of_the_standard_library(opened: Open) -> None:
    with codecs.getwriter("utf-8")(opened("wb")) as file:
        file.write("half")
        fail()


def closing(opened: Open) -> None:
    with contextlib.closing(opened("w")) as file:
        file.write("half")
        fail()


def exit_stack(opened: Open) -> None:
    with contextlib.ExitStack() as stack:
        file = opened("wb")
        stack.callback(file.close)
        file.write(b"half")
        fail()


def one_that_seeks(opened: Open) -> None:
    with io.TextIOWrapper(opened("w+b")) as file:
        file.write("half")
        fail()


def compressed(opened: Open) -> None:
    with io.TextIOWrapper(opened("wb", compression="gzip")) as file:
        file.write("half")
        fail()


def in_the_handling_of_another(opened: Open) -> None:
    try:
        raise ValueError
    except ValueError:
        with io.TextIOWrapper(opened("wb")) as file:
            file.write("half")
            fail()


def interrupted(opened: Open) -> None:
    with contextlib.suppress(KeyboardInterrupt), io.TextIOWrapper(opened("wb")) as file:
        file.write("half")
        raise KeyboardInterrupt


def generator_that_nobody_draws_from_any_more(opened: Open) -> None:
    def rows() -> Iterator[None]:
        with io.TextIOWrapper(opened("wb")) as file:
            file.write("half")
            yield

    drawn = rows()
    next(drawn)
    drawn.close()


def coroutine(opened: Open) -> None:
    async def write() -> None:
        with io.TextIOWrapper(opened("wb")) as file:
            file.write("half")
            await asyncio.sleep(0)
            fail()

    asyncio.run(write())


@pytest.mark.parametrize(
    "write",
    [
        text_layer, buffer_and_text, codec_of_the_standard_library, closing, exit_stack, one_that_seeks, compressed,
        in_the_handling_of_another, interrupted, generator_that_nobody_draws_from_any_more, coroutine,
    ],
)  # fmt: skip
def test_what_fails_keeps_what_was_there(write: Callable[[Open], None], memory: Make) -> None:
    m = memory({"k": b"old"})
    with contextlib.suppress(Failure):
        write(lambda mode, **more: m.open("k", mode, **more))
    assert m.wire.body("bkt", "k") == b"old"
    assert not m.wire.requests("PutObject")


# -- what is closed on purpose, whatever is being handled ----------------------------------------------------


def report_of_a_failure(opened: Open) -> None:
    try:
        fail()
    except Failure:
        with io.TextIOWrapper(opened("wb")) as file:
            file.write("meant")


def closed_by_the_handler(opened: Open) -> None:
    file = io.TextIOWrapper(opened("wb"))
    file.write("meant")
    try:
        fail()
    except Failure:
        file.close()


def layer_put_on_by_the_handler(opened: Open) -> None:
    below = opened("wb")
    try:
        fail()
    except Failure:
        with io.TextIOWrapper(below) as file:
            file.write("meant")


def closed_before_the_failure(opened: Open) -> None:
    with io.TextIOWrapper(opened("wb")) as file:
        file.write("meant")
        file.close()
        fail()


class Journal:
    """Keeps what was written, and says why there is no more: its own `__exit__` has decided so."""

    def __init__(self, file: Any) -> None:
        self._file = io.TextIOWrapper(file)

    def __enter__(self) -> Journal:
        self._file.write("mea")
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is not None:
            self._file.write("nt")
        self._file.close()


def ones_own_layer(opened: Open) -> None:
    with Journal(opened("wb")):
        fail()


class Reporter:
    def __init__(self, opened: Open) -> None:
        self._opened = opened

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        with io.TextIOWrapper(self._opened("wb")) as file:
            file.write("meant")


def report_of_a_layer_that_fails(opened: Open) -> None:
    with Reporter(opened):
        fail()


def report_of_a_stack_that_fails(opened: Open) -> None:
    def report() -> None:
        with io.TextIOWrapper(opened("wb")) as file:
            file.write("meant")

    with contextlib.ExitStack() as stack:
        stack.callback(report)
        fail()


def wanted_in_any_case(opened: Open) -> None:
    with io.TextIOWrapper(opened("wb", on_error="commit")) as file:
        file.write("meant")
        fail()


def committed(opened: Open) -> None:
    below = opened("wb")
    with contextlib.ExitStack() as stack:
        stack.callback(below.commit)
        below.write(b"meant")
        fail()


@pytest.mark.parametrize(
    "write",
    [
        report_of_a_failure, closed_by_the_handler, layer_put_on_by_the_handler, closed_before_the_failure, ones_own_layer,
        report_of_a_layer_that_fails, report_of_a_stack_that_fails, wanted_in_any_case, committed,
    ],
)  # fmt: skip
def test_what_is_meant_is_written(write: Callable[[Open], None], memory: Make) -> None:
    m = memory({"k": b"old"})
    with contextlib.suppress(Failure):
        write(lambda mode, **more: m.open("k", mode, **more))
    assert m.wire.body("bkt", "k") == b"meant"


def test_where_the_stack_does_not_tell_a_file_is_written_when_it_is_closed(
    memory: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "_LEAVES", -1)  # an interpreter of other instructions
    m = memory({"k": b"old"})
    with contextlib.suppress(Failure):
        text_layer(lambda mode: m.open("k", mode))
    assert m.wire.body("bkt", "k") == b"half"
