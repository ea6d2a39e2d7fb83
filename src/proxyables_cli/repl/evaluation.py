"""Running cells: each as a task of the loop, with every way in which one can end told apart."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from proxyables_cli.exits import Failure
from proxyables_cli.repl.compiling import COMMAND, DISPLAY, Cell, Compiler, Shows
from proxyables_cli.repl.deadlines import Deadline
from proxyables_cli.repl.interrupts import interruptible
from proxyables_cli.repl.resolution import UserValue
from proxyables_cli.repl.scope import Scope


class Ending(Enum):
    """How a cell ended."""

    DONE = "done"
    RAISED = "raised"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    EXITED = "exited"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell.

    Attributes:
        ending: How it ended.
        seconds: How long it ran.
        error: What it raised, for RAISED and EXITED.
        task: What goes on, for ABANDONED.
    """

    ending: Ending
    seconds: float = 0.0
    error: BaseException | None = None
    task: asyncio.Task[Outcome] | None = None


class Evaluator:
    """Runs cells in one scope, one after another.

    Args:
        scope: The names that cells see, and where they leave theirs.
        compiler: Makes code of sources.
        show: Displays one value.
        command: Runs one ``%`` line of a script.
    """

    def __init__(
        self,
        scope: Scope,
        compiler: Compiler,
        show: Callable[[UserValue], Awaitable[None]],
        command: Callable[[str], Awaitable[None]],
    ) -> None:
        self._limit: float | None = None
        self._deadlines: dict[asyncio.Task[Any] | None, Deadline] = {}
        self.compiler = compiler
        self._scope = scope
        self._context = contextvars.copy_context()
        scope.names[DISPLAY] = show
        scope.names[COMMAND] = command

    @property
    def limit(self) -> float | None:
        """Seconds that a cell may run; None for ever."""
        return self._limit

    def set_limit(self, seconds: float | None) -> None:
        """Limits the cells to come, and the rest of the one that calls this, a script for one."""
        self._limit = seconds
        deadline = self._deadlines.get(asyncio.current_task())
        if deadline is not None:
            deadline.allow(seconds)

    async def run(self, source: str, *, shows: Shows = Shows.LAST) -> Outcome:
        """Compiles and runs a cell under supervision."""
        return await self.supervise(lambda: self.inline(source, shows=shows))

    async def inline(self, source: str, *, shows: Shows, filename: str | None = None) -> None:
        """Compiles and runs a cell as part of the caller; raises what it raises."""
        await self.execute(self.compiler.compile(source, shows=shows, filename=filename))

    async def execute(self, cell: Cell) -> None:
        """Runs a compiled cell as part of the caller; raises what it raises."""
        try:
            result = eval(cell.code, self._scope.names)
            if cell.is_coroutine:
                await result
        finally:
            self._scope.forget(cell.temporaries)

    def start(self, cell: Cell) -> asyncio.Task[Outcome]:
        """Runs a compiled cell in the background, where Ctrl-C does not reach it."""
        work = self._timed(lambda: self.execute(cell))
        return asyncio.get_running_loop().create_task(work, context=self._context)

    async def supervise(self, work: Callable[[], Awaitable[None]]) -> Outcome:
        """Runs something of the user's as a task that Ctrl-C ends, and tells how it ended.

        Raises nothing that `work` raises. If the caller is cancelled, so is the work.
        """
        loop = asyncio.get_running_loop()
        abandoned = loop.create_future()
        # One context for all cells, so that what one sets in a context variable is there later.
        task = loop.create_task(self._timed(work), context=self._context)
        try:
            with interruptible(task, abandoned):
                await asyncio.wait({task, abandoned}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        if not task.done():
            return Outcome(Ending.ABANDONED, task=task)
        if task.cancelled():  # before its first step
            return Outcome(Ending.CANCELLED)
        stop = task.exception()
        if isinstance(stop, KeyboardInterrupt):  # in a frame of ours, around the work
            return Outcome(Ending.CANCELLED)
        outcome = task.result()
        error = outcome.error
        # What a command says of itself is no failure of the user's code.
        if outcome.ending is Ending.RAISED and error is not None and not isinstance(error, Failure):
            self._scope.failed(error)
        return outcome

    async def _timed(self, work: Callable[[], Awaitable[None]]) -> Outcome:
        started = time.perf_counter()
        ending, error = await self._guarded(work)
        return Outcome(ending, time.perf_counter() - started, error)

    async def _guarded(
        self, work: Callable[[], Awaitable[None]]
    ) -> tuple[Ending, BaseException | None]:
        task = asyncio.current_task()
        deadline = self._deadlines[task] = Deadline(self._limit)
        try:
            async with deadline:
                await work()
        except SystemExit as error:
            return Ending.EXITED, error
        except asyncio.CancelledError as error:
            # One that the cell's code raised by itself is an error of that code.
            if task is not None and task.cancelling():
                return Ending.CANCELLED, None
            return (Ending.TIMED_OUT, None) if deadline.has_struck else (Ending.RAISED, error)
        except TimeoutError as error:
            return (Ending.TIMED_OUT, None) if deadline.has_struck else (Ending.RAISED, error)
        except BaseException as error:  # the seam: user code raises what it likes
            # KeyboardInterrupt too: past this frame it would stop the loop under everybody.
            return Ending.RAISED, _unwrapped(error)
        finally:
            del self._deadlines[task]
        return Ending.DONE, None


def _unwrapped(error: BaseException) -> BaseException:
    """Python turns a StopIteration that leaves a coroutine, as cells are, into a RuntimeError."""
    cause = error.__cause__
    wrapped = isinstance(error, RuntimeError) and isinstance(cause, StopIteration)
    return cause if wrapped and cause is not None else error


__all__ = ["Ending", "Evaluator", "Outcome"]
