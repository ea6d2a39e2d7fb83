"""Random scripts of calls and faults: every call ends in one defined outcome, and nothing is left.

A script is drawn from a seed: calls of every kind in both directions, cancellations, dropped
references, garbage collections, and what the proxy of faults.py does to the link meanwhile. The
calls know what a plain local object would give. In a script that cannot break the connection they
must get exactly that; in one that can, they may also fail with the error that says so, and with
nothing else. What has run is counted: never twice, and never if the error said that it did not.

PROXYABLES_FAULTS is the number of scripts (100; ``make soak`` runs 2,000), and
PROXYABLES_FAULTS_SEED runs the one script of that seed. A script that fails is made shorter by
leaving out steps as long as it still fails, and is told with its seed.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import io
import itertools
import os
import random
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator, Sized
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

import proxyables
from connections import LOOPS
from fault_scripts import KINDS, Script, Service, draw
from faults import Fault, Link, faulty
from proxyables import Limits
from proxyables.peer.peer import Peer

SCRIPTS = int(os.environ.get("PROXYABLES_FAULTS", "100"))
SEED = os.environ.get("PROXYABLES_FAULTS_SEED")
BATCH = 25
"""Scripts of one test."""
BOUND = 20.0
"""Seconds within which each part of a script must have ended; a machine under load needs some."""
SHRINKING_BOUND = 2.0
"""The same while a script is made shorter."""
SHRINKING_SECONDS = 30.0
QUICK = Limits(keepalive=0.2, keepalive_timeout=0.3, handshake_timeout=1.0, grace=0.3)
"""For scripts in which one side is not heard any more."""
PATIENT = Limits(handshake_timeout=BOUND, grace=0.3)
MAY_BREAK = (proxyables.ConnectionClosed, proxyables.HandshakeFailed)
"""What a call may fail with once the connection may have been broken."""
EMPTY = ("exports", "export_retains", "imports", "import_retains", "calls_waiting", "calls_running")
"""What must be zero of a connection's statistics in the end."""


@dataclass
class Run:
    """A script in the course of being performed."""

    script: Script
    link: Link
    ends: tuple[Peer, Peer]
    models: tuple[Service, Service]
    bound: float
    calls: list[tuple[int, str, int, asyncio.Task[Any]]] = field(default_factory=list)
    asked_to_stop: set[int] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def perform(self) -> None:
        for deed, argument in self.script.steps:
            await getattr(self, f"_{deed}")(argument)
        self.link.heal()
        async with asyncio.timeout(self.bound):
            await asyncio.gather(*(task for *_, task in self.calls), return_exceptions=True)

    async def _call(self, argument: tuple[int, int]) -> None:
        side, kind = argument
        n = next(self.numbers)
        call = KINDS[kind](self.ends[side].root, n, random.Random(self.script.seed + n))
        task = asyncio.ensure_future(call)
        self.calls.append((n, KINDS[kind].__name__, 1 - side, task))

    async def _cancel(self, place: int) -> None:
        going = [(n, task) for n, _, _, task in self.calls if not task.done()]
        if going:
            n, task = going[place % len(going)]
            task.cancel()
            self.asked_to_stop.add(n)

    async def _drop(self, place: int) -> None:
        self.calls = [
            (n, kind, side, task)
            for n, kind, side, task in self.calls
            if not (kind == "kept" and task.done() and not self._outcome(n, kind, side, task))
        ]
        gc.collect()

    async def _turn(self, number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)
        await asyncio.sleep(number / 1000)

    async def _wait(self, place: int) -> None:
        """Waits for a call, but never for one that a stall holds."""
        if self.calls:
            self.link.heal()
            await asyncio.wait([self.calls[place % len(self.calls)][3]], timeout=0.05)

    async def _fault(self, fault: Fault) -> None:
        fault.befall(self.link)

    async def _close(self, how: int) -> None:
        end = self.ends[how % 2]
        if how < 2:
            end.close()
        else:
            end.abort()

    def stop(self) -> None:
        """Forgets the calls, and with them what they gave."""
        for call in self.calls:
            call[-1].cancel()
        self.calls.clear()
        gc.collect()

    # -- what must hold ---------------------------------------------------------------------------

    def check(self) -> None:
        """Every call had one outcome, one that it could have, and ran no more than once."""
        problems = [self._outcome(*call) for call in self.calls]
        assert not any(problems), "\n".join(filter(None, problems))
        for side, model in enumerate(self.models):
            twice = {n: times for n, times in model.ran.items() if times > 1 and n > 0}
            assert not twice, f"ran more than once on side {side}: {twice}"

    def _outcome(self, n: int, kind: str, side: int, task: asyncio.Task[Any]) -> str:
        """Returns what is wrong with the outcome of a call; nothing if it is in order."""
        ran = self.models[side].ran[n]
        if not task.done():
            return f"call {n} ({kind}) has not ended: {task}"
        if task.cancelled():
            return "" if n in self.asked_to_stop else f"call {n} ({kind}) was cancelled by nobody"
        error = task.exception()
        if error is None:
            return "" if ran == 1 or kind in ("cancelled", "hurried") else f"{kind} ran {ran} times"
        told = getattr(error, "type_name", "")  # the code that they ran met the end of the link
        if told in ("ConnectionClosed", "ConnectionLost") and self.script.may_break:
            return ""
        if isinstance(error, MAY_BREAK) and self.script.may_break:
            first = kind not in ("lent", "back_and_forth")  # those call again
            sent = getattr(error, "maybe_executed", False)
            if ran and not sent and first:
                return f"call {n} ({kind}) ran, and its error says that it did not: {error!r}"
            return ""
        return f"call {n} ({kind}) ended with {error!r}"


# -- running one ----------------------------------------------------------------------------------


async def run(script: Script, models: tuple[Service, Service], bound: float) -> None:
    """Runs a script between two peers; raises if anything is not as it must be."""
    errors: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: errors.append(str(context)))
    quiet = any(fault.name == "silence" for fault in script.faults)
    settings: dict[str, Any] = {
        "limits": QUICK if quiet else PATIENT,
        "threads": script.threads,
    }
    with tempfile.TemporaryDirectory() as directory:
        where = f"unix:{directory}/server" if script.is_unix else "tcp://127.0.0.1:0"
        path = f"{directory}/proxy" if script.is_unix else None
        async with (
            proxyables.serve(models[1], where, **settings) as server,
            faulty(server.addresses[0], path=path) as proxy,
        ):
            if script.before is not None:
                proxy.on_link = script.before.befall
            connecting = proxyables.connect(
                proxy.address, export=models[0], timeout=BOUND, **settings
            )
            try:
                peer = await connecting
            except MAY_BREAK:
                assert script.may_break
            else:
                ends = (peer, server.peers[0])
                await _perform(Run(script, await proxy.link(), ends, models, bound))
            await emptied(lambda: server.peers, bound)
    assert errors == []


async def _perform(run: Run) -> None:
    try:
        await run.perform()
        run.check()
    finally:
        run.stop()
    if not run.script.may_break:
        for peer in run.ends:
            assert not peer.closed
            await emptied(functools.partial(_in_use, peer), run.bound)
    run.ends[0].close()
    for peer in run.ends:
        async with asyncio.timeout(run.bound):
            await peer.wait_closed()
        assert _in_use(peer) == {}


def _in_use(peer: Peer) -> dict[str, int]:
    counts = peer.statistics()
    return {name: counts[name] for name in EMPTY if counts[name]}


async def emptied(look: Callable[[], Sized], bound: float) -> None:
    """Waits for what nothing announces; says what is still there after `bound` seconds."""
    end = asyncio.get_running_loop().time() + bound
    while found := look():
        if asyncio.get_running_loop().time() > end:
            pytest.fail(f"after {bound:g} s there is still {found}")
        gc.collect()
        await asyncio.sleep(0.005)


async def within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Awaits `work`, which must leave no task; when it is late, tells what every task waits for."""
    working = asyncio.ensure_future(work)
    _, late = await asyncio.wait([working], timeout=seconds)
    if late:
        told = io.StringIO()
        for task in asyncio.all_tasks():
            task.print_stack(file=told)
        working.cancel()
        await asyncio.wait([working], timeout=seconds)
        raise TimeoutError(f"it did not end in {seconds:g} s\n{told.getvalue()}")
    await working
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks that are still running: {left}"


def problem_of(script: Script, bound: float = BOUND) -> str:
    """Runs a script on a loop of its own; returns what was wrong, nothing if all was in order."""
    models = (Service(), Service())
    kept = [weakref.ref(model) for model in models]
    threads = set(threading.enumerate())
    try:
        with asyncio.Runner(loop_factory=LOOPS[script.loop]) as runner:
            runner.run(within(4 * bound, run(script, models, bound)))
    except (Exception, pytest.fail.Exception) as error:
        return f"{type(error).__name__}: {error}"
    del models, runner
    gc.collect()
    if any(model() is not None for model in kept):
        return "the root objects are still held by something"
    left = {thread for thread in threading.enumerate() if thread not in threads}
    return f"threads that are still running: {left}" if left else ""


def shortened(script: Script) -> Script:
    """Leaves out steps, many at first, as long as the script still fails."""
    end = time.monotonic() + SHRINKING_SECONDS
    size = len(script.steps) // 2
    while size:
        place = 0
        while place < len(script.steps) and time.monotonic() < end:
            steps = script.steps[:place] + script.steps[place + size :]
            shorter = replace(script, steps=steps)
            if problem_of(shorter, SHRINKING_BOUND):
                script = shorter
            else:
                place += size
        size //= 2
    return script


def must_hold(script: Script) -> None:
    """Fails with all that is needed to see a problem again."""
    problem = problem_of(script)
    if problem:
        steps = "\n".join(f"  {step}" for step in shortened(script).steps)
        pytest.fail(
            f"{problem}\nthe script of seed {script.seed} on {script.loop}; again with "
            f"PROXYABLES_FAULTS_SEED={script.seed}\nwhat is left of {script}\n{steps}",
            pytrace=False,
        )


SEEDS = range(SCRIPTS) if SEED is None else [int(SEED)]


@pytest.mark.parametrize("first", range(0, len(SEEDS), BATCH))
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.timeout(300)
def test_every_call_has_one_defined_outcome_and_nothing_is_left(loop: str, first: int) -> None:
    names = list(LOOPS)
    for seed in SEEDS[first : first + BATCH]:
        if SEED is not None or names[seed % len(names)] == loop:
            must_hold(draw(seed, loop))
