"""The argument syntax of ``call`` and ``set``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyables_cli.arguments import Words, protect_negative, settle
from proxyables_cli.commands import PROTECTED, unprotected
from proxyables_cli.exits import Code, Failure


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("42", 42),
        ("-5", -5),
        ("2.5", 2.5),
        ("true", True),
        ("null", None),
        ("hello", "hello"),
        ("", ""),
        ('"42"', "42"),
        ("=42", "42"),
        ("=", ""),
        ("=@file", "@file"),
        (":=42", 42),
        (':={"a": [1]}', {"a": [1]}),
        ("[1, 2", "[1, 2"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("http://host/?a=b", "http://host/?a=b"),
        ('{"$bytes": "AP8="}', b"\x00\xff"),
        ("é", "é"),
    ],
)
def test_one_word_is_read(word: str, value: object) -> None:
    assert settle(Words().arguments((word,)), None) == ([value], {})


def test_keywords_follow_the_same_rules() -> None:
    words = ("1", "b=2", "c=text", "d==2", "e:=[3]", "f=:=4", "g=a=b", "h=")
    assert settle(Words().arguments(words), None) == (
        [1],
        {"b": 2, "c": "text", "d": "2", "e": [3], "f": 4, "g": "a=b", "h": ""},
    )


def test_files_are_text_or_bytes_or_json(tmp_path: Path) -> None:
    text, data, listed = tmp_path / "t", tmp_path / "d", tmp_path / "l.json"
    text.write_text("42\n")
    data.write_bytes(b"\xff\x00")
    listed.write_text("[1, 2]")
    words = (f"@{text}", f"@{data}", f":@{listed}", f"k=:@{listed}")
    assert settle(Words().arguments(words), None) == (["42\n", b"\xff\x00", [1, 2]], {"k": [1, 2]})


def test_standard_input_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe")))
    words = Words()
    assert words.value("@-") == "from a pipe"
    with pytest.raises(Failure, match="stands twice"):
        words.value("@-")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((":=nope",), Code.BAD_DATA, "':=nope' is not JSON"),
        ((":=NaN",), Code.BAD_DATA, "NaN is not a JSON value"),
        ((":=" + "[" * 100_000,), Code.BAD_DATA, "nested too deeply"),
        (('a:={"$bytes": "!"}',), Code.BAD_DATA, r"content of '\$bytes' is wrong"),
        (('{"$ref": "#/x"}',), Code.BAD_DATA, r"'\$ref' is not one of \$bigint"),
        (('[{"$bytes": "!"}]',), Code.BAD_DATA, r"content of '\$bytes' is wrong"),
        (("[" * 5000 + "]" * 5000,), Code.BAD_DATA, "nested (too deeply|deeper than 400 levels)"),
        (("9" * 5000,), Code.BAD_DATA, "4300 digits"),
        ((':={"$evil": 1}',), Code.BAD_DATA, r"'\$evil' is not one of \$bigint"),
        (("@/no/such/file",), Code.USAGE, "cannot read '/no/such/file': no such file"),
        (("a=1", "2"), Code.USAGE, "'2' follows the keyword a="),
        (("a=1", "a=2"), Code.USAGE, "'a' is given twice"),
    ],
)
def test_bad_words_are_explained(words: tuple[str, ...], code: Code, says: str) -> None:
    with pytest.raises(Failure, match=says) as caught:
        Words().arguments(words)
    assert caught.value.code is code


def test_a_json_file_that_is_not_text_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff")
    with pytest.raises(Failure, match="not UTF-8"):
        Words().value(f":@{path}")


def test_negative_numbers_are_no_options() -> None:
    words = ["call", ":9000", "add", "-5", "-2.5e3", "-x", "--", "-5"]
    assert protect_negative(words) == [
        *("call", ":9000", "add", f"{PROTECTED}-5", f"{PROTECTED}-2.5e3", "-x", "--", "-5")
    ]


@pytest.mark.parametrize(("word", "value"), [("-5", -5), ("-2.5e3", -2500.0), ("-.5", "-.5")])
def test_a_negative_number_is_like_any_other(word: str, value: object) -> None:
    typed = unprotected({"arguments": protect_negative([word]), "address": "x", "verbose": 1})
    assert typed == {"arguments": [word], "address": "x", "verbose": 1}
    (argument,) = Words().arguments(typed["arguments"])
    assert settle([argument], "(number: int)") == ([value], {})
    assert settle([argument], "(text: str)") == ([word], {})


@given(st.text())
def test_a_word_after_an_equals_sign_is_itself(text: str) -> None:
    assert Words().value(f"={text}") == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc$", min_size=2), inner),
        max_leaves=10,
    ).filter(lambda value: not (isinstance(value, dict) and "$" in json.dumps(value)))
)
def test_json_is_read_as_json(value: object) -> None:
    text = json.dumps(value)
    if "$" in text:
        return
    assert Words().value(f":={text}") == value
    assert settle(Words().arguments((f"k:={text}",)), None) == ([], {"k": value})


SIGNATURE = "(name: str, count, *rest: 'str | None', label: Optional[str] = None, size: int = 1)"


@pytest.mark.parametrize(
    ("words", "settled"),
    [
        (("12", "12"), (["12", 12], {})),
        (('"12"', '"12"'), (['"12"', "12"], {})),
        ((":=12", "1"), ([12, 1], {})),
        (("=12", "1", "5", "null", "[6]"), (["12", 1, "5", None, "[6]"], {})),
        (("name=12", "count=12"), ([], {"name": "12", "count": 12})),
        (("x", "1", "label=true", "size=2"), (["x", 1], {"label": "true", "size": 2})),
        (("x", "1", "label:=true"), (["x", 1], {"label": True})),
    ],
)
def test_the_signature_says_what_is_text(
    words: tuple[str, ...], settled: tuple[list[Any], dict[str, Any]]
) -> None:
    assert settle(Words().arguments(words), SIGNATURE) == settled


@pytest.mark.parametrize(
    "signature",
    ["(a=<object object>)", "(", "(" * 9999, "(a): pass\ndef g()", f"(a: x{'.y' * 600})"],
)
def test_a_signature_that_says_nothing_changes_nothing(signature: str) -> None:
    assert settle(Words().arguments(("1", "k=2")), signature) == ([1], {"k": 2})


def test_a_file_of_arguments(tmp_path: Path) -> None:
    path = tmp_path / "arguments.json"
    path.write_text('[1, "2", {"$bytes": "AP8="}]')
    assert settle(Words().arguments(("x", "k=3"), str(path)), None) == (
        [1, "2", b"\x00\xff", "x"],
        {"k": 3},
    )
    path.write_text('{"a": "1"}')
    assert settle(Words().arguments(("b=2",), str(path)), "(a: int, b: str)") == (
        [],
        {"a": "1", "b": "2"},
    )


@pytest.mark.parametrize(
    ("content", "words", "says"),
    [
        ("5", (), "holds no arguments"),
        ('{"a b": 1}', (), "holds no arguments"),
        ("[1", (), "is not JSON"),
        ('{"a": 1}', ("a=2",), "the keyword 'a' is given twice, once by --args-json"),
        ('{"a": 1}', ("2",), "'2' follows the keyword a=, which --args-json gives before all"),
        ("{}", ("a=1", "2"), "'2' follows the keyword a=$"),
    ],
)
def test_a_file_that_holds_no_arguments(
    tmp_path: Path, content: str, words: tuple[str, ...], says: str
) -> None:
    path = tmp_path / "arguments.json"
    path.write_text(content)
    with pytest.raises(Failure, match=says):
        Words().arguments(words, str(path))


def test_what_to_do_about_keywords_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "arguments.json"
    path.write_text('{"a": 1}')
    with pytest.raises(Failure) as caught:
        Words().arguments(("2",), str(path))
    assert caught.value.hint == "write its keywords as NAME=VALUE, behind the positional arguments"
    assert settle(Words().arguments(("2", "a=1")), None) == ([2], {"a": 1})


def test_json_in_place_of_a_file_of_it() -> None:
    with pytest.raises(Failure, match=r"takes the name of a file .* got '\{\"a\":1\}'") as caught:
        Words().arguments(("2",), '{"a":1}')
    assert caught.value.code is Code.USAGE


def test_standard_input_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"[")))
    with pytest.raises(Failure, match="standard input is not JSON"):
        Words().arguments((), "-")
