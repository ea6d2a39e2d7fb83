"""Cells that run in the background of a session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proxyables_cli.exits import Code, Failure, talk
from proxyables_cli.repl.evaluation import Ending, Outcome
from proxyables_cli.repl.leaving import NOTICE, PATIENCE, cancelled


@dataclass(frozen=True, slots=True)
class Job:
    """One cell in the background.

    Attributes:
        number: What it is called.
        source: Its code.
        started: When, on `time.monotonic`'s clock.
        task: Ends with what became of it.
        resists: Whether it has been cancelled, and went on.
    """

    number: int
    source: str
    started: float
    task: asyncio.Task[Outcome]
    resists: bool = False

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.started


class Jobs:
    """The cells that run in the background; each is told of when it ends, and then forgotten.

    Args:
        report: Tells the user what became of a job. It must not raise.
    """

    def __init__(self, report: Callable[[Job, Outcome], None]) -> None:
        self._report = report
        self._running: dict[int, Job] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Job]:
        return iter(self._running.values())

    def add(self, source: str, task: asyncio.Task[Outcome], *, resists: bool = False) -> Job:
        """Takes a cell that has been started."""
        self._last += 1
        job = Job(self._last, source, time.monotonic(), task, resists)
        self._running[job.number] = job
        task.add_done_callback(lambda _: self._on_end(job))
        return job

    def cancel(self, text: str) -> Job:
        """Cancels a job by its number; its end is told like any other.

        Raises:
            Failure: There is no such job.
        """
        job = self._running.get(int(text)) if text.isdecimal() and len(text) < 10 else None
        if job is None:
            known = ", ".join(map(str, self._running)) or "none"
            raise Failure(Code.USAGE, f"no job is called {text!r}", f"running: {known}")
        job.task.cancel()
        return job

    async def close(self) -> None:
        """Cancels all that are left, and gives them some seconds, without telling of their ends."""
        jobs = list(self)
        self._running.clear()
        going_on = await cancelled([job.task for job in jobs if not job.resists], NOTICE)
        if going_on:
            told = ", ".join(str(job.number) for job in jobs if job.task in going_on)
            talk(f"waiting for job {told} to end, {PATIENCE:.0f}s at most", name="")
            await asyncio.wait(going_on, timeout=PATIENCE - NOTICE)

    def _on_end(self, job: Job) -> None:
        if self._running.pop(job.number, None) is not None and not job.task.cancelled():
            error = job.task.exception()  # an interrupt around the cell; it has no outcome then
            self._report(job, Outcome(Ending.CANCELLED) if error else job.task.result())


__all__ = ["Job", "Jobs"]
