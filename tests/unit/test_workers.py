"""Worker threads by themselves: places, order, cancellation, their end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gates import Gate
from proxyables import LimitExceeded, Limits
from proxyables.peer.jobs import Job, Stopped, current_job
from proxyables.peer.workers import Workers, check_threads, make_workers

NAME = "proxyables-worker"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def run(limit: int, test: Callable[[Workers], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Runs a coroutine with workers of its own; afterwards none of their threads is left."""

    async def bounded() -> None:
        workers = Workers(limit, **options)
        try:
            async with asyncio.timeout(20):
                await test(workers)
        finally:
            workers.close()
            assert workers.threads == 0
        assert threads() == []

    asyncio.run(bounded())


async def start(workers: Workers, function: Callable[..., Any], *args: Any) -> asyncio.Task[Any]:
    """Starts a job and lets it get into the queue."""

    async def wait() -> Any:
        return await Job(workers, function, *args)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    return task


def test_a_job_gives_its_value_or_its_error() -> None:
    async def test(workers: Workers) -> None:
        assert await Job(workers, divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await Job(workers, divmod, 7, 0)
        with pytest.raises(SystemExit):
            await Job(workers, exit_quietly)
        with pytest.raises(Stopped) as caught:
            await Job(workers, next, iter(()))
        assert type(caught.value.error) is StopIteration

    run(1, test)


def exit_quietly() -> None:
    raise SystemExit(3)


def test_jobs_of_one_worker_run_in_the_order_of_their_awaiting() -> None:
    async def test(workers: Workers) -> None:
        done: list[int] = []
        await asyncio.gather(*(await_job(workers, done.append, n) for n in range(100)))
        assert done == list(range(100))
        assert workers.threads == 1

    run(1, test)


async def await_job(workers: Workers, function: Callable[..., Any], *args: Any) -> Any:
    return await Job(workers, function, *args)


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_run_than_may(limit: int) -> None:
    async def test(workers: Workers) -> None:
        lock = threading.Lock()
        counts = [0, 0]

        def work() -> None:
            with lock:
                counts[0] += 1
                counts[1] = max(counts)
            for _ in range(2000):
                pass
            with lock:
                counts[0] -= 1

        await asyncio.gather(*(await_job(workers, work) for _ in range(60)))
        assert counts[0] == 0
        assert counts[1] <= limit
        assert workers.threads <= limit

    run(limit, test)


def test_the_limit_is_reached() -> None:
    async def test(workers: Workers) -> None:
        meeting = threading.Barrier(3)
        await asyncio.gather(*(await_job(workers, meeting.wait, 10) for _ in range(3)))

    run(3, test)


def test_a_worker_that_is_away_lets_others_run_and_then_waits_for_a_place() -> None:
    async def test(workers: Workers) -> None:
        log: list[str] = []
        away, busy = Gate(), Gate()

        def leave() -> None:
            log.append("leave")
            with workers.away():
                away.stop()
            log.append("back")

        def work() -> None:
            log.append("work")
            busy.stop()
            log.append("worked")

        first = await start(workers, leave)
        await away.reached.wait()
        second = await start(workers, work)
        third = await start(workers, log.append, "third")
        await busy.reached.wait()
        away.opened.set()  # it is back, and there is no place
        busy.opened.set()
        await asyncio.gather(first, second, third)
        assert log[:3] == ["leave", "work", "worked"]
        # Who comes back goes before who has not begun; unless it was too late to ask.
        assert sorted(log[3:]) == ["back", "third"]

    run(1, test)


def test_jobs_inside_of_jobs_need_no_second_place() -> None:
    async def test(workers: Workers) -> None:
        loop = asyncio.get_running_loop()

        def nest(depth: int) -> int:
            if depth == 0:
                return 0
            inner = asyncio.run_coroutine_threadsafe(await_job(workers, nest, depth - 1), loop)
            with workers.away():
                return 1 + inner.result(20)

        assert await Job(workers, nest, 50) == 50

    run(1, test)


def test_a_cancelled_job_that_has_not_begun_never_does() -> None:
    async def test(workers: Workers) -> None:
        gate = Gate()
        done: list[str] = []
        first = await start(workers, gate.stop)
        await gate.reached.wait()
        second = await start(workers, done.append, "second")
        third = await start(workers, done.append, "third")
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert "1 queued" in repr(workers)
        gate.opened.set()
        await asyncio.gather(first, third)
        assert done == ["third"]

    run(1, test)


def test_a_cancelled_job_that_runs_is_told_of_it_and_its_value_dropped() -> None:
    async def test(workers: Workers) -> None:
        gate, told = Gate(), threading.Event()

        class Waiter:
            def interrupt(self) -> None:
                told.set()

        def work() -> object:
            job = current_job()
            assert job is not None
            job.waiter = Waiter()
            gate.stop()
            return job.is_cancelled

        task = await start(workers, work)
        await gate.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert told.is_set()
        gate.opened.set()
        assert await Job(workers, str, 1) == "1"  # the worker is free again

    run(1, test)


def test_only_workers_have_a_job() -> None:
    async def test(workers: Workers) -> None:
        assert current_job() is None
        assert type(await Job(workers, current_job)) is Job
        assert current_job() is None

    run(1, test)


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


def test_the_context_is_that_of_the_task() -> None:
    async def test(workers: Workers) -> None:
        VARIABLE.set("ours")

        def work() -> str:
            before = VARIABLE.get()
            VARIABLE.set("theirs")
            return before

        assert await Job(workers, work) == "ours"
        assert VARIABLE.get() == "ours"

    run(1, test)


def test_a_thread_without_a_job_ends() -> None:
    async def test(workers: Workers) -> None:
        await Job(workers, str)
        (thread,) = threads()
        thread.join(10)
        assert workers.threads == 0
        assert await Job(workers, str, 2) == "2"

    run(1, test, idle=0.01)


def test_an_idle_thread_keeps_nothing_of_its_last_job() -> None:
    class Thing:
        pass

    async def test(workers: Workers) -> None:
        thing = Thing()
        known = weakref.ref(thing)
        await Job(workers, id, thing)
        del thing
        gc.collect()
        assert known() is None

    run(1, test)


def test_closing_drops_what_waits_and_lets_run_what_must() -> None:
    async def test(workers: Workers) -> None:
        gate = Gate()
        done: list[str] = []
        first = await start(workers, gate.stop)
        await gate.reached.wait()
        second = await start(workers, done.append, "second")
        workers.start(done.append, "must")
        workers.close()
        workers.close()
        with pytest.raises(RuntimeError, match="closed"):
            await Job(workers, str)
        (thread,) = threads()
        gate.opened.set()
        await first
        thread.join(10)
        assert done == ["must"]
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)

    run(1, test)


def test_a_job_that_nobody_waits_for_tells_the_log_of_its_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(workers: Workers) -> None:
        workers.start(divmod, 1, 0)
        await Job(workers, str)

    run(1, test)
    assert "nobody waits" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_there_are_only_so_many_threads() -> None:
    async def test(workers: Workers) -> None:
        gate = Gate()

        def leave() -> None:
            with workers.away():
                gate.stop()

        first = await start(workers, leave)
        await gate.reached.wait()
        with pytest.raises(LimitExceeded, match="worker threads that wait"):
            await Job(workers, str)
        gate.opened.set()
        await first
        assert await Job(workers, str, 3) == "3"

    run(1, test, most=1)


def test_a_loop_that_has_ended_is_no_problem_for_a_worker() -> None:
    workers = Workers(1)
    began, go = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        assert go.wait(20)

    async def leave() -> None:
        task = await start(workers, work)
        while not began.is_set():
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(leave())
    workers.close()
    (thread,) = threads()
    go.set()
    thread.join(10)
    assert workers.threads == 0


@pytest.mark.parametrize("threads", [True, 1.0, "1", None])
def test_what_is_no_number_of_threads(threads: Any) -> None:
    with pytest.raises(TypeError, match="whole number"):
        check_threads(threads)


def test_the_numbers_of_threads() -> None:
    with pytest.raises(ValueError, match="-1"):
        check_threads(-1)
    assert "0 of 1 running" in repr(make_workers(0, Limits()))
    assert "0 of 7 running" in repr(make_workers(7, Limits()))
