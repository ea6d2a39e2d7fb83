"""Running cells: every way in which one can end, and what is left behind."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from proxyables_cli.repl.compiling import Compiler, Shows
from proxyables_cli.repl.evaluation import Ending, Evaluator, Outcome
from proxyables_cli.repl.scope import Scope
from repl import standins

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class World:
    def __init__(self) -> None:
        self.x = 3


class Bench:
    """An evaluator with a stand-in for the remote side."""

    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.link = standins.Link(World())
        self.scope = Scope(standins.resolver())
        self.scope.bind("obj", self.link.root)
        self.evaluator = Evaluator(self.scope, Compiler(), self._show, self._command)

    async def _show(self, value: Any) -> None:
        self.shown.append(value)
        self.scope.displayed(value)

    async def _command(self, line: str) -> None:
        raise ValueError(line)

    async def run(self, source: str) -> Outcome:
        return await self.evaluator.run(source)


def with_bench(
    work: Callable[[Bench], Awaitable[None]], loop: Callable[[], Any] | None = None
) -> None:
    async def main() -> None:
        bench = Bench()
        # What runs soon runs when the cell waits, so that a signal does not meet it before.
        bench.scope.bind("soon", asyncio.get_running_loop().call_soon)
        with bench.scope.as_main():
            await work(bench)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


def test_values_are_kept() -> None:
    async def work(bench: Bench) -> None:
        for source in ("obj.x", "None", "'b'", "_", "(_, __)"):
            outcome = await bench.run(source)
            assert outcome.ending is Ending.DONE
        assert bench.shown == [3, None, "b", "b", ("b", "b")]

    with_bench(work)


def test_names_stay_and_invented_ones_go() -> None:
    async def work(bench: Bench) -> None:
        await bench.run("a = [obj.x]\nb = a.copy().index(obj.x)")
        assert bench.scope.names["b"] == 0
        assert set(bench.scope.visible()) == {"asyncio", "soon", "obj", "a", "b"}
        assert [name for name in bench.scope.names if name.startswith("__px_1")] == []
        assert bench.scope.reset() == 2
        assert set(bench.scope.visible()) == {"asyncio", "soon", "obj"}

    with_bench(work)


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        ("1 / 0", ZeroDivisionError, "division"),
        ("x = ", SyntaxError, "invalid syntax"),
        ("obj.nothing", AttributeError, "nothing"),
        ("next(iter([]))", StopIteration, ""),
        ("raise KeyboardInterrupt", KeyboardInterrupt, ""),
        ("raise asyncio.CancelledError('mine')", asyncio.CancelledError, "mine"),
        ("raise GeneratorExit", GeneratorExit, ""),
        ("def f(): f()\nf()", RecursionError, "recursion"),
        ("-" * 9000 + "1", Exception, ""),
    ],
)
def test_errors(source: str, error: type[BaseException], text: str) -> None:
    async def work(bench: Bench) -> None:
        outcome = await bench.run(source)
        assert outcome.ending is Ending.RAISED
        assert isinstance(outcome.error, error)
        assert text in str(outcome.error)
        assert bench.scope.names["_err"] is outcome.error
        assert (await bench.run("1")).ending is Ending.DONE

    with_bench(work)


def test_exit() -> None:
    async def work(bench: Bench) -> None:
        outcome = await bench.run("import sys\nsys.exit(7)")
        assert outcome.ending is Ending.EXITED
        assert isinstance(outcome.error, SystemExit)
        assert outcome.error.code == 7

    with_bench(work)


def test_time_out() -> None:
    async def work(bench: Bench) -> None:
        bench.evaluator.set_limit(0.05)
        assert (await bench.run("await asyncio.Event().wait()")).ending is Ending.TIMED_OUT
        bench.evaluator.set_limit(None)
        # A TimeoutError of the code's own is an error like any other.
        outcome = await bench.run("async with asyncio.timeout(0): await asyncio.Event().wait()")
        assert outcome.ending is Ending.RAISED

    with_bench(work)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(5)",
        "while True: pass",
        "def f():\n  while True: pass\nf()",
        "async def f():\n  await asyncio.sleep(0)\n  while True: pass\nawait f()",
        "async with asyncio.TaskGroup() as group:\n  while True: pass",
        "try:\n  while True: pass\nexcept Exception: pass\nfinally: seen = 1",
        "sorted([2, 1], key=lambda n: [None for _ in iter(int, 1)])",
    ],
)
def test_time_out_of_synchronous_code(source: str, loop: Callable[[], Any]) -> None:
    async def work(bench: Bench) -> None:
        before = signal.getsignal(signal.SIGALRM)
        bench.evaluator.set_limit(0.1)
        outcome = await bench.run(source)
        assert outcome.ending is Ending.TIMED_OUT
        assert 0.099 <= outcome.seconds < 2  # uvloop's clock has whole milliseconds
        assert signal.getsignal(signal.SIGALRM) == before
        assert (await bench.run("sum(range(9))")).ending is Ending.DONE
        await asyncio.sleep(0.2)  # no alarm is left behind
        assert bench.shown == [36]

    with_bench(work, loop)


def test_a_time_out_leaves_what_others_do_alone() -> None:
    async def work(bench: Bench) -> None:
        def hold() -> None:
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                held.append(end)

        held: list[float] = []
        bench.evaluator.set_limit(0.1)
        bench.scope.bind("hold", hold)
        outcome = await bench.run("soon(hold)\nawait asyncio.sleep(9)")
        assert outcome.ending is Ending.TIMED_OUT
        assert outcome.seconds > 0.3

    with_bench(work)


def test_context_variables_last() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    async def work(bench: Bench) -> None:
        bench.scope.bind("v", variable)
        await bench.run("v.set(5)")
        await bench.run("v.get() + 0")
        assert bench.shown[-1] == 5

    with_bench(work)


def test_classes_know_their_module() -> None:
    async def work(bench: Bench) -> None:
        source = (
            "from __future__ import annotations\nimport dataclasses\n"
            "@dataclasses.dataclass\nclass P:\n  x: int = 1\nrepr(P())"
        )
        assert (await bench.run(source)).ending is Ending.DONE
        assert bench.shown == ["P(x=1)"]

    with_bench(work)


def _interrupt(after: threading.Event) -> threading.Thread:
    def press() -> None:
        after.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


@pytest.mark.parametrize("loop", LOOPS)
def test_interrupting_an_await_cancels_it(loop: Callable[[], Any]) -> None:
    async def work(bench: Bench) -> None:
        started = threading.Event()
        bench.scope.bind("started", started)
        thread = _interrupt(started)
        source = (
            "try:\n  soon(started.set)\n  await asyncio.Event().wait()\n"
            "except asyncio.CancelledError:\n  seen = True\n  raise\n"
        )
        outcome = await bench.run(source)
        thread.join()
        assert outcome.ending is Ending.CANCELLED
        assert bench.scope.names["seen"]
        assert (await bench.run("1")).ending is Ending.DONE

    before = signal.getsignal(signal.SIGINT)
    with_bench(work, loop)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("source", ["while True: time.sleep(0.02)\n", "while True: pass\n"])
def test_interrupting_synchronous_code(loop: Callable[[], Any], source: str) -> None:
    async def work(bench: Bench) -> None:
        started = threading.Event()
        bench.scope.bind("started", started)
        bench.scope.bind("time", time)
        thread = _interrupt(started)
        outcome = await bench.run(f"started.set()\n{source}")
        thread.join()
        assert outcome.ending is Ending.RAISED
        assert isinstance(outcome.error, KeyboardInterrupt)

    with_bench(work, loop)


def test_a_cell_that_resists_is_abandoned() -> None:
    async def work(bench: Bench) -> None:
        counts = [threading.Event() for _ in range(3)]
        bench.scope.bind("counts", counts)
        threads = [_interrupt(each) for each in counts]
        source = (
            "for each in counts:\n  soon(each.set)\n  try:\n    await asyncio.Event().wait()\n"
            "  except asyncio.CancelledError:\n    pass\nawait end.wait()\nover.set()"
        )
        bench.scope.bind("end", asyncio.Event())
        bench.scope.bind("over", asyncio.Event())
        outcome = await bench.run(source)
        for thread in threads:
            thread.join()
        assert outcome.ending is Ending.ABANDONED
        assert (await bench.run("end.set()\nawait over.wait()")).ending is Ending.DONE

    with_bench(work)


def test_cancelling_the_session_cancels_the_cell() -> None:
    async def work(bench: Bench) -> None:
        bench.scope.bind("entered", asyncio.Event())
        session = asyncio.create_task(
            bench.run("try:\n  entered.set()\n  await asyncio.Event().wait()\nfinally:\n  end = 1")
        )
        await bench.scope.names["entered"].wait()
        session.cancel()
        with pytest.raises(asyncio.CancelledError):
            await session
        assert bench.scope.names["end"] == 1

    with_bench(work)


def test_callbacks_run_while_a_cell_waits() -> None:
    async def work(bench: Bench) -> None:
        event = asyncio.Event()
        bench.scope.bind("event", event)
        asyncio.get_running_loop().call_soon(event.set)
        assert (await bench.run("await event.wait()")).ending is Ending.DONE

    with_bench(work)


def test_commands_inside_a_cell_raise_what_they_raise() -> None:
    async def work(bench: Bench) -> None:
        cell = bench.evaluator.compiler.compile(
            "await __px_command__('ls')", shows=Shows.ALL, filename="f"
        )
        outcome = await bench.evaluator.supervise(lambda: bench.evaluator.execute(cell))
        assert isinstance(outcome.error, ValueError)

    with_bench(work)
