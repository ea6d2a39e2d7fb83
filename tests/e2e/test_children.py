"""Real `serve --stdio` children: what they say, how they end, and who ends with them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import proxyables
import recording
from proxyables import HandshakeFailed, connect
from proxyables.net import dialing
from proxyables.net.endpoints import DialledPeer
from recording import LOOPS, Run

run = recording.run  # the fixture

SOURCES = str(Path(proxyables.__file__).parents[1])
PATIENCE = 30

NOISY = """
import asyncio, ctypes, faulthandler, multiprocessing, os, subprocess, sys, warnings

libc = ctypes.CDLL(None)

def shout():
    print("by print")
    sys.__stdout__.write("by the first stdout\\n")
    sys.__stdout__.flush()
    os.write(1, b"by os.write\\n")
    libc.puts(b"by puts")
    libc.fflush(None)
    subprocess.run(["sh", "-c", "echo by a shell; echo by its device >/dev/stdout; cat"])
    worker = multiprocessing.get_context("fork").Process(target=os.write, args=(1, b"by a fork\\n"))
    worker.start()
    worker.join()
    faulthandler.dump_traceback(1)
    return sys.stdin.read() + os.read(0, 10).decode()

shout()

class Noisy:
    def shout(self):
        return shout()

    async def slow(self, seconds):
        print("slow")
        await asyncio.sleep(seconds)
        return "done"

    def echo(self, data):
        return data

    def pid(self):
        return os.getpid()

    def crash(self):
        print("bye")
        faulthandler.disable()
        os.kill(os.getpid(), 11)

noisy = Noisy()
"""
NOISES = (
    *("by print", "by the first stdout", "by os.write", "by puts", "by a shell"),
    *("by its device", "by a fork", "Current thread"),
)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ``noisy.py`` is, which children find."""
    (tmp_path / "noisy.py").write_text(NOISY)
    monkeypatch.setenv("PYTHONPATH", f"{SOURCES}:{tmp_path}")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "cache"))
    return tmp_path


def address(target: str = "noisy:noisy", *options: str) -> str:
    words = [sys.executable, "-m", "proxyables_cli", "serve", target, "--stdio", *options]
    return f"exec:{shlex.join(words)}"


def is_running(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


@pytest.mark.parametrize("its_loop", LOOPS)
def test_no_noise_reaches_the_wire(
    run: Run, directory: Path, caplog: pytest.LogCaptureFixture, its_loop: str
) -> None:
    async def main() -> None:
        async with connect(address("noisy:noisy", "--loop", its_loop), timeout=20) as peer:
            assert await peer.root.shout() == ""
            data = os.urandom(1 << 20)
            assert await peer.root.echo(data) == data

    run(main())
    for noise in NOISES:
        told = [line for line in caplog.messages if f"]: {noise}" in line]
        assert len(told) == 2, noise  # while it was imported, and in the call


def test_the_end_of_a_block_with_an_error_is_clean(run: Run, directory: Path) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with connect(address(), timeout=20) as peer:
                assert isinstance(peer, DialledPeer)
                child = peer.child
                1 / 0
        assert child is not None
        assert child.returncode == 0
        assert not child.was_signalled

    run(main())


def test_a_child_that_crashes(run: Run, directory: Path) -> None:
    async def main() -> None:
        async with connect(address(), timeout=20) as peer:
            with pytest.raises(proxyables.ConnectionClosed):
                await peer.root.crash()
            assert isinstance(peer, DialledPeer)
            assert peer.child is not None
            await peer.child.wait_closed()
            assert peer.child.returncode == -signal.SIGSEGV
            assert peer.child.last_words.endswith("bye")

    run(main())


@pytest.mark.parametrize(
    ("words", "reason", "told"),
    [
        (["sh", "-c", "echo oh no >&2; exit 3"], "closed", "exited with status 3: oh no"),
        (["sh", "-c", "no-such-program-here"], "not-found", "status 127 (a command was not found)"),
        (["sh", "-c", "/etc"], "not-executable", "status 126 (a command cannot be executed)"),
        (["sh", "-c", "kill -KILL $$"], "closed", "the child was ended by SIGKILL"),
        (["/no/such"], "not-found", "cannot start '/no/such': no such file or directory"),
        (["/etc"], "not-executable", "cannot start '/etc': permission denied"),
    ],
)
def test_the_error_tells_how_the_child_ended(
    run: Run, words: list[str], reason: str, told: str
) -> None:
    async def main() -> None:
        with pytest.raises(HandshakeFailed) as caught:
            await connect(f"exec:{shlex.join(words)}")
        assert told in str(caught.value)
        assert caught.value.reason == reason

    run(main())


def test_a_child_that_only_complains_is_heard(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dialing, "CHILD_PATIENCE", 0.05)

    async def main() -> None:
        with pytest.raises(HandshakeFailed, match=r"no answer within 1 s; the child said: who\?$"):
            await connect("exec:sh -c 'echo who? >&2; exec sleep 60'", timeout=1)

    run(main())


def test_a_cancelled_connect_leaves_no_child(run: Run, directory: Path) -> None:
    before = children()  # of other tests

    async def main() -> None:
        for seconds in (0, 0.01, 0.1):
            dialling = asyncio.ensure_future(connect(address(), timeout=None)._open())
            await asyncio.wait([dialling], timeout=seconds)
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
            assert children() == before

    run(main())


# --- parents -------------------------------------------------------------------------------------

PARENT = """
import asyncio, sys, uvloop
import proxyables

async def main():
    async with proxyables.connect({address!r}, timeout=20) as peer:
        print("connected", await peer.root.pid(), flush=True)
        try:
            await peer.root.slow(3600)
        except asyncio.CancelledError:
            print("cancelled", flush=True)
            print(await peer.root.echo("still there"), flush=True)
            raise
{loop}.run(main())
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def start_parent(loop: str, **options: int) -> subprocess.Popen[bytes]:
    program = PARENT.format(address=address(), loop=loop)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )


def connected_child(parent: subprocess.Popen[bytes]) -> int:
    assert parent.stdout is not None
    word, _, pid = parent.stdout.readline().partition(b" ")
    assert word == b"connected", parent.communicate(timeout=PATIENCE)
    return int(pid)


def wait_gone(pid: int) -> None:
    """Waits for the end of somebody else's child, through a descriptor that announces it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    gone = poll.poll(PATIENCE * 1000)
    os.close(descriptor)
    assert gone


@pytest.mark.parametrize("loop", LOOPS)
def test_the_child_of_a_parent_that_is_killed_ends(directory: Path, loop: str) -> None:
    with start_parent(loop) as parent:
        child = connected_child(parent)
        assert is_running(child)
        parent.kill()
        wait_gone(child)


@pytest.mark.parametrize("loop", LOOPS)
def test_ctrl_c_reaches_the_parent_alone(
    directory: Path, loop: str, terminal: tuple[int, int]
) -> None:
    ours, theirs = terminal
    login = f"import os; os.setsid(); os.close(os.open({os.ttyname(theirs)!r}, os.O_RDWR))"
    program = PARENT.format(address=address(), loop=loop)
    # Its session's leader, so that the terminal that it opens first controls it.
    with subprocess.Popen(
        [sys.executable, "-c", f"{login}\n{program}"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as parent:
        child = connected_child(parent)
        os.write(ours, b"\x03")
        out, err = parent.communicate(timeout=PATIENCE)
        # The connection and the child have outlived the key, until the parent was done with them.
        assert out == b"cancelled\nstill there\n", err
        assert parent.returncode == -signal.SIGINT
        assert b"KeyboardInterrupt" in err
        assert b"noisy" not in err.partition(b"Traceback")[2]
        assert not is_running(child)
