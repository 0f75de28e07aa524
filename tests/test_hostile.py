"""Hostile keys, metadata and messages, in everything that shows them: no HTML lives, no terminal obeys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, Results, S3GetObject, S3Object, errors, plain, styled
from s3nb.jobs import Jobs
from s3nb.meter import Meter, line
from s3nb.progress import Flight, Progress, Snapshot
from s3nb.sync import Synced
from s3nb.testing import MemoryWire
from tests import hostile


def results() -> Results:
    """Return one of everything a listing or a transfer can bring, with each text in each place."""
    items: list[Any] = []
    for text in hostile.TEXTS:
        headers = {"content-type": text, "etag": text, "x-amz-meta-a": text, "x-amz-version-id": text, text: text}
        items += [
            S3Object("s3://box", f"s3://box/{text}", size=1, headers=headers, storage_class=text, version_id=text),
            S3Object("s3://box", f"s3://box/{text}/"),
            S3Object("s3://box", f"s3://box/{text}"),
            (text, f"s3://box/{text}"),
            f"s3://box/{text}",
            errors.from_reply(
                operation="GetObject", bucket="box", key=text, status=404, code=text, message=text, request_id=text
            ),
        ]
    return Results(items, verb="get")


def progress() -> Iterator[Snapshot]:
    for text in hostile.TEXTS:
        flights = (Flight(f"s3://box/{text}", 1, None, 9.0), Flight(text, 1, 2, 8.0))
        for total in (None, 1, 9):
            yield Snapshot(text, 1, 1, 1, 1, total, 9, 100, None, 5.0, finished=False, cancelled=False, slowest=flights)


def sinks() -> Iterator[Any]:
    """Yield everything that has a face."""
    found = results()
    yield found
    yield from found[::7]
    yield errors.bulk_error("get", found)
    yield Synced(copied=list(hostile.TEXTS), deleted=list(hostile.TEXTS))
    yield from (item for item in found if isinstance(item, S3Object))


def test_html_of_results_holds_nothing_that_lives() -> None:
    for item in sinks():
        data = item._repr_mimebundle_() if hasattr(item, "_repr_mimebundle_") else {}
        assert hostile.live(data.get("text/html", "")) == []
        assert hostile.raw(data.get("text/plain", "")) == []


def test_text_of_results_holds_nothing_that_a_terminal_obeys() -> None:
    found = results()
    shown = [
        plain.table(found, 10_000),
        plain.table(found, 10_000, 80),
        *(plain.facts(o) for o in found if isinstance(o, S3Object)),
    ]
    shown += [repr(o) for o in found if isinstance(o, S3Object)]
    shown += [str(e) for e in found.failed] + [repr(e) for e in found.failed]
    shown.append(str(errors.bulk_error("get", found)))
    shown.append(str(Synced(copied=list(hostile.TEXTS), deleted=list(hostile.TEXTS))))
    for text in shown:
        assert hostile.raw(text) == []


def test_one_row_is_one_line_whatever_its_name_holds() -> None:
    found = results()
    assert len(plain.table(found, 10_000).split("\n")) == len(found) + 1


def test_progress_holds_neither() -> None:
    for snapshot in progress():
        view = Meter().look(snapshot)
        assert hostile.live(styled.progress([view], snapshot.verb)) == []
        assert hostile.raw(line(view)) == []


def test_jobs_hold_neither() -> None:
    jobs = Jobs()
    for text in hostile.TEXTS[:12]:
        job = jobs.start(lambda text=text: Progress(text, 1).planned(), text)  # type: ignore[misc]
        job.wait(10)
        assert hostile.live(job._repr_mimebundle_()["text/html"]) == []
        assert hostile.raw(repr(job)) == []


@pytest.mark.parametrize("key", hostile.KEYS)
def test_a_round_trip_under_a_hostile_key_shows_it_as_text(key: str, tmp_path: Path) -> None:
    wire = MemoryWire({"box": {}})
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        s3.put(key, b"body", metadata={"text": key})
        for item in (s3.get(key), s3.info(key), s3.list_recursive(), s3.preview(key), s3.get(S3GetObject(key, 0, 2))):
            data = item._repr_mimebundle_()
            assert hostile.live(data["text/html"]) == []
            assert hostile.raw(data["text/plain"]) == []


def test_the_search_for_what_lives_finds_it() -> None:
    for text in hostile.TEXTS[:7]:
        assert hostile.live(text)
    assert hostile.raw("\x1b[2J") == ["\x1b"]
