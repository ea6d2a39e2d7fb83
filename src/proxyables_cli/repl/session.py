"""What one run of the REPL holds: its connections, its names, and how its inputs are run."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from proxyables.errors import ConnectionClosed
from proxyables_cli.connecting import Place
from proxyables_cli.exits import Code, Failure, OutputClosed, escaped, explain, talk
from proxyables_cli.repl import failures, scripts
from proxyables_cli.repl.compiling import Cell, Compiler, Shows, command_of, dedented, parts_of
from proxyables_cli.repl.completion.remote import Descriptions
from proxyables_cli.repl.connections import Connection, Connections
from proxyables_cli.repl.display import Display
from proxyables_cli.repl.evaluation import Ending, Evaluator, Outcome
from proxyables_cli.repl.interrupts import listening
from proxyables_cli.repl.jobs import Job, Jobs
from proxyables_cli.repl.leaving import NOTICE, Leaving
from proxyables_cli.repl.pages import More, StreamPages, TextPages
from proxyables_cli.repl.previews import reprs
from proxyables_cli.repl.record import Entry, Record
from proxyables_cli.repl.remoting import is_object, is_remote, remoting, tools
from proxyables_cli.repl.resolution import Resolver, UserValue
from proxyables_cli.repl.scope import Scope
from proxyables_cli.repl.tracing import Tracer
from proxyables_cli.stdout import flush

SHOWN_CHARACTERS = 20_000
"""Characters of one value at a prompt."""

_TAKE = "__px_take__"
_LEAVING = frozenset({"exit", "quit"})


def is_terminal(stream: Any) -> bool:
    """Whether somebody may sit at the other end of a standard stream, which may be closed."""
    return stream is not None and bool(stream.isatty())


class Session:
    """What all inputs share: the scope, the connections, and one way to run and to report.

    Args:
        name: What the current connection's root is called.
        timeout: Seconds that connecting may take.
        wait: Seconds that servers which are not there at the start get to come up.
        find: Tells where an address leads, and with which secret.
        auto_await: Await remote chains where their values are wanted.
        prompts: Somebody sits there: values are cut and broken to the width of the terminal.
    """

    def __init__(
        self,
        *,
        name: str = "obj",
        timeout: float = 5.0,
        wait: float = 0.0,
        find: Callable[[str], Place] = Place,
        auto_await: bool = True,
        prompts: bool,
    ) -> None:
        self.name = name
        self._wait = wait
        self.record = Record()
        self.secrets: set[str] = set()
        """Names whose values are shown by no command."""
        self.vi: bool = False
        """Whether the keys at a prompt are those of vi; can be changed."""
        self.color = "auto"
        self.descriptions: Descriptions | None = None
        """What the menus know of remote objects; None where there are none."""
        self._following: str | None = None
        self.exit_code: int | None = None
        """Set when the session is to end."""
        self.leaving = Leaving()
        px = tools(self._open, self._help)
        self.scope = Scope(Resolver(remoting(px), self.record.note))
        self.scope.bind("px", px)
        self.scope.bind("help", px.help)
        self.tracer: Tracer = Tracer(
            lambda text: talk(text, name=""), lambda: self.connections.by_name.values()
        )
        self.connections = Connections(
            self.scope,
            name=name,
            timeout=timeout,
            find=find,
            say=self.say,
            follow=self._follow,
            reconnects=prompts,
        )
        self.more = More(self.write)
        self.display: Display = Display(
            is_object,
            reprs,
            width=(lambda: shutil.get_terminal_size().columns) if prompts else None,
            characters=SHOWN_CHARACTERS if prompts else None,
        )
        self.jobs = Jobs(self._on_job_end)
        compiler = Compiler(auto_await=auto_await)
        self.evaluator: Evaluator = Evaluator(self.scope, compiler, self.show, self.command)

    def compiled_script(self, script: scripts.Script) -> Cell:
        """Compiles the script of a run and gives it its arguments."""
        sys.argv = list(script.argv)
        if script.shows is Shows.NOTHING:
            self.scope.names["__file__"] = script.filename
            sys.path.insert(0, os.path.dirname(os.path.abspath(script.filename)))
        else:
            import_from_here()
        return self.compiled(script)

    def compiled(self, script: scripts.Script) -> Cell:
        """Compiles a whole script; raises what the compiler raises."""
        return self.evaluator.compiler.compile(
            script.source, filename=script.filename, shows=script.shows
        )

    async def main(
        self, addresses: Sequence[str], cells: Sequence[Cell], *, prompts: bool, plain: bool
    ) -> int:
        """Connects, runs the cells, prompts where asked to, and closes everything again."""
        plain = plain or not _can_draw()
        if prompts and not plain:
            self.descriptions = Descriptions()
        # A Ctrl-C that finds no cell and no line to clear does nothing.
        idle = listening(lambda: None) if prompts else contextlib.nullcontext()
        try:
            with self.scope.as_main(), idle:
                await self._connect(addresses)
                code = await self._work(cells, prompts=prompts, plain=plain)
                self.leaving.code = code
        finally:
            self.leaving.begin()
            await self.jobs.close()
            await self.more.close()
            if self.descriptions is not None:
                await self.descriptions.close()
            await self._close_connections(tells=prompts)
        return code

    async def _work(self, cells: Sequence[Cell], *, prompts: bool, plain: bool) -> int:
        for cell in cells:
            outcome = await self.evaluator.supervise(functools.partial(self._script, cell))
            if not prompts and outcome.ending is not Ending.DONE:
                return scripts.exit_code(outcome)
            self.report(outcome)
            if self.exit_code is not None:
                break
        if prompts and self.exit_code is None:
            return await self._prompt(plain=plain)
        return self.exit_code or Code.OK

    async def _close_connections(self, *, tells: bool) -> None:
        """Closes all of them, which takes as long as calls in flight may: those of tasks, say."""
        closing = asyncio.ensure_future(self.connections.close_all())
        done, _ = await asyncio.wait({closing}, timeout=NOTICE if tells else None)
        if not done:
            self.say("waiting for calls in flight, for some seconds at most")
        await closing

    def _follow(self, connection: Connection) -> None:
        """Traces a connection that was opened, and asks at once for what its menu will show: the
        answer is there, or on its way, when the first prompt is."""
        self.tracer.follow(connection)
        if self.descriptions is not None:
            self.descriptions.prefetch(connection.peer.root)

    async def _script(self, cell: Cell) -> None:
        await self.evaluator.execute(cell)
        flush()

    async def _connect(self, addresses: Sequence[str]) -> None:
        async def connect() -> None:
            for word in addresses:
                name, equals, address = word.partition("=")
                named = bool(equals) and name.isidentifier()
                given = (address, name) if named else (word,)
                await self.connections.open(*given, wait=self._wait)

        outcome = await self.evaluator.supervise(connect)
        if outcome.error is not None:
            raise outcome.error
        if outcome.ending is not Ending.DONE:
            raise KeyboardInterrupt

    async def _prompt(self, *, plain: bool) -> int:
        import_from_here()
        if plain:
            from proxyables_cli.repl import plain as lines

            return await lines.interact(self)
        from proxyables_cli.repl import terminal

        return await terminal.interact(self)

    # ---- running

    async def enter(self, source: str) -> None:
        """Runs one input of a prompt: a ``%`` command, ``name?``, or a cell; or several of them
        that were pasted together, up to the first that fails. Raises nothing."""
        source = dedented(source)
        parts = [source]
        if re.search(r"^%", source, re.MULTILINE) and "\n" in source.strip():
            from proxyables_cli.repl import commands

            parts = parts_of(source, commands.goes_on)
        for part in parts:
            if not await self._enter(part) or self.exit_code is not None:
                break

    async def _enter(self, source: str) -> bool:
        text = source.strip()
        if not text:
            return True
        if text in _LEAVING and text not in self.scope.names:
            self.leave()
            return True
        line = command_of(text)
        if line is None:
            return await self._enter_cell(source)
        entry = self._entry(text, is_command=True)
        outcome = await self.evaluator.supervise(lambda: self.command(line))
        self.record.end(entry, outcome, self.scope.names)
        self.report(outcome, text)
        following, self._following = self._following, None
        if following is not None:
            return await self._enter_cell(following)
        return outcome.ending is Ending.DONE

    def then(self, source: str) -> None:
        """Has a command be followed by a cell, as if that had been typed."""
        self._following = source

    async def _enter_cell(self, source: str) -> bool:
        entry = self._entry(source.strip("\n"), is_command=False)
        outcome = await self.evaluator.run(source)
        self.record.end(entry, outcome, self.scope.names)
        self.report(outcome, source)
        return outcome.ending is Ending.DONE

    def _entry(self, source: str, *, is_command: bool) -> Entry:
        compiler = self.evaluator.compiler
        number = compiler.count + 1  # of the cell that it is, or compiles first
        entry = Entry(source, is_command, number, compiler.auto_await)
        self.record.begin(entry)
        return entry

    async def command(self, line: str) -> None:
        """Runs one ``%`` line, given without its ``%``; raises what it raises."""
        from proxyables_cli.repl import commands  # a script without any does not pay for them

        await commands.run(self, line)

    async def cell(self, source: str, *, shows: Shows, filename: str | None = None) -> None:
        """Runs code as part of a command; raises what it raises."""
        await self.evaluator.inline(source, shows=shows, filename=filename)

    async def value(self, source: str) -> UserValue:
        """The value of an expression, awaited as in a cell; raises what it raises."""
        taken: list[UserValue] = []

        async def take(value: UserValue) -> None:
            taken.append(value)

        self.scope.names[_TAKE] = take
        try:
            await self.evaluator.execute(self.evaluator.compiler.compile(source, display=_TAKE))
        finally:
            del self.scope.names[_TAKE]
        if not taken:
            raise Failure(Code.USAGE, f"{source!r} is no expression")
        return taken[0]

    async def chain(self, source: str) -> UserValue:
        """What an expression names, with nothing awaited: a remote chain stays one.

        Raises:
            Exception: What the expression raises.
        """
        code = compile(source.strip(), "<command>", "eval", dont_inherit=True)
        return eval(code, self.scope.names)

    def leave(self, code: int = 0) -> None:
        """Has the session end after the input that runs now."""
        self.exit_code = code

    async def _open(self, address: str, name: str | None) -> UserValue:
        return (await self.connections.open(address, name)).peer.root

    async def _help(self, subject: UserValue) -> None:
        """What Python's `help` does, for remote objects too, and without a pager."""
        if subject is None:
            await self.command("help")
            return
        from proxyables_cli.repl import descriptions

        if is_remote(subject):
            self.write("\n".join(await descriptions.all_lines(subject, self.display.columns())))
        else:
            text = descriptions.python_help(subject)
            await self.more.begin(TextPages(text.rstrip(), SHOWN_CHARACTERS))

    # ---- telling

    async def show(self, value: UserValue) -> None:
        """Displays a value, and keeps it as ``_``."""
        pages = await self.display.pages_of(value)
        self.scope.displayed(value)
        streams = isinstance(pages, StreamPages)
        self.record.show(value, streams=streams, is_reference=is_object(value))
        await self.more.begin(pages)

    def write(self, text: str) -> None:
        """Writes one text to standard output.

        Raises:
            OutputClosed: Nobody reads any more, or standard output was closed from the start.
        """
        if sys.stdout is None:
            raise OutputClosed
        try:
            print(text)
        except BrokenPipeError:
            raise OutputClosed from None
        except UnicodeEncodeError:
            encoding = getattr(sys.stdout, "encoding", None) or "ascii"
            print(text.encode(encoding, "backslashreplace").decode(encoding))

    def say(self, text: str) -> None:
        """Tells the user something that no input asked for."""
        talk(text)

    @contextlib.contextmanager
    def telling_background_errors(self) -> Iterator[None]:
        """Tells inside the block what tasks and callbacks raise that nobody waits for."""
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: self._on_background_error(context))
        try:
            yield
        finally:
            loop.set_exception_handler(before)

    def _on_background_error(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, BaseException):
            self.say(escaped(str(context.get("message"))))
            return
        # One text, which nothing that is printed at the same time comes between.
        talk(f"in the background:\n{failures.text_of(error)}".rstrip("\n"), name="")

    def _on_job_end(self, job: Job, outcome: Outcome) -> None:
        told = "done" if outcome.ending is Ending.DONE else outcome.ending.value
        self.say(f"job {job.number} {told} after {outcome.seconds:.1f}s: {job.source:.60}")
        if outcome.ending is Ending.RAISED:
            self.report(outcome)

    def report(self, outcome: Outcome, source: str = "") -> None:
        """Tells what went wrong with an input, if anything did."""
        flush()
        match outcome.ending:
            case Ending.CANCELLED:
                talk(f"cancelled after {outcome.seconds:.1f}s", name="")
            case Ending.TIMED_OUT:
                talk(f"timed out after {outcome.seconds:.1f}s", name="")
            case Ending.ABANDONED if outcome.task is not None:
                job = self.jobs.add(source.strip("\n"), outcome.task, resists=True)
                talk(f"it does not end; it goes on in the background as job {job.number}", name="")
            case Ending.EXITED:
                self.leave(scripts.code_of_exit(outcome.error))
            case Ending.RAISED if isinstance(outcome.error, Failure):
                talk(explain(outcome.error)[1], name="")
            case Ending.RAISED if outcome.error is not None:
                talk(failures.text_of(outcome.error).rstrip("\n"), name="")
                if isinstance(outcome.error, ConnectionClosed):
                    for line in self.connections.about_lost(source):
                        talk(line, name="")


def _can_draw() -> bool:
    """Whether the terminal is more than lines of text."""
    dumb = os.environ.get("TERM", "") in ("", "dumb")
    return not dumb and is_terminal(sys.stdin) and is_terminal(sys.stdout)


def import_from_here() -> None:
    """Has imports find the modules of the current directory, as at Python's own prompt."""
    if "" not in sys.path:
        sys.path.insert(0, "")


__all__ = ["Session", "is_terminal"]
