"""Where the cursor is in a cell that somebody is typing: in which calls, behind what.

A cell is mostly not Python yet while it is typed, so no parser will do. One pass over the text
before the cursor keeps the open brackets, and what stands in the innermost one; closed brackets and
strings are single tokens to what is around them. Replacement fields of f-strings are code again.
"""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass, field
from typing import Any

MAX_CHARACTERS = 20_000
"""Longer cells are looked at from here before the cursor only."""
_MAX_LITERAL = 200

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<string>(?i:rb|br|rf|fr|rt|tr|[rbuft])?(?P<quote>\"{3}|'{3}|["']))
    |(?P<name>[^\W\d]\w*)
    |(?P<number>\.?\d[\w.]*)
    |(?P<space>[ \t\r\f\\]+|(?<=\\)\n)
    |(?P<other>.|\n)""",
    re.VERBOSE,
)
_CLOSES = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of code; `kind` is name, number, string, group or other."""

    kind: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a chain; `kind` is ``get``, ``item``, ``call``, or ``opaque`` for what cannot be
    known without running it."""

    kind: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Chain:
    """A path of steps from a name, or from the value of a string.

    Attributes:
        base: The name; empty if the path begins with a string.
        steps: What is done from there.
    """

    base: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call whose bracket is still open.

    Attributes:
        function: What is called.
        position: How many arguments stand before the current one.
        keyword: The name of the current argument, if it has been given one.
        used: The names of the arguments before.
        begins: The current argument could begin with a name: nothing else stands in it.
    """

    function: Chain
    position: int
    keyword: str
    used: frozenset[str]
    begins: bool


@dataclass(frozen=True, slots=True)
class Key:
    """An item that is being typed.

    Attributes:
        owner: What it is an item of.
        quote: The quote that was typed, if any.
        typed: What stands after the quote, or after the bracket.
    """

    owner: Chain
    quote: str
    typed: str


@dataclass(frozen=True, slots=True)
class Place:
    """What the text before the cursor says about what may follow.

    Attributes:
        prefix: The part of a name that has been typed.
        owner: What a dot before the name asks of; None if there is no dot, or nobody can know.
        has_dot: Whether there is a dot.
        is_text: In a string or a comment, where nothing of Python follows.
        key: The item that is being typed, if it is one.
        calls: The open calls, the innermost last.
        names: The names in the cell that are no attributes, without the prefix.
    """

    prefix: str = ""
    owner: Chain | None = None
    has_dot: bool = False
    is_text: bool = False
    key: Key | None = None
    calls: tuple[OpenCall, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class _Frame:
    """An open bracket, or an open replacement field of the f-string `quoted`."""

    opener: str
    start: int
    tokens: list[Token] = field(default_factory=list)
    quoted: _Quoted | None = None


@dataclass(slots=True)
class _Quoted:
    """A string that is open; `is_spec` while a format after a field's colon is read."""

    prefix: str
    quote: str
    start: int
    is_spec: bool = False

    @property
    def content(self) -> int:
        return self.start + len(self.prefix) + len(self.quote)


def place_of(text: str) -> Place:
    """Tells where the end of a text is."""
    scanner = _Scanner(text[-MAX_CHARACTERS:])
    scanner.run()
    return scanner.place()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.frames = [_Frame("", 0)]
        self.names: list[Token] = []
        self.quoted: _Quoted | None = None
        self.in_comment = False

    def run(self) -> None:
        at = 0
        while at < len(self.text):
            at = self._code(at) if self.quoted is None else self._string(at)

    def _code(self, at: int) -> int:
        match = _TOKEN.match(self.text, at)
        assert match is not None  # the last alternatives take anything
        kind, end = str(match.lastgroup), match.end()
        tokens = self.frames[-1].tokens
        self.in_comment = kind == "comment"
        if match["string"]:
            quote = match["quote"]
            self.quoted = _Quoted(match["string"].removesuffix(quote), quote, at)
        elif kind == "name" or kind == "number":
            token = Token(kind, at, end, match[0])
            if kind == "name" and not (tokens and tokens[-1].text == "."):
                self.names.append(token)
            tokens.append(token)
        elif kind == "other":
            self._other(match[0], at)
        return end

    def _other(self, char: str, at: int) -> None:
        top = self.frames[-1]
        if char in "([{":
            self.frames.append(_Frame(char, at))
        elif char == "}" and top.quoted is not None:
            self.frames.pop()
            self.quoted = top.quoted
        elif char == ":" and top.quoted is not None:
            # The frame stays: `}` ends it from within the format.
            self.quoted = _Quoted(top.quoted.prefix, top.quoted.quote, top.quoted.start, True)
        elif char in _CLOSES:
            if top.opener == _CLOSES[char]:
                self.frames.pop()
                whole = self.text[top.start : at + 1]
                self.frames[-1].tokens.append(Token("group", top.start, at + 1, whole))
        elif char != "\n" or not top.opener:  # inside of brackets, lines do not count
            top.tokens.append(Token("other", at, at + 1, char))

    def _string(self, at: int) -> int:
        """Reads in an open string up to its end, or to a replacement field of it."""
        quoted, text = self.quoted, self.text
        assert quoted is not None
        is_format = bool(set(quoted.prefix.lower()) & {"f", "t"})
        while at < len(text):
            char = text[at]
            if char == "\\":
                at += 2
            elif text.startswith(quoted.quote, at) or (char == "\n" and len(quoted.quote) == 1):
                return self._close(quoted, at + (1 if char == "\n" else len(quoted.quote)))
            elif is_format and char == "{" and text.startswith("{{", at) and not quoted.is_spec:
                at += 2
            elif is_format and char == "{":
                self.frames.append(_Frame("f", at, quoted=quoted))
                self.quoted = None
                return at + 1
            elif quoted.is_spec and char == "}":
                self.quoted = self.frames.pop().quoted
                return at + 1
            else:
                at += 1
        return at

    def _close(self, quoted: _Quoted, end: int) -> int:
        while quoted.is_spec and self.frames[-1].quoted is not None:
            self.frames.pop()  # the string ended in the middle of a field
            quoted = _Quoted(quoted.prefix, quoted.quote, quoted.start)
        self.quoted = None
        whole = self.text[quoted.start : end]
        self.frames[-1].tokens.append(Token("string", quoted.start, end, whole))
        return end

    # ---- what it means

    def place(self) -> Place:
        calls = tuple(filter(None, map(self._call, range(1, len(self.frames)))))
        if self.quoted is not None:
            return Place(is_text=True, key=self._quoted_key(self.quoted), calls=calls)
        if self.in_comment:
            return Place(is_text=True, calls=calls)
        tokens = list(self.frames[-1].tokens)
        end, prefix = len(self.text), ""
        if tokens and tokens[-1].end == end and tokens[-1].kind == "name":
            prefix = tokens.pop().text
        elif tokens and tokens[-1].end == end and tokens[-1].kind == "number":
            return Place(is_text=True, calls=calls)
        has_dot = bool(tokens) and tokens[-1].text == "."
        owner = _chain(tokens[:-1]) if has_dot else None
        names = [token.text for token in self.names if not (prefix and token.end == end)]
        key = None if tokens else self._plain_key(prefix)
        return Place(prefix, owner, has_dot, False, key, calls, tuple(dict.fromkeys(names)))

    def _call(self, index: int) -> OpenCall | None:
        frame = self.frames[index]
        function = _chain(self.frames[index - 1].tokens) if frame.opener == "(" else None
        if function is None:
            return None
        arguments: list[list[Token]] = [[]]
        for token in frame.tokens:
            if token.text == ",":
                arguments.append([])
            else:
                arguments[-1].append(token)
        given = [_keyword(argument) for argument in arguments]
        current = arguments[-1]
        inner = index + 1 < len(self.frames) or self.quoted is not None
        begins = not inner and len(current) <= 1 and all(t.kind == "name" for t in current)
        return OpenCall(function, len(arguments) - 1, given[-1], frozenset(given[:-1]), begins)

    def _quoted_key(self, quoted: _Quoted) -> Key | None:
        frame = self.frames[-1]
        if frame.opener != "[" or frame.tokens or quoted.prefix or len(quoted.quote) != 1:
            return None
        owner = _chain(self.frames[-2].tokens)
        return None if owner is None else Key(owner, quoted.quote, self.text[quoted.content :])

    def _plain_key(self, prefix: str) -> Key | None:
        if self.frames[-1].opener != "[" or prefix:
            return None
        owner = _chain(self.frames[-2].tokens)
        return None if owner is None else Key(owner, "", "")


def _keyword(argument: list[Token]) -> str:
    named = len(argument) >= 2 and argument[0].kind == "name" and argument[1].text == "="
    return argument[0].text if named and [t.text for t in argument[2:3]] != ["="] else ""


def _chain(tokens: list[Token]) -> Chain | None:
    """The chain at the end of some tokens; None if there is none, or it begins with an operator."""
    steps: list[Step] = []
    at = len(tokens) - 1
    while at >= 0:
        token = tokens[at]
        after_dot = at > 0 and tokens[at - 1].text == "."
        if token.kind == "group" and token.text[0] in "([":
            if not _is_operand(tokens[at - 1] if at else None):
                return None
            steps.append(_group_step(token.text))
            at -= 1
        elif token.kind == "name" and after_dot:
            steps.append(Step("get", token.text))
            at -= 2
        elif token.kind == "name" and not keyword.iskeyword(token.text):
            return Chain(token.text, tuple(reversed(steps)))
        elif token.kind == "string" and not after_dot:
            return Chain("", (Step("string", token.text), *reversed(steps)))
        else:
            return None
    return None


def _is_operand(token: Token | None) -> bool:
    """Whether a bracket after a token calls it, or takes an item of it."""
    if token is None or token.kind in ("other", "number"):
        return False
    return token.kind != "name" or not keyword.iskeyword(token.text)


def _group_step(text: str) -> Step:
    if text[0] == "(":
        return Step("call")
    if len(text) > _MAX_LITERAL:
        return Step("opaque")
    try:
        key = ast.literal_eval(text[1:-1].strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return Step("opaque")
    return Step("item", key) if type(key) in (int, str, bytes) else Step("opaque")


__all__ = ["Chain", "Key", "OpenCall", "Place", "Step", "place_of"]
