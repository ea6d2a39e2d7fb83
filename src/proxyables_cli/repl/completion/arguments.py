"""Completion of ``%`` lines: the commands, and what each takes, as its row of the help says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from proxyables_cli.repl.completion.candidate import Candidate

MAX_FILES = 200
PYTHON = frozenset({"EXPRESSION", "CODE"})
"""Words of the help that stand for Python."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A ``%`` line that is being typed.

    Attributes:
        command: The command's name; empty while that is being typed.
        typed: The last word.
        rest: All that was typed after the command.
    """

    command: str
    typed: str
    rest: str


Source = Callable[[], Iterable[tuple[str, str]]]
"""Gives words, each with a line about it."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What commands take.

    Args:
        commands: For each command, what follows its name in the help, and a line about it.
        words: By a word of the help, such as JOB, what may stand there.
        own: The same by the name of a command, for words that mean something else there.
    """

    commands: Mapping[str, tuple[str, str]]
    words: Mapping[str, Source] = field(default_factory=dict)
    own: Mapping[str, Source] = field(default_factory=dict)

    def takes_python(self, line: CommandLine) -> bool:
        """Whether Python follows the command's name."""
        usage, _ = self.commands.get(line.command, ("", ""))
        return not PYTHON.isdisjoint(re.findall(r"[A-Z]+", usage))

    async def complete(self, line: CommandLine) -> list[Candidate]:
        """What could stand for the last word of a line."""
        if not line.command:
            every = ((f"%{name}", told) for name, (_, told) in self.commands.items())
            found = [Candidate(name, len(line.typed), "command", told) for name, told in every]
        else:
            found = [
                Candidate(word, len(line.typed), "argument", told)
                for word, told in await self._found(line)
            ]
        return [each for each in found if each.text.startswith(line.typed)]

    async def _found(self, line: CommandLine) -> list[tuple[str, str]]:
        usage, _ = self.commands.get(line.command, ("", ""))
        is_first = line.rest == line.typed
        # Words in lower case stand for themselves, as in [on|off].
        found = [(word, "") for word in re.findall(r"(?<![\w=])-{0,2}[a-z]+\b", usage) if is_first]
        if "FILE" in usage:
            found += await asyncio.to_thread(_files, line.typed)
        elif "ADDRESS" in usage:
            found += await asyncio.to_thread(_addresses, line.typed)
        elif is_first and line.command in self.own:
            found += self.own[line.command]()
        elif is_first:
            for word in re.findall(r"[A-Z]+", usage):
                found += self.words.get(word, list)()
        return found


def command_line_of(text: str) -> CommandLine | None:
    """Reads a ``%`` line; None if the text is none."""
    match = re.match(r"\s*%(?:(\w*)$|(\w+)\s+(.*)$)", text, re.DOTALL)
    if match is None:
        return None
    if match[2] is None:
        return CommandLine("", f"%{match[1]}", "")
    words = re.split(r"\s+", match[3])
    return CommandLine(match[2], words[-1], match[3])


def _files(typed: str) -> list[tuple[str, str]]:
    from proxyables_cli import completing

    return [found for found, _ in zip(completing.files(typed), range(MAX_FILES), strict=False)]


def _addresses(typed: str) -> list[tuple[str, str]]:
    """Addresses, behind the name that the connection is to have, if one was typed."""
    from proxyables_cli import completing

    name, equals, address = typed.rpartition("=") if re.match(r"\w+=", typed) else ("", "", typed)
    return [(f"{name}{equals}{each}", told) for each, told in completing.addresses(address)]


__all__ = ["Arguments", "CommandLine", "Source", "command_line_of"]
