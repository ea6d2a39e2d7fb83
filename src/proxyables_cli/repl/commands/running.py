"""Commands that run code: timed, traced, in the background, from files and editors."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from proxyables_cli.exits import Code, Failure
from proxyables_cli.repl import pager, timing
from proxyables_cli.repl.commands.command import (
    Command,
    count_of,
    needed,
    on_or_off,
    seconds_of,
)
from proxyables_cli.repl.compiling import Shows, with_commands
from proxyables_cli.repl.scripts import code_of_exit, read_file

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session


async def _time(session: Session, rest: str) -> None:
    source = needed(rest, "time", "CODE")
    cost = await timing.measured(
        session.connections, lambda: session.cell(source, shows=Shows.LAST)
    )
    session.write(cost.text(await timing.round_trip(session.connections)))


async def _timeit(session: Session, rest: str) -> None:
    cell = session.evaluator.compiler.compile(needed(rest, "timeit", "CODE"), shows=Shows.NOTHING)
    costs = await timing.repeated(session.connections, lambda: session.evaluator.execute(cell))
    session.write(timing.summary(costs, await timing.round_trip(session.connections)))


async def _trace(session: Session, rest: str) -> None:
    """``on`` and ``off``, or code whose calls are shown."""
    if rest in ("on", "off", ""):
        if rest:
            session.tracer.is_on = rest == "on"
        told = "shown as they are made" if session.tracer.is_on else "not shown"
        session.write(f"remote calls are {told}")
        return
    with session.tracer.tracing():
        await session.cell(rest, shows=Shows.LAST)


async def _timeout(session: Session, rest: str) -> None:
    if rest:
        session.evaluator.set_limit(seconds_of(rest, "timeout"))
    limit = session.evaluator.limit
    session.write("no time-out" if limit is None else f"cells end after {limit:g} s")


async def _await(session: Session, rest: str) -> None:
    if rest:
        session.evaluator.compiler.auto_await = on_or_off(rest, "await")
    on = session.evaluator.compiler.auto_await
    session.write("remote calls are awaited for you" if on else "you await remote calls yourself")


async def _bg(session: Session, rest: str) -> None:
    source = needed(rest, "bg", "CODE")
    cell = session.evaluator.compiler.compile(source, shows=Shows.LAST)
    job = session.jobs.add(source, session.evaluator.start(cell))
    session.write(f"job {job.number} runs; %cancel {job.number} ends it")


async def _jobs(session: Session, rest: str) -> None:
    del rest
    for job in session.jobs:
        session.write(f"{job.number}  {job.seconds:.1f}s  {job.source}")


async def _cancel(session: Session, rest: str) -> None:
    session.jobs.cancel(needed(rest, "cancel", "JOB"))


async def _run(session: Session, rest: str) -> None:
    """Runs a file in the names of the session, with words of its own in ``sys.argv``.

    It finds its neighbours and its ``__file__``, and its exit is its own.
    """
    try:
        path, *words = shlex.split(needed(rest, "run", "FILE [WORD...]"))
    except ValueError as error:
        raise Failure(Code.USAGE, f"%run: {error}") from None
    source = with_commands(read_file(path))
    with _as_program(session, path, words):
        try:
            await session.cell(source, shows=Shows.NOTHING, filename=path)
        except SystemExit as error:
            if session.exit_code is not None:  # it has a %quit
                raise
            code = code_of_exit(error)
            if code:
                raise Failure(Code.RAISED, f"{path} exited with {code}") from None


@contextmanager
def _as_program(session: Session, path: str, words: list[str]) -> Iterator[None]:
    path = os.path.expanduser(path)
    names, directory = session.scope.names, os.path.dirname(os.path.abspath(path))
    argv, file = sys.argv, names.get("__file__")
    sys.argv, names["__file__"] = [path, *words], path
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        sys.argv = argv
        if directory in sys.path:
            sys.path.remove(directory)
        names.pop("__file__", None)
        if file is not None:
            names["__file__"] = file


async def _edit(session: Session, rest: str) -> None:
    """Opens an editor on an earlier input, the last one without a number, and runs the text."""
    cells = [entry.source for entry in session.record if not entry.is_command]
    number = count_of(rest, "edit", len(cells))
    if rest and not 1 <= number <= len(cells):
        raise Failure(Code.USAGE, f"there is no input {number}", f"there are {len(cells)}")
    descriptor, path = tempfile.mkstemp(prefix="proxyables-", suffix=".py")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(cells[number - 1].rstrip() + "\n" if cells else "")
        await pager.edit(path)
        source = read_file(path)
    finally:
        os.unlink(path)
    if source.strip():
        session.write(source.rstrip())
        session.then(source)


COMMANDS: dict[str, Command] = {
    "time": Command("CODE", "run code and tell how long it took, and what was sent", _time),
    "timeit": Command("CODE", "run code many times and tell how long one takes", _timeit),
    "trace": Command("[on|off|CODE]", "show remote calls as they are made", _trace),
    "timeout": Command("[SECONDS|off]", "how long a cell may run", _timeout),
    "await": Command("[on|off]", "whether remote calls are awaited for you", _await),
    "bg": Command("CODE", "run code in the background", _bg),
    "jobs": Command("", "what runs in the background", _jobs),
    "cancel": Command("JOB", "end a job in the background, over there too", _cancel),
    "run": Command("FILE [WORD...]", "run a script in this session", _run),
    "edit": Command("[N]", "edit an earlier input in $EDITOR, and run it", _edit),
}

__all__ = ["COMMANDS"]
