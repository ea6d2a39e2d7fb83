"""The leak checks of `tests/conftest.py` find what they are there for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import proxyables

LEAKS = """
import asyncio
import os

from proxyables.peer.peer import Peer

kept = []


def test_clean():
    read, write = os.pipe()
    os.close(read)
    os.close(write)

    async def main():
        await asyncio.create_task(asyncio.sleep(0))

    asyncio.run(main())


def test_task():
    async def main():
        kept.append(asyncio.create_task(asyncio.sleep(60)))

    asyncio.run(main())


def test_descriptor():
    kept.extend(os.pipe())


def test_error():
    async def main():
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)

    asyncio.run(main())


def test_connection():
    async def main():
        peer = Peer(client=True)
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: peer, host, port)
        kept.append(peer)
        transport.close = transport.abort = lambda: None
        server.close()

    asyncio.run(main())


def test_clean_again():
    pass
"""


def test_each_sort_of_leak_fails_its_test_and_no_other(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", "--tb=short"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(proxyables.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    failed = {
        line.partition("::")[2].partition(" ")[0]
        for line in ran.stdout.splitlines()
        if line.startswith(("FAILED test_leaks.py::", "ERROR test_leaks.py::"))
    }
    leaks = {"test_task", "test_descriptor", "test_error", "test_connection"}
    assert failed == leaks, ran.stdout
    for told in (
        "tasks that were still running: <Task",
        "open descriptors: ",
        "-> pipe:[",
        "ZeroDivisionError",
        "connections that were still open: <proxyables.Peer",
    ):
        assert told in ran.stdout
