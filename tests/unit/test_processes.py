"""Real children on both loops: their wire, their end, and what is left of them (nothing)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

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

        def is_running() -> bool:
            # Nobody may be there to wait for an orphan, so a zombie counts as gone.
            try:
                with open(f"/proc/{grandchild}/stat") as file:
                    return file.read().rpartition(")")[2].split()[0] != "Z"
            except FileNotFoundError:
                return False

        await eventually(lambda: not is_running())

    run(main())


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
        await eventually(lambda: not children())

    run(main())


def children() -> list[str]:
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


def test_a_signal_without_a_name(run: Run) -> None:
    async def main() -> None:
        protocol = Recorder()
        program = "import os; os.kill(os.getpid(), 35)"  # SIGRTMIN+1
        child = await start_child(python(program), protocol)
        await protocol.lost
        await child.wait_closed()
        assert describe_exit(child) == "the child was ended by signal 35"

    run(main())
