"""Names and words of hostile people, through every verb: as text, as HTML, as JSON, as usage errors, as completions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from s3nb import S3, S3Error, commands
from s3nb.commands.complete import Completer, typed
from s3nb.commands.lines import quoted
from s3nb.commands.results import as_json
from s3nb.jobs import Job
from s3nb.testing import Fault, MemoryWire
from tests.hostile import KEYS, MESSAGES, TEXTS, live, raw

WORDS = [text for text in TEXTS if "\0" not in text and "\ud800" not in text]


@pytest.fixture
def wire() -> MemoryWire:
    return MemoryWire({"box": dict.fromkeys(KEYS, b"x")})


@pytest.fixture
def session(wire: MemoryWire) -> Iterator[commands.Session]:
    found = commands.Session(make=lambda folder, **options: S3(folder, wire=wire, **options))
    yield found
    found.close()


def shown(result: Any) -> Iterator[str]:
    """Everything that may be seen of a result."""
    from IPython.lib.pretty import pretty

    yield pretty(result)
    if hasattr(result, "_repr_mimebundle_"):
        bundle = result._repr_mimebundle_()
        assert not live(bundle["text/html"])
        yield bundle["text/plain"]
    for line in as_json(result):
        text = json.dumps(line)
        assert text.isascii()
        assert text.isprintable()


@pytest.mark.parametrize(
    "line",
    [
        "ls s3://box", "ls -r s3://box", "find s3://box --larger 0", "du -d s3://box", "rm -r s3://box --dry-run",
        "cp -r s3://box s3://other --dry-run", "get_recursive s3://box --dry-run", "info_many $keys", "rm $keys --yes", "jobs",
    ],
)  # fmt: skip
def test_results_show_names_as_text(session: commands.Session, line: str) -> None:
    result = commands.run(commands.parse(commands.words(line, {"keys": [f"s3://box/{key}" for key in KEYS]})), session)
    for text in shown(result):
        assert not raw(text), text


@pytest.mark.parametrize("word", WORDS, ids=lambda word: ascii(word[:20]))
def test_usage_errors_quote_words_safely(word: str) -> None:
    lines: list[Callable[[], Any]] = [
        lambda: commands.parse([word]),
        lambda: commands.parse(["get", "k", word]),
        lambda: commands.parse(["get", "k", f"--{word}"]),
        lambda: commands.parse(["get", "k", "--length", word]),
        lambda: commands.parse(["presign", "k", "--method", word]),
        lambda: commands.parse(["get", "k", "--out", word]),
        lambda: commands.words(f"get '{word.replace(chr(39), '')}"),
        lambda: commands.words(f"get {{{word}}}", {}),
    ]
    for line in lines:
        told = ""
        try:
            line()
        except commands.UsageError as exc:
            told = str(exc)
        except commands.HelpAsked:
            pass
        assert not raw(told), told
        assert "\n" not in told


def test_questions_and_errors_show_names_safely(session: commands.Session, wire: MemoryWire) -> None:
    asked: list[str] = []
    session.ask = lambda question: asked.append(question) or "n"  # type: ignore[func-returns-value]
    for key in KEYS:
        with pytest.raises(commands.Declined):
            commands.run(commands.parse(commands.words("rm $key", {"key": f"s3://box/{key}"})), session)
    for message in MESSAGES:
        wire.faults[:] = [
            Fault(status=400, body=None, code=message.encode("utf-8", "replace").decode()[:200], times=None)
        ]
        with pytest.raises(S3Error) as caught:
            commands.run(commands.parse(["info", "s3://box/k"]), session)
        asked.append(str(caught.value))
    for text in asked:
        assert not raw(text), text


def test_jobs_show_their_lines_as_text() -> None:
    for title in TEXTS:
        job = Job(lambda: None, title)
        job.wait(30)
        for text in (*shown(job), repr(job)):
            assert not raw(text), text


def test_completions_never_break_a_line(session: commands.Session) -> None:
    completer = Completer(session, commands.VERBS)
    completer.budget = 60.0
    for found in completer.candidates(["ls"], "s3://box/"):
        assert found.text.isprintable()
        line = f"ls {quoted(found.text)}"
        (_, word) = commands.words(line, {})
        assert word == found.text
        assert typed(line) is not None
