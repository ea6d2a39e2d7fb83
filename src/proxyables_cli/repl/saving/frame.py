"""What stands around the inputs in a program: its imports, its functions, its connections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from proxyables_cli.connecting import Place
from proxyables_cli.repl.saving.helpers import helpers_for, modules_of
from proxyables_cli.repl.saving.layout import INDENT, indented, spaced, with_tail


class Form(Enum):
    """What sort of program."""

    ASYNCIO = "asyncio"
    BLOCKING = "blocking"
    TEST = "test"


@dataclass(slots=True)
class Frame:
    """What a program needs around its inputs, as it is found out while they are put into it.

    Attributes:
        form: What sort of program it is.
        name: What the root of the current connection is called.
        opened: Where each connection led that there was.
        imports: What stands at the beginning, and the comments behind it.
        helpers: The functions of its own that it calls.
        uses: The names that it reads.
        words: All names in the session; its own functions have others.
        global_names: What its `main` has to declare.
        shifts: Whether anything reads ``__``.
    """

    form: Form
    name: str
    opened: Mapping[str, Place]
    imports: dict[str, str] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    global_names: set[str] = field(default_factory=set)
    shifts: bool = False

    def forget_needs(self) -> None:
        """Begins anew with what the inputs need."""
        self.imports, self.helpers, self.uses = {}, set(), set()

    def text(self, body: list[str]) -> str:
        """The whole program, with the lines of its inputs."""
        lines = [*self._head(), "", "", *self._main(body)]
        return "\n".join(lines) + "\n"

    def _head(self) -> list[str]:
        library = "proxyables.sync" if self.form is Form.BLOCKING else "proxyables"
        wanted = {f"import {library}": "", **self.imports}
        if self.form is not Form.BLOCKING:
            wanted.setdefault("import asyncio", "")
        for module in modules_of(helpers_for(self.helpers, self.words)):
            wanted.setdefault(f"import {module}", "")
        if self._has_token():
            wanted.setdefault("import os", "")
        ordered = sorted(wanted, key=lambda each: (not each.startswith("from __future__"), each))
        lines = [line for each in ordered for line in with_tail([each], wanted[each])]
        return ['"""A session of `proxyables repl`, as a program."""', "", *lines]

    def _has_token(self) -> bool:
        places = self.opened.values()
        return any(place.token is not None for place in places)

    def _main(self, body: list[str]) -> list[str]:
        opened = self.opened
        blocking_form = self.form is Form.BLOCKING
        library = "proxyables.sync" if blocking_form else "proxyables"
        with_word = "with" if blocking_form else "async with"
        connects = [
            f"{library}.connect({place.address!r}{', token=TOKEN' * (place.token is not None)})"
            f" as {name}_peer"
            for name, place in opened.items()
        ]
        body = [*self._bindings(), *spaced(body)]
        if len(connects) == 1:
            inner = [f"{with_word} {connects[0]}:", *indented(body)]
        else:
            each_line = indented(f"{connect}," for connect in connects)
            inner = [f"{with_word} (", *each_line, "):", *indented(body)]
        lines = ['TOKEN = os.environ["PROXYABLES_TOKEN"]', "", ""] if self._has_token() else []
        for helper in helpers_for(self.helpers, self.words):
            lines += [*helper.splitlines(), "", ""]
        if blocking_form:
            return [*lines, *inner]
        declared = [f"global {', '.join(sorted(self.global_names))}"] if self.global_names else []
        lines += ["async def main():", *indented([*declared, *inner])]
        if self.form is Form.TEST:
            return [*lines, "", "", "def test_session():", f"{INDENT}asyncio.run(main())"]
        return [*lines, "", "", 'if __name__ == "__main__":', f"{INDENT}asyncio.run(main())"]

    def _bindings(self) -> Iterable[str]:
        opened = list(self.opened)
        for name in opened:
            yield f"{name} = {name}_peer.root"
        if opened and self.name not in opened:
            yield f"{self.name} = {opened[0]}"
        if self.shifts:
            yield "_ = None"
        if "conn" in self.uses:
            yield f"conn = {opened[0]}_peer"
        if "conns" in self.uses:
            pairs = ", ".join(f"{name!r}: {name}_peer" for name in opened)
            yield f"conns = {{{pairs}}}"


__all__ = ["Form", "Frame"]
