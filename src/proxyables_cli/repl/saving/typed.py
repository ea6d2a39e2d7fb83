"""The text of a cell whose tree was changed: what was typed, but for the changes.

`ast.unparse` knows neither comments nor blank lines nor how something was laid out. So the text of
a node that is still there is what was typed, with the texts of those parts put in that were
replaced; only what is new is unparsed, and in it what was typed stays typed. Whether the text means
the changed tree is checked by parsing it; where it does not, the statement is unparsed whole.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise

from proxyables_cli.repl.compiling import Compiler, cell_name
from proxyables_cli.repl.saving.layout import Unlike, moved
from proxyables_cli.repl.saving.trees import is_open, needs_parentheses, place_of

_Edit = tuple[int, int, str]
"""The first byte and the one behind the last of what is replaced, and by what."""

_LOOPS = (ast.For, ast.AsyncFor)
_MANAGERS = (ast.With, ast.AsyncWith)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_FAMILIES = (_LOOPS, _MANAGERS, _FUNCTIONS)
"""Statements that are one another but for the word ``async`` in front."""
_WORDS = (ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef)
_PLACEHOLDER = "typed_{}_"


@dataclass(frozen=True, slots=True)
class Part:
    """A statement of a cell, and what stands around it.

    Attributes:
        lead: The comments and blank lines in front.
        statement: Its tree; whoever changes that gets its text from `Typed.text_of`.
        tail: The comment behind it in its last line.
    """

    lead: list[str]
    statement: ast.stmt
    tail: str


class Typed:
    """A cell as it was typed.

    Args:
        source: Its text.
        number: Its number, which its file name has.

    Raises:
        SyntaxError: It is not Python.
    """

    def __init__(self, source: str, number: int) -> None:
        source = source.replace("\r\n", "\n").replace("\r", "\n")  # as Python reads it
        self._data = source.encode()
        self._lines = [0, *(match.end() for match in re.finditer(b"\n", self._data))]
        tree = Compiler().parse(source, cell_name(number))
        self._before = {id(node): _Before(node) for node in ast.walk(tree)}
        self._placed = {
            (_family(node), place_of(node)): node
            for node in ast.walk(tree)
            if hasattr(node, "lineno")
        }
        self.parts = list(self._parts(tree.body))
        self.ending = self._comments(self._end_of_last, len(self._data))
        """The comments behind the last statement."""

    def _parts(self, body: Sequence[ast.stmt]) -> Iterator[Part]:
        self._end_of_last = 0
        self._ends = {self._span(statement)[1] for statement in body}
        for statement in body:
            start, end = self._span(statement)
            lead = self._comments(self._end_of_last, start)[:-1]
            rest = self._data[end:].split(b"\n", 1)[0]
            tail = rest.decode().strip() if rest.strip().startswith(b"#") else ""
            self._end_of_last = end + len(rest) * bool(tail)
            yield Part(lead, statement, tail)

    def _comments(self, start: int, end: int) -> list[str]:
        """The lines between two places; of the one in which the first is, nothing."""
        lines = [line.strip() for line in self._data[start:end].decode().split("\n")]
        return [line for line in lines[start > 0 :] if not line or line.startswith("#")]

    # ---- texts

    def text_of(self, statements: Sequence[ast.stmt]) -> str:
        """The text of what a statement of the cell became.

        Raises:
            Unlike: It has none: Python cannot write every f-string that it can read.
        """
        try:
            text = self._kept(statements)
            if text is not None and self._is_untouched(statements):
                return text
            meant = "\n".join(map(ast.unparse, statements))
        except ValueError as error:
            raise Unlike from error
        return text if text is not None and _same(text, meant) else meant

    def _kept(self, statements: Sequence[ast.stmt]) -> str | None:
        """What was typed, changed; None where that cannot be told."""
        try:
            return "\n".join(map(self._text, statements))
        except Unlike:
            return None

    def _is_untouched(self, statements: Sequence[ast.stmt]) -> bool:
        try:
            return not any(self._edits(each, each) for each in statements)
        except (Unlike, KeyError):  # it has no place in the source, or is new
            return False

    def _text(self, node: ast.AST) -> str:
        origin = self._origin(node)
        if origin is not None:
            start, end = self._span(origin)
            try:
                text = self._applied(start, end, self._edits(node, origin))
            except Unlike:
                pass  # what is around its parts is new, then
            else:
                return moved(text, self._margin(start), "") if _is_statement(node) else text
        return self._new(node)

    def _new(self, node: ast.AST) -> str:
        """The text of a node that was not typed, with that of what was typed inside."""
        if isinstance(node, ast.JoinedStr):
            return ast.unparse(node)  # quotes inside of quotes are a matter of their own
        texts: list[str] = []
        text = ast.unparse(self._with_placeholders(node, texts))
        for number, each in reversed(list(enumerate(texts))):
            name = _PLACEHOLDER.format(number)
            line = re.search(rf"^( *){name}$", text, re.MULTILINE)
            if line is None:
                text = text.replace(name, each)
            else:
                text = text.replace(line[0], line[1] + moved(each, "", line[1]))
        return text

    def _with_placeholders(self, node: ast.AST, texts: list[str]) -> ast.AST:
        """A copy with names in place of what has a text of its own; the texts are appended."""
        fields: dict[str, object] = {}
        for field, value in ast.iter_fields(node):
            parts = value if isinstance(value, list) else [value]
            copies = [self._placeholder(node, field, part, texts) for part in parts]
            fields[field] = copies if isinstance(value, list) else copies[0]
        copied = type(node)(**fields)
        return ast.copy_location(copied, node) if hasattr(node, "lineno") else copied

    def _placeholder(self, parent: ast.AST, field: str, part: object, texts: list[str]) -> object:
        if not isinstance(part, ast.AST):
            return part
        is_whole = isinstance(part, (ast.stmt, ast.JoinedStr))
        is_typed = is_whole or self._origin(part) is not None
        if not is_typed or not isinstance(part, (ast.expr, ast.stmt)):
            return self._with_placeholders(part, texts)
        text = self._text(part)
        if isinstance(part, ast.expr) and needs_parentheses(part, text, parent, field):
            text = f"({text})"
        name = ast.Name(_PLACEHOLDER.format(len(texts)), ast.Load())
        if _is_statement(part) and place_of(part) != place_of(parent):
            text = self._with_comments(part, text)
        texts.append(text)
        return ast.Expr(name) if _is_statement(part) else name

    def _with_comments(self, node: ast.AST, text: str) -> str:
        """The text of a statement inside of another with the comments in front of it and behind."""
        if self._origin(node) is None:
            return text
        start, end = self._span(node)
        *above, _ = self._data[:start].decode().split("\n")
        lead: list[str] = []
        while above and (not above[-1].strip() or above[-1].strip().startswith("#")):
            lead.insert(0, above.pop().strip())
        behind = self._data[end:].split(b"\n", 1)[0].strip().decode()
        # Where the other one ends as well, the comment is that one's.
        is_tail = behind.startswith("#") and end not in self._ends
        tail = f"  {behind}" * is_tail
        return "\n".join([*dropwhile(lambda line: not line, lead), text + tail])

    # ---- what is different

    def _edits(self, node: ast.AST, origin: ast.AST) -> list[_Edit]:
        """What has to be done to the text of a node's origin."""
        edits: list[_Edit] = []
        before = self._before[id(origin)]
        if before.text is not None:
            if ast.dump(node) != before.text:
                raise Unlike
            return edits
        if type(node) is not type(origin):
            edits.append(self._word(self._offset(origin), is_async=isinstance(node, _WORDS)))
        for field, held in before.fields.items():
            now = getattr(node, field, None)
            if not isinstance(held, list):
                edits += self._replaced(node, field, held, now)
            elif held and isinstance(held[0], ast.stmt):
                edits += self._body(held, now or [])
            elif len(held) != len(now or []):
                raise Unlike
            else:
                for one, other in zip(held, now or [], strict=True):
                    edits += self._replaced(node, field, one, other)
        return edits

    def _replaced(self, parent: ast.AST, field: str, before: object, now: object) -> list[_Edit]:
        if not isinstance(before, ast.AST) or not isinstance(now, ast.AST):
            if before is now or (type(before) is type(now) and before == now):
                return []
            if isinstance(parent, ast.comprehension) and field == "is_async":
                return [self._word(self._offset(parent.target), is_async=bool(now), word=b"for")]
            raise Unlike
        if type(now) is type(before) and not now._fields:
            return []  # an operator
        if now is before:
            try:
                edits = self._edits(now, before)
                if not (edits and isinstance(now, ast.JoinedStr)) or self._still(now, edits):
                    return edits
            except Unlike:
                pass  # what is around its parts is new, then
        if field == "format_spec" or isinstance(parent, ast.JoinedStr):
            raise Unlike  # no expression of its own: the f-string around it is unparsed
        start, end = self._span(before)
        text = self._text(now) if now is not before else self._new(now)
        if isinstance(now, ast.expr) and type(now) is not type(before):
            # Alone in a call, a generator expression has the parentheses of that call.
            shares = isinstance(before, ast.GeneratorExp) and isinstance(parent, ast.Call)
            if shares or needs_parentheses(now, text, parent, field):
                text = f"({text})"
        return [(start, end, text)]

    def _still(self, node: ast.JoinedStr, edits: list[_Edit]) -> bool:
        """Whether an f-string means its tree after some edits."""
        return _same(self._applied(*self._span(node), edits), ast.unparse(node))

    def _word(self, place: int, *, is_async: bool, word: bytes = b"") -> _Edit:
        """Puts ``async`` in front of the word that is, or ends, at a place; or takes it away."""
        if word:
            found = re.search(rb"\b" + word + rb"[\s(]*$", self._data[:place])
            if found is None:
                raise Unlike
            place = found.start()
        if is_async:
            return place, place, "async "
        typed = re.match(rb"async\s+", self._data[place:])
        if typed is not None:
            return place, place + typed.end(), ""
        typed = re.search(rb"\basync\s+$", self._data[:place])
        if typed is None:
            raise Unlike
        return typed.start(), place, ""

    def _body(self, before: list[ast.stmt], now: list[ast.stmt]) -> list[_Edit]:
        edits: list[_Edit] = []
        spans = [self._span(each) for each in before]
        groups: list[list[ast.stmt]] = [[] for _ in before]
        for each in now:
            place = self._offset(each)
            inside = [number for number, (start, end) in enumerate(spans) if start <= place < end]
            if not inside:
                raise Unlike
            groups[inside[0]].append(each)
        for origin, group in zip(before, groups, strict=True):
            edits += self._statement(origin, group)
        return edits

    def _statement(self, origin: ast.stmt, group: list[ast.stmt]) -> list[_Edit]:
        if len(group) == 1 and self._origin(group[0]) is origin:
            try:
                return self._edits(group[0], origin)
            except Unlike:
                pass  # it is replaced whole
        start, end = self._span(origin)
        margin = self._margin(start)
        texts = [moved(self._text(each), "", margin) for each in group]
        behind = self._data[end:].split(b"\n", 1)[0].strip()
        has_line = self._data[:start].rpartition(b"\n")[2].strip() == b""
        if has_line and not behind.startswith(b";"):
            return [(start, end, f"\n{margin}".join(texts))]
        if not texts or any("\n" in text or text.endswith(":") for text in texts):
            raise Unlike
        return [(start, end, "; ".join(texts))]

    # ---- places

    def _origin(self, node: ast.AST) -> ast.AST | None:
        """The node as it was typed, with a place, of one that is still there, or a copy of it."""
        if id(node) in self._before:
            return node if hasattr(node, "lineno") else None
        return self._placed.get((_family(node), place_of(node)))

    def _span(self, node: ast.AST) -> tuple[int, int]:
        if not hasattr(node, "lineno"):
            raise Unlike
        start = self._offset(node)
        decorators = getattr(node, "decorator_list", ())
        if decorators and id(node) in self._before:
            first = self._before[id(node)].fields["decorator_list"][0]
            start = self._data.rindex(b"@", 0, self._offset(first))
        return start, self._lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def _offset(self, node: ast.AST) -> int:
        if not hasattr(node, "lineno"):
            raise Unlike
        place: int = self._lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return place

    def _margin(self, place: int) -> str:
        """The indentation of the line in which a place is."""
        line = self._data[:place].rpartition(b"\n")[2]
        return line[: len(line) - len(line.lstrip())].decode()

    def _applied(self, start: int, end: int, edits: Iterable[_Edit]) -> str:
        ordered = sorted(edits)
        if any(one[1] > other[0] for one, other in pairwise(ordered)):
            raise Unlike
        pieces: list[bytes] = []
        for first, behind, text in ordered:
            pieces += self._data[start:first], text.encode()
            start = behind
        return b"".join([*pieces, self._data[start:end]]).decode()


class _Before:
    """A node, kept alive, and what its fields held when it was parsed.

    Before Python 3.12 nothing in an f-string has a place that could be relied upon: such a string
    is kept as it is, or not at all.
    """

    def __init__(self, node: ast.AST) -> None:
        self.node = node
        is_opaque = isinstance(node, ast.JoinedStr) and sys.version_info < (3, 12)
        self.text = ast.dump(node) if is_opaque else None
        self.fields = {
            field: list(value) if isinstance(value, list) else value
            for field, value in ast.iter_fields(node)
            if field not in ("ctx", "kind", "type_comment", "type_params")
        }


@dataclass(frozen=True, slots=True)
class Statement:
    """What a statement of a cell becomes in a program.

    Attributes:
        lead: The comments and blank lines in front of it.
        trees: What it became, and may be changed further; none for what stands behind the last.
        tail: The comment behind it.
        typed: The cell that it is of, or was.
    """

    lead: list[str]
    trees: list[ast.stmt]
    tail: str
    typed: Typed

    def text(self, trees: Sequence[ast.stmt] | None = None) -> str:
        """The text of it, or of some of its trees."""
        return self.typed.text_of(self.trees if trees is None else trees)

    def as_argument(self, tree: ast.Expr) -> str:
        """The text of an expression of it, for use between parentheses."""
        text = self.text([tree])
        return f"({text})" if isinstance(tree.value, ast.Tuple) and is_open(text) else text


def as_typed(source: str, number: int) -> list[Statement]:
    """The statements of a cell, with nothing changed."""
    typed = Typed(source, number)
    found = [Statement(part.lead, [part.statement], part.tail, typed) for part in typed.parts]
    return [*found, Statement(typed.ending, [], "", typed)]


def _family(node: ast.AST) -> type[ast.AST]:
    """The type of a node, or of what it is without ``async``."""
    return next((family[0] for family in _FAMILIES if isinstance(node, family)), type(node))


def _is_statement(node: ast.AST) -> bool:
    return isinstance(node, ast.stmt)


def _same(text: str, meant: str) -> bool:
    """Whether two texts are the same program."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        one, other = (compile(each, "<saved>", "exec", flags) for each in (text, meant))
    except (SyntaxError, ValueError):
        return False
    return ast.dump(one) == ast.dump(other)


__all__ = ["Part", "Statement", "Typed", "as_typed"]
