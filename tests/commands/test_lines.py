"""A line becomes words: quoting, comments, values filled in; bodies become keys."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3nb import S3GetObject
from s3nb.commands import UsageError, Word
from s3nb.commands.lines import Value, keys_of, pairs_of, quoted, tokens, words


def plain(line: str, **names: Any) -> list[Any]:
    """The words of a line, values and words alike."""
    return [word.value if isinstance(word, Value) else word for word in words(line, names)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("  ls   s3://b/x ", ["ls", "s3://b/x"]),
        ('get "a key.csv"', ["get", "a key.csv"]),
        ("get 'a key.csv'", ["get", "a key.csv"]),
        ('--opt="a b"', ["--opt=a b"]),
        (r"a\ b \'c", ["a b", "'c"]),
        ('"a\\"b" "a\\nb"', ['a"b', "a\\nb"]),
        ("''", [""]),
        ("a\"b\"'c'", ["abc"]),
        ("ls x # a comment 'with an open quote", ["ls", "x"]),
        ("get a#b", ["get", "a#b"]),
        ("# nothing", []),
        ("get a;", ["get", "a"]),
        ("get a ;", ["get", "a"]),
        ("get a; # quiet", ["get", "a"]),
        ("get 'a;'", ["get", "a;"]),
        ("get a;b", ["get", "a;b"]),
        ("get $ 5$ a$1", ["get", "$", "5$", "a$1"]),
        ("$$home {{x}} a{{b}}c", ["$home", "{x}", "a{b}c"]),
        ("'$home' '{x}'", ["$home", "{x}"]),
    ],
)
def test_words_are_cut_as_a_posix_shell_cuts_them(line: str, expected: list[str]) -> None:
    assert plain(line) == expected


def test_a_name_or_expression_that_is_a_whole_word_is_the_object_itself() -> None:
    keys, path = ["a", "b"], PurePosixPath("x/y")
    got = plain("get_many $keys {keys[1:]} {path} {len(keys)} {{}}", keys=keys, path=path)
    assert got[1] is keys
    assert got[2:] == [["b"], path, 2, "{}"]


def test_within_a_word_values_are_formatted_as_in_an_f_string() -> None:
    got = plain(
        "s3://b/{year}-{n:02d}/$name.csv {f:.{digits}f} {name!r} {name!r:>8} {d['a b']} {'x:y'} {'}'}x \"{name} z\"",
        year=2026, n=3, name="x", f=1.23456, digits=2, d={"a b": 1},
    )  # fmt: skip
    assert got == ["s3://b/2026-03/x.csv", "1.23", "'x'", "     'x'", 1, "x:y", "}x", "x z"]


def test_names_and_comparisons_in_expressions() -> None:
    assert plain("{[k for k in keys if k != 'a']} {(lambda x: x + 1)(1)}", keys=["a", "b"]) == [["b"], 2]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("get s3://b/{yeer}", "name 'yeer' is not defined (did you mean 'year'?)"),
        ("get $yeer", "name 'yeer' is not defined (did you mean 'year'?)"),
        ("get $zzz", "name 'zzz' is not defined"),
        ("get {year", "the brace is not closed: {year: write {{ for the character"),
        ("get year}", "write }} for the character"),
        ("get {}", "{} holds no expression"),
        ("get {a b}", "{a b} is no Python expression"),
        ("get {1/0}", "{1/0}: ZeroDivisionError: division by zero"),
        ("get x{year:zz}", "{year:zz}: "),
        ("get {year!x}", "the conversion is !r, !s or !a, not '!x'"),
        ("get 'open", "the quotation is not closed: 'open"),
        ('get "open', 'the quotation is not closed: "open'),
        ("get a\\", "a backslash at the end of the line quotes nothing"),
        ("get a\0b", "a NUL character"),
    ],
)
def test_what_cannot_be_read_is_named(line: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        words(line, {"year": 2026})
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_raw_switches_values_off() -> None:
    assert plain("get --raw $x {y} {") == ["get", "$x", "{y}", "{"]


def test_a_value_is_never_cut_nor_an_option() -> None:
    got = words("rm $key --yes {key}x", {"key": "a b --yes"})
    assert got == ["rm", Value("a b --yes"), "--yes", Value(Word("a b --yesx"))]


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("a*.csv", "a*.csv"),
        ("'a*.csv'", None),
        ("a.csv", None),
        ("{name}*", "[*][[]x*"),
        ("'[a]'?", "[[]a]?"),
        ("$name", None),
    ],
)
def test_only_what_was_typed_without_quotes_is_a_wildcard(line: str, pattern: str | None) -> None:
    (word,) = plain(line, name="*[x")
    assert getattr(word, "pattern", None) == pattern


@given(st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"])))
def test_a_quoted_word_is_read_as_what_it_was(text: str) -> None:
    for quote in ("", "'", '"'):
        assert plain(quoted(text, quote)) == [text] or (text == "" and quote == "")


def test_a_line_that_is_still_typed_says_which_quotation_is_open() -> None:
    assert [(t.text, t.open, t.start) for t in tokens("get 'a b", unfinished=True)] == [("get", "", 0), ("a b", "'", 4)]
    assert [(t.text, t.open) for t in tokens('"a {x', unfinished=True)] == [("a {x", '"')]


def test_a_body_is_a_key_a_line_or_json_lines() -> None:
    assert keys_of("a b\n\n {x}$y \nc\r\n") == ["a b", " {x}$y ", "c"]
    assert keys_of('"a\\nb"\n{"key": "k", "offset": 1, "length": 2}\n{"url": "s3://b/x", "size": 3}') == [
        "a\nb",
        S3GetObject("k", 1, 2),
        S3GetObject("s3://b/x"),
    ]
    assert pairs_of('{"key": "a", "value": "x y"}\n["b", "z"]\n', "value") == [("a", "x y"), ("b", "z")]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"key": 1}', "line 1: expected a JSON string or an object"),
        ('"a"\nb', "line 2 is no JSON"),
        ('"a"\n[1]', "line 2: expected"),
    ],
)
def test_a_bad_line_of_a_body_is_named_by_its_number(body: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        keys_of(body)
