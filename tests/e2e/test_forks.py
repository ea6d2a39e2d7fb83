"""A process that is forked inside of a running loop ends well, and nothing of its parent's does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from certificates import Certificates

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PROGRAM = """
import asyncio, contextlib, os, sys, warnings
import proxyables, uvloop

warnings.simplefilter("ignore")  # of forking with threads

class API:
    def add(self, a, b):
        return a + b

    async def later(self, a, b):
        await asyncio.sleep(0.01)
        return a + b

async def main(role, where, dialled, way):
    async with contextlib.AsyncExitStack() as stack:
        if role == "server":
            server = await stack.enter_async_context(proxyables.serve(API(), where))
            dialled = dialled.replace("ADDRESS", server.addresses[0])
        peer = await stack.enter_async_context(proxyables.connect(dialled))
        pending = asyncio.ensure_future(peer.root.later(1, 2))
        await asyncio.sleep(0)
        child = os.fork()
        if child == 0:
            for call in (peer.root.add(1, 2), pending):
                try:
                    await call
                except proxyables.ConnectionClosed as error:
                    assert "forked" in str(error), error
                else:
                    print("it was answered", flush=True)
            if way == "exit":
                sys.exit(7)
            return
        # In a thread, whose end wakes the loop: the child must not have taken that away.
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        print(os.waitstatus_to_exitcode(status), await pending, await peer.root.add(2, 2))
        async with proxyables.connect(dialled) as another:
            print(await another.root.add(3, 2), flush=True)

role, where, dialled, way, loop = sys.argv[1:]
factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[loop]
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main(role, where, dialled, way))
"""
SERVER = """
import asyncio, sys
import proxyables

class API:
    def add(self, a, b):
        return a + b

    async def later(self, a, b):
        await asyncio.sleep(0.01)
        return a + b

async def main():
    async with proxyables.serve(API(), *sys.argv[1:]) as server:
        print(*server.addresses, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
EXEC = """
import asyncio, os, sys
import proxyables, uvloop

program = f"{sys.executable} -m proxyables_cli serve --stdio proxyables.demo:obj"

async def main():
    async with proxyables.connect(f"exec:{program}") as peer:
        child = os.fork()
        if child == 0:
            sys.exit(7)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        print(os.waitstatus_to_exitcode(status), await peer.ping() > 0, flush=True)

factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[1]]
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""
SHARING = """
import asyncio, contextlib, os, signal, sys
import proxyables, uvloop

def waited_for():
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the list itself
            if os.readlink(f"/proc/self/fd/{name}") == "anon_inode:[eventpoll]":
                with open(f"/proc/self/fdinfo/{name}") as told:
                    found += [line for line in told if line.startswith("tfd:")]
    return sorted(found)

async def main():
    async with proxyables.serve(object(), "tcp://127.0.0.1:0"):
        loop = asyncio.get_running_loop()
        (reading, writing), (silent, _) = os.pipe(), os.pipe()
        before = waited_for()
        child = os.fork()
        if child == 0:
            turned = loop.create_future()
            loop.add_reader(silent, print)
            loop.call_later(0.01, turned.set_result, None)
            await turned
            os.write(writing, b"my loop has turned")
            await loop.create_future()
        os.close(writing)
        assert os.read(reading, 100)  # and this loop has not
        print(waited_for() == before, flush=True)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[1]]
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def run(code: str, *args: str) -> str:
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *args],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            told, errors = process.communicate(timeout=30)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # its children hang as well
            raise
    assert process.returncode == 0, errors
    return told


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("way", ["exit", "return"])
@pytest.mark.parametrize("scheme", ["tcp", "tls", "unix"])
@pytest.mark.parametrize("role", ["client", "server"])
def test_the_child_ends_and_its_parent_goes_on(
    role: str, scheme: str, way: str, loop: str, files: Certificates, tmp_path: Path
) -> None:
    where = {
        "tcp": "tcp://127.0.0.1:0",
        "tls": f"tls://localhost:0?cert={files.server}",
        "unix": f"unix:{tmp_path}/socket",
    }[scheme]
    trust = f"?ca={files.ca}" if scheme == "tls" else ""
    expected = f"{7 if way == 'exit' else 0} 3 4\n5\n"
    if role == "server":
        assert run(PROGRAM, role, where, f"ADDRESS{trust}", way, loop) == expected
        return
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert run(PROGRAM, role, "-", f"{address}{trust}", way, loop) == expected
        server.communicate()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_parents_children_live_on(loop: str) -> None:
    assert run(EXEC, loop) == "7 True\n"


PREPARED = """
import asyncio, os, sys
import proxyables

class API:
    def pid(self):
        return os.getpid()

async def prepare():
    server = proxyables.serve(API(), "tcp://127.0.0.1:0")
    await server.bind()
    return server

async def serve(server):
    async with server:
        async with proxyables.connect(server.addresses[0]) as peer:
            print(await peer.root.pid() == os.getpid(), flush=True)

loop = asyncio.new_event_loop()
server = loop.run_until_complete(prepare())
if os.fork() == 0:
    loop.run_until_complete(serve(server))
else:
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_child_that_is_forked_while_no_loop_runs_takes_everything_over() -> None:
    assert run(PREPARED) == "True\n"


@pytest.mark.skipif(not os.path.exists("/proc/self/fdinfo"), reason="needs Linux")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_what_the_child_waits_for_is_not_what_its_parent_waits_for(loop: str) -> None:
    assert run(SHARING, loop) == "True\n"
