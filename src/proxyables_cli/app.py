"""The typer tree, made from the tables of the commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from proxyables_cli import commands, stdout
from proxyables_cli.commands import Invocation
from proxyables_cli.exits import Code, Failure, OutputClosed
from proxyables_cli.options import Command, Common, Row, is_given, rows

Result = TypeVar("Result")

_SETTINGS = {"help_option_names": ["-h", "--help"]}


def parse(argv: Sequence[str]) -> Invocation | int:
    """Reads a command line; returns an exit code where it asked for help or the version.

    The command is not run here, inside of typer: typer has its own ideas about what an interrupt
    or a broken pipe means.

    Raises:
        Failure: It does not fit; the code is for bad usage.
        Failure, OutputClosed: The help cannot be written.
    """
    try:
        # Not standalone: typer would print usage errors over several lines, and end the process.
        with stdout.explained():  # it prints the help in there
            asked = tree()(args=list(argv), prog_name="proxyables", standalone_mode=False)
    except SystemExit:
        raise OutputClosed from None  # its answer to a broken pipe
    except (Failure, OutputClosed):
        raise
    except Exception as error:
        # typer's own errors, whose base class it does not export in every release, are what has
        # a text for users and an exit code.
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            raise _usage(error, commands.first(argv)) from None
        raise
    return asked if isinstance(asked, Invocation) else int(asked or Code.OK)


def tree() -> typer.Typer:
    """Makes the application: one typer command for each of ours."""
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # addresses are full of brackets, which are markup to rich
        context_settings=_SETTINGS,
    )
    app.callback(invoke_without_command=True)(_root())
    for command in commands.every():
        app.command(command.name, help=command.help, epilog=command.epilog)(_function(command))
    return app


def _root() -> Callable[..., None]:
    def root(context: typer.Context, **typed: object) -> None:
        """Remote Python objects that feel local: serve one, call it, open a prompt on it."""
        if typed.pop("version"):
            from proxyables.version import __version__

            typer.echo(f"proxyables {__version__}")
            raise typer.Exit(Code.OK)
        context.obj = _given(typed)
        if context.invoked_subcommand is None:
            typer.echo(context.get_help(), err=True)
            raise typer.Exit(Code.USAGE)

    version = Row(("--version",), "Print the version and end.")
    return _with_rows(root, [("version", version), *rows(Common)])


def _function(command: Command) -> Callable[..., Invocation]:
    def function(context: typer.Context, **typed: object) -> Invocation:
        # What stands after the command's name is nearer, so it wins.
        return commands.understand(command, context.obj | _given(typed))

    return _with_rows(function, rows(command.options))


def _given(typed: dict[str, object]) -> dict[str, object]:
    return {name: content for name, content in typed.items() if is_given(content)}


def _with_rows(
    function: Callable[..., Result], table: Sequence[tuple[str, Row]]
) -> Callable[..., Result]:
    """Gives a function the signature that typer reads, from rows of the option table.

    `inspect.signature` honours ``__signature__``, and it is all that typer looks at.
    """
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    parameters = [context, *(_parameter(name, row) for name, row in table)]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {each.name: each.annotation for each in parameters}
    return function


def _parameter(name: str, row: Row) -> inspect.Parameter:
    kind: Any = bool if row.is_switch else list[str] if row.many else str
    default: Any = False if row.is_switch else None
    if row.names:
        declared = typer.Option(
            *row.names, help=row.help, metavar=row.metavar or None, show_default=False
        )
    else:
        declared = typer.Argument(metavar=row.metavar, help=row.help, show_default=False)
        default = inspect.Parameter.empty if row.required else None
    optional = kind if row.is_switch or default is inspect.Parameter.empty else kind | None
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[optional, declared],
    )


def _usage(error: Any, name: str) -> Failure:
    # An option without its value has no context, so the command is not always told by it.
    context = getattr(error, "ctx", None)
    if context is not None:
        name = context.command_path.removeprefix("proxyables").strip()
    command = f"proxyables {name}".strip()
    message = " ".join(error.format_message().split()).removesuffix(".")
    for mark in (commands.PROTECTED, r"\x00"):  # as it is, and as some releases of typer show it
        message = message.replace(f"{mark}-", "-")
    told = f"{name}: {message}" if name else message[:1].lower() + message[1:]
    return Failure(Code.USAGE, told, "" if told.endswith("?") else f"see '{command} --help'")


__all__ = ["parse", "tree"]
