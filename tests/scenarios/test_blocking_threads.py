"""Many threads, interrupts, time-outs and forks on one connection."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest

import proxyables
import proxyables.sync
from workshop import Running, Tool

SOURCE = Path(proxyables.__file__).parents[1]


def test_eight_threads_never_get_each_others_answers(shop: Any) -> None:
    def work(thread: int) -> list[tuple[Any, Any]]:
        wrong = []
        for number in range(200):
            sent: Any = (thread, number, "x" * (number % 7))
            match number % 4:
                case 0:
                    got = shop.same(sent)
                case 1:
                    got = shop.call(shop.same, sent)
                case 2:
                    got = shop.call(lambda value: value, sent)
                case _:
                    got = tuple(shop.pair(*sent)[0])
            if got != sent:
                wrong.append((sent, got))
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert [wrong for found in pool.map(work, range(8)) for wrong in found] == []


def test_results_as_futures(shop: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        futures = {pool.submit(shop.tool.lift, times): times for times in range(10)}
        for future in as_completed(futures, timeout=30):
            assert future.result() == f"hammer x{futures[future]} by hand"
        failing = pool.submit(shop.fail, "nothing")
        assert isinstance(failing.exception(30), ValueError)


def test_a_long_call_holds_no_other_thread_up(shop: Any) -> None:
    began = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shop.begin, began.set)
        assert began.wait(10)
        assert shop.left() == "still here"
        assert not waiting.done()
        shop.ring()
        assert waiting.result(10) is True


def test_threads_share_one_remote_object(shop: Any) -> None:
    mine = Tool("mine")

    def work(number: int) -> bool:
        return all(shop.tool is shop.tool and shop.same(mine) is mine for _ in range(25))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_iterations_in_many_threads(shop: Any) -> None:
    def work(number: int) -> int:
        return sum(row["index"] for row in shop.rows(500 + number))

    with ThreadPoolExecutor(6) as pool:
        expected = [sum(range(500 + number)) for number in range(6)]
        assert list(pool.map(work, range(6))) == expected


def test_a_deadline_ends_a_call_that_takes_too_long(shop: Any) -> None:
    started = time.monotonic()
    with proxyables.deadline(0.1), pytest.raises(TimeoutError):
        shop.wait()
    assert time.monotonic() - started < 10
    shop.ring()
    with proxyables.deadline(10):
        assert shop.wait() is True


def test_a_deadline_ends_a_loop(shop: Any) -> None:
    with proxyables.deadline(0.2), pytest.raises(TimeoutError):
        while True:
            shop.left()
    assert shop.left() == "still here"


def test_ctrl_c_ends_the_wait_and_nothing_else(shop: Any) -> None:
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            shop.begin(lambda: os.kill(os.getpid(), signal.SIGINT))
        assert shop.left() == "still here"
    shop.ring()


def test_ctrl_c_in_a_loop_closes_the_generator(shop: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        for row in shop.rows(10_000_000):
            if row["index"] == 50:
                signal.raise_signal(signal.SIGINT)
    assert shop.left() == "still here"


def test_only_the_main_thread_is_interrupted(shop: Any) -> None:
    began = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shop.begin, began.set)
        assert began.wait(10)
        with pytest.raises(KeyboardInterrupt):
            shop.begin(lambda: os.kill(os.getpid(), signal.SIGINT))
        shop.ring()
        assert waiting.result(10) is True


def test_a_signal_handler_may_use_the_connection(shop: Any) -> None:
    heard = []
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(shop.left()))
    try:
        assert shop.call(lambda: os.kill(os.getpid(), signal.SIGUSR1)) is None
        shop.left()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == ["still here"]


def run(code: str, *args: str) -> list[str]:
    """Runs a program with a process of its own; returns the lines that it printed."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *args],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.stderr == ""
    return result.stdout.splitlines()


def test_nothing_of_a_parent_hangs_in_a_forked_child(workshop: Running) -> None:
    told = run(
        """
        import copy, os, sys, warnings, proxyables.sync
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        peer = proxyables.sync.connect(sys.argv[1])
        shop = peer.root
        tool, rows, names = shop.tool, iter(shop.rows(100_000)), shop.names
        next(rows)
        uses = [
            lambda: tool.name, lambda: tool.lift(), lambda: len(names), lambda: names[0],
            lambda: list(names), lambda: list(rows), lambda: "x" in names, lambda: str(tool),
            lambda: tool == 5, lambda: setattr(tool, "name", "x"), lambda: dir(tool), peer.ping,
            lambda: shop.keep(print), lambda: tool.__enter__(), lambda: copy.copy(tool).lift(),
        ]
        child = os.fork()
        if child == 0:
            for use in uses:
                try:
                    use()
                except proxyables.ConnectionClosed as error:
                    assert "forked" in str(error)
                else:
                    print("no error", flush=True)
            print(repr(tool)[:19], peer.closed, flush=True)
            del tool, rows, names, uses, use
            peer.close()
            sys.exit(0)
        print(os.waitpid(child, 0)[1], tool.name, len(list(rows)), flush=True)
        peer.close()
        """,
        workshop.address,
    )
    assert told == ["<BlockingProxy Tool False", "0 hammer 99999"]


def test_a_fork_in_a_callback(workshop: Running) -> None:
    told = run(
        """
        import os, sys, warnings, proxyables.sync
        warnings.simplefilter("ignore", DeprecationWarning)
        peer = proxyables.sync.connect(sys.argv[1])
        shop = peer.root
        def fork():
            child = os.fork()
            if child == 0:
                try:
                    shop.left()
                except proxyables.ConnectionClosed as error:
                    print(error, flush=True)
                with proxyables.sync.connect(sys.argv[1]) as own:
                    print(own.root.left(), flush=True)
                os._exit(0)
            return os.waitpid(child, 0)[1]
        print("status", shop.call(fork), flush=True)
        peer.close()
        """,
        workshop.address,
    )
    assert told == [
        "the connection belongs to the process that this one forked from",
        "still here",
        "status 0",
    ]
