"""Real children on both loops: their wire, their end, and what is left of them (nothing)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

import recording
from proxyables.errors import HandshakeFailed
from proxyables.net import processes
from proxyables.net.processes import Child, describe_exit, start_child
from recording import LOOPS, Recorder, Run, end_abruptly, eventually

run = recording.run  # the fixture

ECHO = "import os\nwhile data := os.read(0, 65536): os.write(1, data)"
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"ready")
time.sleep(60)
"""
DAEMON = """
import os, signal
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(1, b"%d" % os.getpid())
    os.close(0), os.close(1), os.write(writing, b"x")
    signal.pause()
os.read(reading, 1)
"""


def python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", program, *arguments]


def is_gone(child: Child) -> bool:
    """Whether the process has been waited for: a zombie still has its entry."""
    try:
        os.kill(child.pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_conversation_and_a_clean_end(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        child = await start_child(python(ECHO), protocol)
        assert child.returncode is None
        assert describe_exit(child) == "the child is running"
        data = bytes(range(256)) * 4096
        child.transport.write(data)
        await protocol.until(lambda: len(protocol.received) == len(data))
        assert protocol.received == data
        child.transport.close()
        await protocol.lost
        await child.wait_closed()
        assert child.returncode == 0
        assert is_gone(child)
        assert not child.was_signalled
        assert protocol.events[0] == "made"
        assert protocol.error is None

    run(main())


def test_the_end_of_the_child_is_told_at_once(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        # It closes its end of the wire and stays: the protocol hears before the child is gone.
        program = "import os, signal; os.close(0); os.close(1); signal.pause()"
        child = await start_child(python(program), protocol, grace=0.2)
        await protocol.lost
        assert protocol.events == ["made", "eof", "lost"]
        assert child.returncode is None
        await child.wait_closed()
        assert child.returncode == -signal.SIGTERM
        assert describe_exit(child) == "the child was ended by SIGTERM"

    run(main())


def test_an_exit_status(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        child = await start_child(python("raise SystemExit(3)"), protocol)
        await protocol.lost
        await child.wait_closed()
        assert child.returncode == 3
        assert not child.was_signalled
        assert describe_exit(child) == "the child exited with status 3"
        assert is_gone(child)

    run(main())


def test_a_child_that_ignores_everything_is_killed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "TERMINATION", 0.2)

    async def main() -> None:
        protocol = Recorder()
        child = await start_child(python(STUBBORN), protocol, grace=0.1)
        await protocol.until(lambda: protocol.received == b"ready")
        child.transport.abort()
        await protocol.lost
        await child.wait_closed()
        assert child.returncode == -signal.SIGKILL
        assert child.was_signalled
        assert is_gone(child)

    run(main())


def test_no_patience(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TERMINATION", 0.2)

    async def main() -> None:
        protocol = Recorder()
        child = await start_child(python(STUBBORN), protocol, grace=60)
        await protocol.until(lambda: protocol.received == b"ready")
        child.transport.abort()
        await child.finish(patience=0)
        assert child.returncode == -signal.SIGKILL
        await protocol.lost

    run(main())


def test_its_own_children_are_terminated_with_it(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        # The shell waits for a grandchild that does not watch its input.
        words = ["sh", "-c", "sleep 60 <&- >&- & echo $!; wait"]
        child = await start_child(words, protocol, grace=0)
        await protocol.until(lambda: protocol.received.endswith(b"\n"))
        grandchild = int(protocol.received)
        child.transport.close()
        await child.wait_closed()

        await eventually(lambda: not is_running(grandchild))

    run(main())


def test_what_it_leaves_behind_in_its_group_is_killed(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        # Deaf to everything polite, and with a hold on stderr, which must not hold up the end.
        words = ["sh", "-c", "(trap '' TERM HUP; exec sleep 60) <&- >&- & echo $!"]
        child = await start_child(words, protocol, grace=60)
        await protocol.lost
        await child.wait_closed()
        assert child.returncode == 0
        assert not child.was_signalled
        grandchild = int(protocol.received)
        await eventually(lambda: not is_running(grandchild))

    run(main())


def test_a_daemon_outlives_it(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        child = await start_child(python(DAEMON), protocol)
        await protocol.lost
        await child.wait_closed()
        assert child.returncode == 0
        daemon = int(protocol.received)
        assert is_running(daemon)
        os.kill(daemon, signal.SIGKILL)

    run(main())


def is_running(pid: int) -> bool:
    # Nobody may be there to wait for an orphan, so a zombie counts as gone.
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_child_is_out_of_reach_of_ctrl_c(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        program = "import os; os.write(1, b'%d %d' % (os.getsid(0), os.getpid()))"
        child = await start_child(python(program), protocol)
        await protocol.lost
        await child.wait_closed()
        session, pid = map(int, protocol.received.split())
        assert session == pid != os.getsid(0)

    run(main())


def test_nothing_is_inherited_but_the_wire_and_stderr(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        program = "import os; os.write(1, ' '.join(sorted(os.listdir('/proc/self/fd'))).encode())"
        reading, writing = os.pipe()
        child = await start_child(python(program), protocol)
        await protocol.lost
        await child.wait_closed()
        os.close(reading)
        os.close(writing)
        assert protocol.received.split() == [b"0", b"1", b"2", b"3"]  # 3: the listing itself

    run(main())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["/nowhere/program"], "'/nowhere/program': no such file or directory"),
        (["no-such-program-anywhere"], "'no-such-program-anywhere': no such file"),
        (["/etc"], "'/etc': permission denied"),
        (["a\0b"], "embedded null byte"),
    ],
)
def test_what_cannot_be_started(run: Run, words: list[str], reason: str) -> None:
    async def main() -> None:
        with pytest.raises(HandshakeFailed, match=f"cannot start .*{reason}") as caught:
            await start_child(words, Recorder())
        assert isinstance(caught.value.__cause__, (OSError, ValueError))

    run(main())


def test_a_cancelled_start_leaves_no_child(run: Run) -> None:
    others = children()

    async def main() -> None:
        for steps in range(6):
            protocol = Recorder()
            starting = asyncio.ensure_future(start_child(python(ECHO), protocol))
            for _ in range(steps):
                await asyncio.sleep(0)
            starting.cancel()
            results = await asyncio.gather(starting, return_exceptions=True)
            if isinstance(results[0], Child):  # it was quicker
                results[0].transport.close()
                await results[0].wait_closed()
        await eventually(lambda: children() == others)

    run(main())


def children() -> list[str]:
    """The children of this process; other tests may have some that live longer."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()


@pytest.mark.parametrize("loop", LOOPS)
def test_the_end_of_the_loop_ends_the_child(loop: str) -> None:
    started: list[Child] = []

    async def main() -> None:
        started.append(await start_child(python(STUBBORN), Recorder()))

    end_abruptly(loop, main())
    assert started[0].returncode == -signal.SIGKILL
    assert is_gone(started[0])


# --- what it says on stderr ----------------------------------------------------------------------


def test_its_stderr_goes_to_the_log(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        protocol = Recorder()
        words = ["sh", "-c", "echo one >&2; echo two >/dev/stderr; printf three >&2; exit 3"]
        child = await start_child(words, protocol)
        await child.wait_closed()
        told = [record.getMessage() for record in caplog.records]
        assert told == [f"sh[{child.pid}]: {text}" for text in ("one", "two", "three")]
        assert {record.name for record in caplog.records} == {"proxyables.child"}
        assert child.last_words == "one | two | three"
        assert describe_exit(child) == "the child exited with status 3: one | two | three"
        await protocol.lost
        caplog.clear()

    run(main())


def test_a_flood_on_stderr_does_not_wait_for_the_loop(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        program = "import os\nfor _ in range(64): os.write(2, b'x' * 32768)\nos.write(1, b'done')"
        child = await start_child(python(program), protocol)
        # The loop does nothing until the child has got rid of all of it, far more than a pipe
        # holds. It is reaped by a thread, so that can be seen from here.
        hold_up_the_loop(lambda: child.returncode is not None)
        assert child.returncode == 0
        await protocol.lost
        await child.wait_closed()
        assert protocol.received == b"done"

    run(main())


def hold_up_the_loop(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_name_for_the_log(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        child = await start_child(["sh", "-c", "echo hm >&2"], Recorder(), name="ssh \x1b box")
        await child.wait_closed()
        assert caplog.messages == [f"ssh \\x1b box[{child.pid}]: hm"]

    run(main())


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("/etc", "ssh exited with status 126 (a command cannot be executed): "),
        ("exec no-such-command", "ssh exited with status 127 (a command was not found): "),
        ("exit 255", "ssh exited with status 255"),
        ("echo bye >&2; kill -SEGV $$", "ssh was ended by SIGSEGV: bye"),
    ],
)
def test_how_it_ended(run: Run, script: str, told: str) -> None:
    async def main() -> None:
        child = await start_child(["sh", "-c", script], Recorder())
        await child.wait_closed()
        assert describe_exit(child, "ssh").startswith(told)

    run(main())


# --- when the system is in the way ---------------------------------------------------------------


def test_fifty_children_leave_no_descriptor_and_no_zombie(run: Run) -> None:
    others = children()

    async def start(*words: str) -> None:
        protocol = Recorder()
        child = await start_child(words, protocol)
        child.transport.close()
        await protocol.lost
        await child.wait_closed()
        assert is_gone(child)

    async def main() -> None:
        await start("cat")  # the loop opens its own with the first
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(17):
            await start("cat")
            await start("true")
            with pytest.raises(HandshakeFailed):
                await start("/no/such")
        assert len(os.listdir("/proc/self/fd")) == before
        assert children() == others

    run(main())


@pytest.mark.parametrize("spare", range(7))
def test_no_descriptors_left(spare: int) -> None:
    program = f"""
import asyncio, os, resource
from proxyables.net.processes import start_child
async def main():
    await asyncio.sleep(0)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 30, taken[0] + 30))
    while True:
        try:
            taken.append(os.dup(taken[0]))
        except OSError:
            break
    for _ in range({spare}):
        os.close(taken.pop())
    before = set(os.listdir("/proc/self/fd")) if {spare} else None
    try:
        await start_child(["cat"], asyncio.Protocol())
    except OSError as error:
        assert "too many open files" in str(error).lower(), error
        assert before is None or set(os.listdir("/proc/self/fd")) == before
    else:
        raise AssertionError("it has found descriptors")
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("started", [0, 1])
def test_no_threads_left(run: Run, monkeypatch: pytest.MonkeyPatch, started: int) -> None:
    start = threading.Thread.start
    count = iter(range(10))
    others = children()

    def starve(thread: threading.Thread) -> None:
        if next(count) >= started:
            raise RuntimeError("can't start new thread")
        start(thread)

    async def main() -> None:
        monkeypatch.setattr(threading.Thread, "start", starve)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await start_child(["cat"], Recorder())
        assert children() == others

    run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_process_that_ignores_sigchld(loop: str) -> None:
    """The kernel reaps its children then, and tells nobody how they ended."""
    program = f"""
import asyncio, signal, uvloop
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
from proxyables.net.processes import start_child
async def main():
    child = await start_child(["cat"], asyncio.Protocol())
    child.transport.close()
    await child.wait_closed()
    assert child.returncode == 0
{loop}.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_signal_without_a_name(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        program = "import os; os.kill(os.getpid(), 35)"  # SIGRTMIN+1
        child = await start_child(python(program), protocol)
        await protocol.lost
        await child.wait_closed()
        assert describe_exit(child) == "the child was ended by signal 35"

    run(main())
