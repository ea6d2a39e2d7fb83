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
must be JSON. JSON may hold the forms that ``output`` writes for what JSON lacks, so that what one
call printed can be given to the next.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, NoReturn

from proxyables_cli import forms
from proxyables_cli.exits import Code, Failure

_KEYWORD = re.compile(r"(?P<name>[^\W\d]\w*)(?P<sign>:?=)(?P<word>.*)", re.DOTALL)
_NEGATIVE = re.compile(r"-[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")

Value = Any
"""Whatever JSON can say, and the values of ``forms``."""


class Words:
    """Reads argument words; remembers that standard input was used up."""

    def __init__(self) -> None:
        self._stdin_used = False

    def arguments(self, words: tuple[str, ...]) -> tuple[list[Value], dict[str, Value]]:
        """Splits words into positional and keyword arguments.

        Raises:
            Failure: A word that says it is JSON or a file and is not, or a keyword twice.
        """
        positional: list[Value] = []
        keywords: dict[str, Value] = {}
        for word in words:
            match = _KEYWORD.fullmatch(word)
            if match is None:
                if keywords:
                    first = next(iter(keywords))
                    raise Failure(
                        Code.USAGE,
                        f"{word!r} follows the keyword {first}=",
                        "write positional arguments first",
                    )
                positional.append(self.value(word))
                continue
            name = match["name"]
            if name in keywords:
                raise Failure(Code.USAGE, f"the keyword {name!r} is given twice")
            value = match["word"]
            keywords[name] = self.value(f":={value}" if match["sign"] == ":=" else value)
        return positional, keywords

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
            return _json(_text(self._read(word[2:]), word[2:]), what=f"the file {word[2:]!r}")
        if word.startswith("@"):
            read = self._read(word[1:])
            try:
                return read.decode()
            except UnicodeDecodeError:
                return read
        try:
            return forms.load(_parse(word))
        except ValueError:
            return word

    def _read(self, path: str) -> bytes:
        if path != "-":
            try:
                with open(path, "rb") as file:
                    return file.read()
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or str(error)
                raise Failure(Code.USAGE, f"cannot read {path!r}: {why.lower()}") from None
        if self._stdin_used:
            raise Failure(Code.USAGE, "standard input can be read once, and '@-' stands twice")
        self._stdin_used = True
        return b"" if sys.stdin is None else sys.stdin.buffer.read()


def protect_negative(argv: list[str]) -> list[str]:
    """Lets a negative number be an argument instead of an unknown option.

    Option parsers take every word with a leading dash for an option. Up to ``--`` the numbers
    among them are rewritten to ``:=-5``, which means the same and does not look like one.
    """
    end = argv.index("--") if "--" in argv else len(argv)
    return [
        f":={word}" if at < end and _NEGATIVE.fullmatch(word) else word
        for at, word in enumerate(argv)
    ]


def _text(read: bytes, path: str) -> str:
    try:
        return read.decode()
    except UnicodeDecodeError:
        raise Failure(Code.BAD_DATA, f"the file {path!r} is not UTF-8 text") from None


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


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


__all__ = ["Words", "protect_negative"]
