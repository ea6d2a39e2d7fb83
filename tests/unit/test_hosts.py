"""Looking hosts up, and connecting to them, without the event loop's own resolver."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys

import pytest

from connections import on_both_loops
from proxyables.net.hosts import connect_socket, look_up


@on_both_loops
async def test_numbers_are_places_as_they_are() -> None:
    assert await look_up("127.0.0.1", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert await look_up("::1", 80) == [(socket.AF_INET6, ("::1", 80, 0, 0))]


@on_both_loops
async def test_names_are_looked_up() -> None:
    assert (socket.AF_INET, ("127.0.0.1", 80)) in await look_up("localhost", 80)
    with pytest.raises(socket.gaierror):
        await look_up("no.such.host.invalid", 80)


@on_both_loops
async def test_connecting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
        sock.setblocking(False)
        await connect_socket(sock, listener.getsockname())
        assert sock.getpeername() == listener.getsockname()


@on_both_loops
async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = listener.getsockname()
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(ConnectionRefusedError) as caught:
            await connect_socket(sock, place)
        assert caught.value.errno == errno.ECONNREFUSED


@on_both_loops
async def test_giving_up_leaves_the_socket_to_its_owner() -> None:
    """A listener with a full backlog answers nobody: the caller's time-out ends the wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    while True:
                        sock = socket.socket()
                        waiting.append(sock)
                        sock.setblocking(False)
                        await connect_socket(sock, listener.getsockname())
            assert not asyncio.get_running_loop().remove_writer(waiting[-1])
        finally:
            for sock in waiting:
                sock.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_child_of_a_process_that_connected_ends_well(host: str) -> None:
    """libuv's destructor joins the threads of its pool, which a forked child has not."""
    code = f"""
import asyncio, os, socket, sys, uvloop
from proxyables.net.hosts import connect_socket, look_up

async def main():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for family, place in await look_up({host!r}, listener.getsockname()[1]):
            if family == socket.AF_INET:
                with socket.socket(family) as sock:
                    sock.setblocking(False)
                    await connect_socket(sock, place)

uvloop.new_event_loop().run_until_complete(main())
child = os.fork()
if child == 0:
    sys.exit(0)
print(os.waitpid(child, 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "0\n", done.stderr
