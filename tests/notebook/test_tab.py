"""Tab in a shell of this process, and in a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from s3nb import S3

from .conftest import text_of


@pytest.fixture
def tab(ipython: Any, shell: str) -> Callable[[str], list[str]]:
    """Presses Tab at the end of a text; returns what may stand in place of the word there."""
    with S3(s3root=shell) as s3:
        s3.put_many([("data/a b.txt", ""), ("data/c.txt", ""), ("data/it's", ""), ("data/$x", ""), ("other", "")])
    ipython.magics_manager.registry["S3Magics"].completion_timeout = 60.0

    def press(text: str) -> list[str]:
        from IPython.core.completer import provisionalcompleter

        with provisionalcompleter():
            found = list(ipython.Completer.completions(text, len(text)))
        return [text[: c.start] + c.text + text[c.end :] for c in found]

    return press


def test_tab_behind_the_magic(tab: Callable[[str], list[str]], ipython: Any, shell: str) -> None:
    assert tab("%s3 get_m") == ["%s3 get_many"]
    assert tab("x = 1\nfound = %s3 get_re") == ["x = 1\nfound = %s3 get_recursive"]
    assert tab("    %s3 ls --recu") == ["    %s3 ls --recursive"]
    assert tab("%%s3 get_m") == ["%%s3 get_many"]
    assert f"%s3 ls {shell}/" in tab("%s3 ls s3://")
    assert tab(f"%s3 get {shell}/da") == [f"%s3 get {shell}/data/"]
    assert tab(f"%s3 get {shell}/data/") == [
        f"%s3 get '{shell}/data/$x'",
        f"%s3 get '{shell}/data/a b.txt'",
        f"%s3 get {shell}/data/c.txt",
        f'%s3 get "{shell}/data/it\'s"',
    ]
    assert tab(f"%s3 get '{shell}/data/a b") == [f"%s3 get '{shell}/data/a b.txt'"]
    assert tab(f'%s3 get "{shell}/data/$') == [f'%s3 get "{shell}/data/$$x"']
    assert tab(f"%s3 info {shell}/other {shell}/o") == [f"%s3 info {shell}/other {shell}/other"]
    ipython.user_ns["keys_of_mine"] = []
    assert tab("%s3 get_many $keys_o") == ["%s3 get_many $keys_of_mine"]
    assert "%s3 get_many $keys_of_mine" in tab("%s3 get_many $")
    assert "%s3 get_many $get_ipython" not in tab("%s3 get_many $")


def test_what_tab_offers_can_be_run(tab: Callable[[str], list[str]], ipython: Any, shell: str) -> None:
    lines = tab(f"%s3 info {shell}/data/")
    found = [ipython.run_cell(line).result for line in lines]
    assert sorted(o.object_key for o in found) == ["data/$x", "data/a b.txt", "data/c.txt", "data/it's"]


def test_other_lines_are_left_alone(tab: Callable[[str], list[str]], ipython: Any) -> None:
    ipython.user_ns["some_name"] = 1
    assert "some_name" in [t.rstrip() for t in tab("some_na")]
    assert all("get_many" not in t for t in tab("s3 get_m"))


def test_tab_in_a_kernel(execute: Callable[..., list[Any]], shell: str) -> None:
    with S3(s3root=shell) as s3:
        s3.put("data/x", "")
    outputs = execute(
        "%load_ext s3nb\n%config S3Magics.completion_timeout = 30",
        f"get_ipython().kernel.do_complete('%s3 ls {shell}/da', len('%s3 ls {shell}/da'))['matches']",
    )
    assert text_of(outputs[1]) == f"['{shell}/data/']"
