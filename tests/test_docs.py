"""The pages and the README: every block of code runs as it stands, every link inside the project leads somewhere."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

import s3nb
from s3nb import errors
from s3nb.sandbox import REGION, Sandbox

ROOT = Path(__file__).parents[1]
MADE = ("_build", "generated", "notebooks", "api", "api.md")  # below docs/: written when the pages are built
PAGES = sorted(
    [p for p in (ROOT / "docs").rglob("*.md") if not set(MADE) & set(p.relative_to(ROOT / "docs").parts)]
    + list(ROOT.glob("*.md"))
)
TEXT = {
    "",
    "text",
    "{include}",
    "{toctree}",
    "{eval-rst}",
    "{raw}",
    "{note}",
    "{warning}",
    "{tip}",
    "{image}",
    "{figure}",
}


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def reader(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody who pasted what ``python -m s3nb.sandbox`` prints, and reads in an empty folder."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sandbox")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "no-secret")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- code ---------------------------------------------------------------------------------------------


def _console(example: Example) -> None:
    """Run the lines after ``$``; what stands below each must come out, ``...`` standing for anything."""
    text = example.parsed
    for number, piece in enumerate(re.split(r"^\$ ", text, flags=re.M)):
        if number == 0:
            assert not piece.strip(), f"a console block begins with '$ ', not {piece!r}"
            continue
        command, expected = _split_command(piece)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        printed = done.stdout
        if expected.strip():
            pattern = re.escape(expected.strip()).replace(re.escape("..."), ".*?").replace(r"\ ", r"[ ]+")
            assert re.fullmatch(pattern, printed.strip(), re.S), f"$ {command}\n{printed}\n-- expected --\n{expected}"
        else:
            assert done.returncode == 0, f"$ {command}\nended with {done.returncode}\n{printed}"


def _split_command(piece: str) -> tuple[str, str]:
    lines = piece.splitlines()
    end = 1
    while lines[end - 1].endswith("\\"):
        end += 1
    return "\n".join(lines[:end]), "\n".join(lines[end:])


def _setup_lines(example: Example) -> None:
    """What sets things up is not run here (it would run inside itself): it must name what there is."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    for line in example.parsed.splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == "make":
            assert set(words[1:]) <= {*targets} or "=" in words[-1], f"no target: {line}"
        elif words[:2] == ["pip", "install"]:
            for extra in re.findall(r"\.\[([^]]*)\]", line):
                assert set(extra.split(",")) <= set(extras), f"no extra: {line}"
        else:
            assert words[0] in ("git", "cd", "apt-get", "sudo", "export", "eval"), f"not tried by any test: {line}"


def _notebook_cell(example: Example) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    namespace = example.namespace
    shell = namespace.get("__shell__")
    if shell is None:
        shell = InteractiveShell()
        shell.user_ns.update(namespace)
        namespace["__shell__"] = shell
    done = shell.run_cell(example.parsed, store_history=False)
    done.raise_error()
    namespace.update({k: v for k, v in shell.user_ns.items() if not k.startswith("_")})


def _parses(read: Any) -> Any:
    def evaluate(example: Example) -> None:
        read(example.parsed)

    return evaluate


def _ini(text: str) -> None:
    configparser.ConfigParser().read_string(text)


SYBIL = Sybil(
    [
        SkipParser(),
        PythonCodeBlockParser(),
        CodeBlockParser("console", _console),
        CodeBlockParser("sh", _setup_lines),
        CodeBlockParser("ipython", _notebook_cell),
        CodeBlockParser("ini", _parses(_ini)),
        CodeBlockParser("toml", _parses(tomllib.loads)),
        CodeBlockParser("json", _parses(json.loads)),
    ]
)
RUN = {"python", "console", "sh", "ipython", "ini", "toml", "json"}


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_block_of_code_runs(page: Path, reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = page.read_text("utf-8")
    languages = set(re.findall(r"^ *```+ *([^\s`]*)", text, re.M))
    assert languages <= RUN | TEXT, f"a language that no test runs: {languages - RUN - TEXT}"
    document: Document = SYBIL.parse(page)
    try:
        for example in document.examples():
            example.evaluate()
    finally:
        for made in document.namespace.values():
            if hasattr(made, "close") and type(made).__module__.startswith("s3nb"):
                made.close()


def test_no_block_is_left_out_in_silence() -> None:
    """One is: it wants a cluster of several machines, and says so."""
    skips = [(_id(p), line) for p in PAGES for line in re.findall(r"^%.*skip.*$", p.read_text("utf-8"), re.M)]
    assert skips == [("docs/scale.md", "% skip: next")]
    assert "do not\nrun this block" in (ROOT / "docs" / "scale.md").read_text("utf-8")


# -- links ----------------------------------------------------------------------------------------------


def _anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    heads = re.findall(r"^#+ +(.*?) *$", text, re.M)
    slugs = {re.sub(r"[^\w\- ]", "", h.replace("`", "").lower()).replace(" ", "-") for h in heads}
    return slugs | set(re.findall(r"^\(([^)]+)\)=", text, re.M))


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    text = re.sub(r"`[^`\n]*`", "", text)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            assert link.startswith(("https://", "mailto:")), f"{_id(page)}: {link}"
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if set(MADE) & set(target.relative_to(ROOT).parts):
            continue  # Sphinx looks after those: a bad one fails the build
        assert target.exists(), f"{_id(page)}: {link} leads nowhere"
        if anchor and target.suffix == ".md":
            assert anchor in _anchors(target), f"{_id(page)}: {link}: no such heading"


# -- what the code says, and the pages must ------------------------------------------------------------

SOURCES = sorted((ROOT / "s3nb").rglob("*.py"))


def _variables() -> Iterator[str]:
    """Yield the environment variables that are read, from ``os.environ`` or a copy of it, or named as ours in any text."""
    for path in SOURCES:
        text = path.read_text("utf-8")
        yield from re.findall(r"\bS3NB_[A-Z_]+\b", text)
        yield from re.findall(r"environ(?:ment)?(?:\.get\(|\[)\s*[\"']([A-Za-z_]+)[\"']", text)
        yield from re.findall(r"[\"']([A-Za-z_]+)[\"'] (?:not )?in (?:os\.)?environ", text)
        yield from re.findall(r"[\"'](METAFLOW_[A-Z0-9_]+)[\"']", text)


def test_every_variable_that_is_read_is_described() -> None:
    described = (ROOT / "docs" / "reference" / "environment.md").read_text("utf-8")
    read = set(_variables())
    assert {"S3NB_PROGRESS", "AWS_PROFILE", "METAFLOW_HOME"} <= read
    missing = {name for name in read if f"`{name}`" not in described and f"`{name.upper()}`" not in described}
    assert not missing, f"docs/reference/environment.md says nothing of {missing}"


def test_the_table_of_features_has_the_rows_that_are_run() -> None:
    from benchmarks import features

    text = (ROOT / "README.md").read_text("utf-8")
    assert f"| | {' | '.join(features.CLIENTS)} |" in text
    missing = [title for title, _, _ in features.ROWS if f"\n| {title} |" not in text]
    assert not missing, f"python -m benchmarks.features; the README has no {missing}"


TROUBLE = ROOT / "docs" / "howto" / "troubleshooting.md"
_OTHERS = {  # words of messages that are not s3nb's own: libcurl's, argparse's
    "Failed to connect", "Could not resolve host", "Connection reset", "Operation timed out", "Operation too slow",
    "unrecognized arguments",
}  # fmt: skip


def _errors() -> dict[str, type]:
    return {k: v for k, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.S3Error)}


def test_troubleshooting_has_every_error_every_warning_and_every_code_of_s3() -> None:
    text = TROUBLE.read_text("utf-8")
    warnings = {n for n in s3nb._LAZY if n.endswith("Warning")}
    missing = {name for name in (*_errors(), *warnings) if not re.search(rf"\b{name}\b", text)}
    assert not missing, f"{_id(TROUBLE)} says nothing of {missing}"
    missing = {code for code in errors._BY_CODE if not re.search(rf"\b{code}\b", text)}
    assert not missing, f"{_id(TROUBLE)} says nothing of S3's {missing}"


def test_the_messages_that_troubleshooting_goes_by_are_those_of_the_code() -> None:
    said = "\n".join(path.read_text("utf-8") for path in SOURCES)
    said = re.sub(r"[\"']\s*\n\s*f?[\"']", "", said)  # a text that goes on in the next line of the source
    messages = TROUBLE.read_text("utf-8").partition("\n## No error, but\n")[0]
    heads = [piece for head in re.findall(r"^### (.*)$", messages, re.M) for piece in head.split(", ")]
    assert len(heads) > 50
    known = {*errors._BY_CODE, *_errors(), *_OTHERS, "1 object of 3 failed"}
    unknown = [head for head in heads if head not in known and head not in said]
    assert not unknown, f"no message has these words any more: {unknown}"
