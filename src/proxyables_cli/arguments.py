"""The argument syntax of ``call`` and ``set``: words of a shell as values.

========== =======================================================
``42``     what is valid JSON is that value; anything else is text
``=42``    the text ``42``
``:=42``   must be JSON
``@FILE``  the text of a file, or its bytes where it is not UTF-8
``:@FILE`` the JSON in a file
``@-``     standard input, once
========== =======================================================

``name=WORD`` is a keyword argument whose word follows the same rules, and ``name:=JSON`` one that
must be JSON. What would be JSON only because it looks like it stays text where the remote
signature wants a ``str``. JSON may hold the forms that ``output`` writes for what JSON lacks, so
that what one call printed can be given to the next.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from proxyables.proxies.signatures import parse_signature
from proxyables_cli import forms
from proxyables_cli.commands import PROTECTED
from proxyables_cli.exits import Code, Failure

_KEYWORD = re.compile(r"(?P<name>[^\W\d]\w*)(?P<sign>:?=)(?P<word>.*)", re.DOTALL)
_NEGATIVE = re.compile(r"-\.?[0-9].*", re.DOTALL)

_TEXT = ("str", "str | None", "None | str", "Optional[str]", "typing.Optional[str]")

Value = Any
"""Whatever JSON can say, and the values of ``forms``."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call.

    Attributes:
        name: Of a keyword argument; None for a positional one.
        word: What was written, without the name.
        value: What it says.
        is_guess: Whether it is JSON only by its looks.
    """

    name: str | None
    word: str
    value: Value
    is_guess: bool = False

    def settled(self, *, is_text: bool) -> Value:
        """Returns the value, where the signature may have said that it is text."""
        return self.word if self.is_guess and is_text and self.value is not None else self.value


class Words:
    """Reads argument words; remembers that standard input was used up."""

    def __init__(self) -> None:
        self._stdin_used = False

    def arguments(self, words: Sequence[str], file: str | None = None) -> list[Argument]:
        """Reads all arguments: those of a file of JSON first, if there is one, then words.

        Raises:
            Failure: A word that says it is JSON or a file and is not, or a keyword twice.
        """
        return self.following([] if file is None else self.from_file(file), words)

    def following(self, given: Sequence[Argument], words: Sequence[str]) -> list[Argument]:
        """Reads the words that follow arguments of a file.

        Raises:
            Failure: As of `arguments`.
        """
        found = list(given)
        for word in words:
            match = _KEYWORD.fullmatch(word)
            name = None if match is None else match["name"]
            text = word if match is None else match["word"]
            if match is not None and match["sign"] == ":=":
                value = self.value(f":={text}")
                found.append(Argument(name, text, value))
                continue
            value = self.value(text)
            plain = not text.startswith(("=", ":=", "@", ":@"))
            found.append(Argument(name, text, value, plain and value != text))
        _check_order(found, len(given))
        return found

    def from_file(self, path: str) -> list[Argument]:
        """Reads a JSON array of positional arguments, or a JSON object of keyword arguments.

        Raises:
            Failure: It cannot be read, or holds something else.
        """
        if path.lstrip().startswith(("[", "{")) and not os.path.exists(path):
            told = f"--args-json takes the name of a file that holds the JSON, got {path!r}"
            raise Failure(Code.USAGE, told, "- reads standard input")
        content = _json(_text(self._read(path), path), what=_name(path))
        if isinstance(content, list):
            return [Argument(None, "", value) for value in content]
        if isinstance(content, dict) and all(map(str.isidentifier, content)):
            return [Argument(name, "", value) for name, value in content.items()]
        hint = 'write [1, 2] for positional arguments, or {"name": 1} for keyword arguments'
        raise Failure(Code.BAD_DATA, f"{_name(path)} holds no arguments", hint)

    def value(self, word: str) -> Value:
        """Reads one word.

        Raises:
            Failure: It says that it is JSON or a file, and is not.
        """
        if word.startswith("="):
            return word[1:]
        if word.startswith(":="):
            return _json(word[2:], what=f"{word!r}")
        if word.startswith(":@"):
            return _json(_text(self._read(word[2:]), word[2:]), what=_name(word[2:]))
        if word.startswith("@"):
            read = self._read(word[1:])
            try:
                return read.decode()
            except UnicodeDecodeError:
                return read
        try:
            parsed = _parse(word)
        except (json.JSONDecodeError, _NoConstant):
            return word
        except ValueError as error:
            hint = f"write ={word:.20}… for the text"
            raise Failure(Code.BAD_DATA, f"{word:.40}… cannot be read: {error}", hint) from None
        try:
            return forms.load(parsed)
        except ValueError as error:
            hint = 'write {"$map": [["$name", …]]} for an object of your own, = before it for text'
            raise Failure(Code.BAD_DATA, f"{word!r} is no value: {error}", hint) from None

    def _read(self, path: str) -> bytes:
        if path != "-":
            try:
                with open(path, "rb") as file:
                    return file.read()
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or str(error)
                raise Failure(Code.USAGE, f"cannot read {path!r}: {why.lower()}") from None
        if self._stdin_used:
            told = "standard input can be read once, and what reads it stands twice"
            raise Failure(Code.USAGE, told, "@-, :@- and --args-json - do")
        self._stdin_used = True
        return b"" if sys.stdin is None else sys.stdin.buffer.read()


def _check_order(arguments: Sequence[Argument], from_file: int) -> None:
    """Refuses positional arguments behind keywords, and keywords that stand twice.

    Args:
        arguments: All.
        from_file: How many of them, from the first on, are those of a file.
    """
    first, seen = "", dict[str, int]()
    for place, each in enumerate(arguments):
        if each.name is None:
            if first:
                told = f"{each.word!r} follows the keyword {first}="
                hint = "write positional arguments first"
                if seen[first] < from_file:
                    told += ", which --args-json gives before all words"
                    hint = "write its keywords as NAME=VALUE, behind the positional arguments"
                raise Failure(Code.USAGE, told, hint)
            continue
        first = first or each.name
        if each.name in seen:
            where = ", once by --args-json" if seen[each.name] < from_file else ""
            raise Failure(Code.USAGE, f"the keyword {each.name!r} is given twice{where}")
        seen[each.name] = place


def settle(
    arguments: Sequence[Argument], signature: str | None
) -> tuple[list[Value], dict[str, Value]]:
    """Splits arguments into positional and keyword ones; the signature decides what is text.

    Args:
        arguments: As `Words.arguments` gives them.
        signature: Of what is called, as the other side told it; None if it is not known.
    """
    named, places, rest = _text_parameters(signature)
    positional: list[Value] = []
    keywords: dict[str, Value] = {}
    for each in arguments:
        if each.name is not None:
            keywords[each.name] = each.settled(is_text=named.get(each.name, False))
        else:
            at = len(positional)
            positional.append(each.settled(is_text=places[at] if at < len(places) else rest))
    return positional, keywords


def _text_parameters(signature: str | None) -> tuple[dict[str, bool], list[bool], bool]:
    """Tells which parameters take text: by name, by place, and those beyond the last place."""
    named: dict[str, bool] = {}
    places: list[bool] = []
    beyond = False
    parsed = parse_signature(signature)
    for each in () if parsed is None else parsed.parameters.values():
        is_text = str(each.annotation).strip("'\"") in _TEXT
        if each.kind is each.VAR_POSITIONAL:
            beyond = is_text
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
            places.append(is_text)
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            named[each.name] = is_text
    return named, places, beyond


def protect_negative(argv: list[str]) -> list[str]:
    """Lets a negative number be an argument instead of an unknown option.

    Option parsers take every word with a leading dash for an option. Up to ``--`` those that begin
    like numbers get a mark before them, which `commands.unprotected` takes away again.
    """
    end = argv.index("--") if "--" in argv else len(argv)
    return [
        f"{PROTECTED}{word}" if at < end and _NEGATIVE.fullmatch(word) else word
        for at, word in enumerate(argv)
    ]


def _text(read: bytes, path: str) -> str:
    try:
        return read.decode()
    except UnicodeDecodeError:
        raise Failure(Code.BAD_DATA, f"{_name(path)} is not UTF-8 text") from None


def _name(path: str) -> str:
    return "standard input" if path == "-" else f"the file {path!r}"


def _json(text: str, *, what: str) -> Value:
    try:
        return forms.load(_parse(text))
    except ValueError as error:
        raise Failure(Code.BAD_DATA, f"{what} is not JSON: {error}") from None


def _parse(text: str) -> Value:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


class _NoConstant(ValueError):
    """What looks like a constant of JSON's and is none."""


def _refuse(constant: str) -> NoReturn:
    raise _NoConstant(f"{constant} is not a JSON value")


__all__ = ["Argument", "Words", "protect_negative", "settle"]
