"""The table of command-line options, and nothing that reads it.

A command's options are a subclass of `Common` whose fields are the rows: each field says how it is
written (`switch`, `value`, `repeated`, `word`, `words`) and how its text becomes a value. Two
parsers read it: typer's (``app.py``), which also writes the help and says what is wrong, and a
small one (``fastpath.py``), which starts sooner. Both leave every value as the text that was typed;
`build` alone converts, so they cannot disagree.

What is not typed may be said by the environment, ``--max-message`` by
``PROXYABLES_MAX_MESSAGE``, or by the configuration (``settings.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from proxyables.frozen import frozen
from proxyables_cli.exits import Code, Failure

if TYPE_CHECKING:
    from proxyables_cli.settings import Settings

LOG_FORMS = ("auto", "text", "json", "logfmt", "journald")

Asked = TypeVar("Asked", bound="Options")


class Row:
    """How one field is written on the command line.

    Attributes:
        names: The flags, as ``("-l", "--listen")``; empty for a positional word.
        help: One sentence or two for the help and the manual.
        metavar: What stands for the value; empty for a switch.
        many: The option may be repeated, or the word may be followed by more.
        required: A positional word that must be there.
        convert: Makes the value from the text, of each where there are many; its ValueError is a
            usage error.
        default: The value where nothing is given.
        is_switch: True if the flag takes no value.
        key: The flag's name in the configuration; empty for a word.
        variable: The environment variable that stands in for the flag; empty for a word.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        text: str,
        metavar: str = "",
        *,
        many: bool = False,
        required: bool = False,
        convert: Callable[[str], object] | None = None,
        default: object = None,
    ) -> None:
        self.names = names
        self.help = text
        self.metavar = metavar
        self.many = many
        self.required = required
        self.convert = convert
        self.default = default
        self.is_switch = bool(names) and not metavar
        longest = max(names, key=len, default="")
        self.key = longest.removeprefix("--") if longest.startswith("--") else ""
        self.variable = f"PROXYABLES_{self.key.replace('-', '_').upper()}" if self.key else ""

    @property
    def title(self) -> str:
        """How an error names this row."""
        return self.names[-1] if self.names else self.metavar


def switch(*names: str, text: str) -> Any:
    """Declares a flag without a value."""
    return Row(names, text, default=False)


def value(
    *names: str,
    metavar: str,
    text: str,
    convert: Callable[[str], object] | None = None,
    default: object = None,
) -> Any:
    """Declares an option with one value; the last one given wins."""
    return Row(names, text, metavar, convert=convert, default=default)


def repeated(
    *names: str, metavar: str, text: str, convert: Callable[[str], object] | None = None
) -> Any:
    """Declares an option that may be given several times."""
    return Row(names, text, metavar, many=True, convert=convert, default=())


def word(metavar: str, *, text: str, required: bool = True) -> Any:
    """Declares a positional word."""
    return Row((), text, metavar, required=required, default="")


def words(metavar: str, *, text: str) -> Any:
    """Declares what is left of the command line."""
    return Row((), text, metavar, many=True, default=())


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(switch, value, repeated, word, words),
)
class Options:
    """The values of a table of rows: to type checkers, and to whoever reads one, a dataclass.

    It is none because start-up pays for each field of those, and ``serve`` has fifty.

    Attributes:
        said: By field name, where a value stands that was not typed, as an error names it.
    """

    said: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(self, **given: Any) -> None:
        table = dict(rows(type(self)))
        if unknown := given.keys() - table.keys():
            raise TypeError(f"{type(self).__name__} has no {sorted(unknown)}")
        vars(self).update({name: row.default for name, row in table.items()} | given)

    def __setattr__(self, name: str, content: object) -> None:
        raise AttributeError(f"cannot assign to {name!r}: what was asked for stays")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def title(self, name: str) -> str:
        """How an error names a field: by its flag, or by where its value was said."""
        return self.said.get(name) or dict(rows(type(self)))[name].title

    def is_typed(self, name: str) -> bool:
        """Whether a field stood on the command line."""
        is_default = vars(self)[name] == dict(rows(type(self)))[name].default
        return not is_default and name not in self.said

    def blamed(self, failure: Failure, *names: str) -> Failure:
        """Returns a failure that fields have to do with, told of the first that was not typed.

        What is bad usage where it is typed is a wrong configuration there.
        """
        for name in names:
            if name in self.said:
                code = failure.code
                if code in (Code.USAGE, Code.NO_TARGET):
                    code = Code.CONFIGURATION
                return Failure(code, f"{self.said[name]}: {failure.message}", failure.hint)
        return failure

    @contextmanager
    def concerning(self, *names: str) -> Iterator[None]:
        """Has a failure in the block told as `blamed` tells it."""
        try:
            yield
        except Failure as failure:
            raise self.blamed(failure, *names) from failure.__cause__

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={content!r}" for name, content in vars(self).items())
        return f"{type(self).__name__}({told})"


class Choice:
    """A converter that takes one of some words.

    Attributes:
        allowed: The words.
    """

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed

    def __call__(self, text: str) -> str:
        if text not in self.allowed:
            raise ValueError(f"takes one of {', '.join(self.allowed)}, got {text!r}")
        return text


class Checked:
    """A converter that leaves a text as it is, if a function has nothing against it.

    Args:
        metavar: What is taken.
        check: Its ValueError says what is wrong.
    """

    def __init__(self, metavar: str, check: Callable[[str], object]) -> None:
        self._metavar = metavar
        self._check = check

    def __call__(self, text: str) -> str:
        try:
            self._check(text)
        except ValueError as error:
            raise ValueError(f"takes {self._metavar}; {error}") from None
        return text


def number(text: str) -> int:
    """Converts a whole number that is not negative."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"takes a whole number, got {text!r}")
    return int(text)


_SECONDS = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"": 1, "B": 1, "kB": 1000, "KiB": 1 << 10, "MB": 10**6, "MiB": 1 << 20}
_BYTES |= {"GB": 10**9, "GiB": 1 << 30}


def duration(text: str) -> float:
    """Converts ``500ms``, ``3s``, ``2m``, ``1h`` or a number of seconds to seconds."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(us|ms|s|m|h)?", text)
    if match is None:
        raise ValueError(f"takes a duration such as 500ms, 3s or 2m, got {text!r}")
    return float(match[1]) * _SECONDS[match[2] or ""]


def permissions(text: str) -> int:
    """Converts the octal permissions of a file, such as ``0660``."""
    if not re.fullmatch(r"(0o?)?[0-7]{3}", text):
        raise ValueError(f"takes permissions such as 0600 or 0660, got {text!r}")
    return int(text, 8)


def size(text: str) -> int:
    """Converts ``16MiB``, ``64kB`` or a number of bytes to bytes; at least one byte."""
    match = re.fullmatch(r"([0-9]{1,12}) ?(B|kB|KiB|MB|MiB|GB|GiB)?", text)
    if match is None or not int(match[1]):
        raise ValueError(f"takes a size such as 64KiB or 16MiB, got {text!r}")
    return int(match[1]) * _BYTES[match[2] or ""]


class Common(Options):
    """What every command understands, before its name or after it."""

    debug: bool = switch("--debug", text="Show tracebacks and log everything.")
    verbose: bool = switch("-v", "--verbose", text="Say more on standard error.")
    quiet: bool = switch("-q", "--quiet", text="Say nothing but errors on standard error.")
    log_level: str | None = value(
        "--log-level",
        metavar="LEVEL",
        text="Log from debug, info, warning or error on. Else what -v, -q and --debug say.",
        convert=Choice("debug", "info", "warning", "error"),
    )
    log_format: str = value(
        "--log-format",
        metavar="FORM",
        text="text, json, logfmt, journald, or auto (the default): journald where it reads"
        " standard error, else text. What ends a command is told in it too.",
        convert=Choice(*LOG_FORMS),
        default="auto",
    )
    color: str = value(
        "--color",
        metavar="WHEN",
        text="auto (the default), always or never.",
        convert=Choice("auto", "always", "never"),
        default="auto",
    )
    config: str | None = value(
        "--config",
        metavar="FILE",
        text="Read this configuration; see proxyables-config(5). Else"
        " ~/.config/proxyables/config.toml, if there is one.",
    )


@frozen
class Command:
    """One command of the program.

    Attributes:
        name: The word that calls it.
        options: Its rows.
        run: What it does; returns the exit code.
        help: Its help text, the first sentence of which stands in the list of commands.
        epilog: What follows the options in the help, such as an example.
        needs_settings: False for what looks at the configuration itself, or mends it: that has
            to run if it is wrong as well, and then knows only what was typed.
    """

    name: str
    options: type[Common]
    run: Callable[[Any], int]
    help: str
    epilog: str = ""
    needs_settings: bool = True


def rows(options: type[Options]) -> list[tuple[str, Row]]:
    """Lists the rows of a table with their field names: its own first, then the common."""
    found = {
        name: row
        for each in reversed(options.__mro__)
        for name, row in vars(each).items()
        if isinstance(row, Row)
    }
    return sorted(found.items(), key=lambda row: row[0] in vars(Common))


def configurable(options: type[Options]) -> list[Row]:
    """Lists the rows that the configuration may speak of: those with a long flag, but its own."""
    return [row for _, row in rows(options) if row.key not in ("", "config")]


def build(
    options: type[Asked], typed: Mapping[str, object], settings: Settings | None = None
) -> Asked:
    """Makes the options from what a parser read, converting every text.

    Args:
        options: Their table.
        typed: By field name, a bool, a str, a list of str, or None where nothing was given.
        settings: Say what was not typed.

    Raises:
        Failure: A text that its row does not take; the code is for bad usage, or for a wrong
            configuration if it was not typed.
    """
    made: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, row in rows(options):
        given, title, code = typed.get(name), row.title, Code.USAGE
        if not is_given(given):
            said = None if settings is None else settings.look_up(row)
            if said is None:
                continue
            given, title, code = said.content, said.origin, Code.CONFIGURATION
            origins[name] = said.origin
        try:
            made[name] = convert(row, given)
        except ValueError as error:
            raise Failure(code, f"{title} {error}") from None
    built = options(**made)
    if origins:
        vars(built)["said"] = origins
    return built


def is_given(typed: object) -> bool:
    """Tells whether a parser found something where it looked for an option or a word."""
    return typed not in (None, [], False)


def convert(row: Row, given: object) -> object:
    """Converts what was typed, the text of an environment variable, or a value of TOML.

    Raises:
        ValueError: It is nothing that the row takes.
    """
    if isinstance(given, bool) and not row.is_switch:
        raise ValueError(f"takes {row.metavar}, got {str(given).lower()}")
    for each in given if isinstance(given, list) else [given]:
        if "\0" in str(each):  # which no command line and no variable can hold
            raise ValueError(f"takes no NUL, got {each!r}")
    if isinstance(given, (int, float)) and not row.is_switch:
        given = _written(row, given)
    if isinstance(given, str) and row.is_switch:
        return _yes_or_no(given)
    if row.many:
        return tuple(map(row.convert or str, _several(row, given)))
    if isinstance(given, str):
        return given if row.convert is None else row.convert(given)
    if isinstance(given, bool):
        return given
    raise ValueError(f"takes {row.metavar or 'true or false'}, got {given!r}")


def _written(row: Row, number: float) -> str:
    """Returns a number of TOML as it would be typed."""
    if row.convert is permissions and number <= 0o777:  # 0o660 is 432 by now, as 432 is
        raise ValueError(f'takes permissions in quotes, such as "0660", got {number!r}')
    return str(number)


def _several(row: Row, given: object) -> list[str]:
    """Returns the texts that were typed, or that stand in a text or a list of TOML."""
    if isinstance(given, str):
        import shlex  # what is typed has been split by the shell

        try:
            return shlex.split(given)
        except ValueError as error:
            told = f"{error}: it takes words, quoted as in a shell, got {given!r}"
            raise ValueError(told) from None
    if isinstance(given, list) and all(isinstance(each, str) for each in given):
        return given
    raise ValueError(f"takes {row.metavar}, got {given!r}")


def _yes_or_no(text: str) -> bool:
    word = text.lower()
    if word not in ("1", "0", "yes", "no", "true", "false", "on", "off"):
        raise ValueError(f"takes yes or no, got {text!r}")
    return word in ("1", "yes", "true", "on")


__all__ = [
    "Checked",
    "Choice",
    "Command",
    "Common",
    "Options",
    "Row",
    "build",
    "configurable",
    "convert",
    "duration",
    "is_given",
    "number",
    "permissions",
    "repeated",
    "rows",
    "size",
    "switch",
    "value",
    "word",
    "words",
]
