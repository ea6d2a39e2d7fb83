"""``serve --reload``: ten edits, one of them broken, under a client that keeps calling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

import proxyables
from cli.processes import PATIENCE, Cli, Server, Starter

pytest.importorskip("watchfiles")

SOURCE = """
import asyncio, os
class Counter:
    def version(self):
        return {version}
    def die(self):
        os._exit(3)
counter = Counter()
"""


class Client:
    """Keeps calling, and connects again whenever the connection ends."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.version = -1
        self.reconnects = 0
        self.refusals = 0

    async def run(self) -> None:
        while True:
            # Whatever happens ends in time, or the test fails.
            try:
                async with asyncio.timeout(PATIENCE):
                    peer = await proxyables.connect(self._address, timeout=None)
            except proxyables.HandshakeFailed as error:
                assert error.reason == "closed", error
                self.refusals += 1
                await asyncio.sleep(0.01)
                continue
            try:
                while True:
                    async with asyncio.timeout(PATIENCE):
                        self.version = await peer.root.version()
                    await asyncio.sleep(0.01)
            except proxyables.ConnectionClosed:
                self.reconnects += 1
            finally:
                peer.abort()
                await peer.wait_closed()


async def until(condition: Callable[[], bool], client: asyncio.Task[None]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            if client.done():
                client.result()
            await asyncio.sleep(0.02)


async def read_until(server: Server, text: str) -> None:
    assert server.process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while (
            text not in (line := await asyncio.to_thread(server.process.stderr.readline)).decode()
        ):
            assert line, f"the server ended before it said {text!r}"


def test_ten_edits_under_a_client_that_keeps_calling(cli: Cli, serve: Starter) -> None:
    source = cli.directory / "counter.py"
    source.write_text(SOURCE.format(version=0))
    server = serve("counter:counter", "--unix", "p.sock", "--reload")
    assert "starts again whenever its program is edited" in server.lines[1]

    async def main() -> Client:
        client = Client(server.address)
        calling = asyncio.ensure_future(client.run())
        await until(lambda: client.version == 0, calling)
        for version in range(1, 11):
            if version == 5:
                source.write_text("class Counter:\n    def version(\n")
                await read_until(server, "SyntaxError: '(' was never closed")
                await until(lambda: client.refusals > 0, calling)  # it is not kept waiting
            else:
                source.write_text(SOURCE.format(version=version))
                await until(lambda number=version: client.version == number, calling)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        return client

    client = asyncio.run(main())
    assert client.reconnects == 9
    result = server.stop()
    assert result.code == 0
    assert "Traceback" not in result.err
    assert not (cli.directory / "p.sock").exists()


def test_a_server_that_dies_waits_for_an_edit(cli: Cli, serve: Starter) -> None:
    source = cli.directory / "counter.py"
    source.write_text(SOURCE.format(version=0))
    server = serve("counter:counter", "--tcp", ":0", "--reload")
    assert cli("call", server.address, "die").code == 74

    async def main() -> None:
        await read_until(server, "warning: the server ended with status 3; waiting for an edit")
        assert cli("call", server.address, "version").code == 69
        waiting = cli.start("call", server.address, "version", "--wait", f"{PATIENCE}s")
        source.write_text(SOURCE.format(version=1))
        await read_until(server, "serving again")
        assert waiting.communicate(timeout=PATIENCE)[0] == b"1\n"

    asyncio.run(main())
    assert server.stop().code == 0


def test_a_program_that_is_broken_from_the_start_is_waited_for(cli: Cli) -> None:
    source = cli.directory / "counter.py"
    source.write_text("import nowhere\n")
    process = cli.start("serve", "counter:counter", "--unix", "p.sock", "--reload")
    assert process.stderr is not None
    assert b"ModuleNotFoundError: No module named 'nowhere'" in process.stderr.readline()
    assert process.stderr.readline() == b"proxyables: waiting for an edit\n"
    source.write_text(SOURCE.format(version=1))
    assert process.stderr.readline() == b"proxyables: counter.py was edited: starting again\n"
    assert b"serving counter:counter on" in process.stderr.readline()
    assert cli("call", "./p.sock", "version").out == "1\n"


def test_other_directories_and_the_environment_file(
    cli: Cli, serve: Starter, tmp_path: Path
) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "app.env").write_text("VERSION=1\n")
    (tmp_path / "app.py").write_text(
        "import os\nclass App:\n    def version(self): return os.environ['VERSION']\napp = App()\n"
    )
    words = ["--reload", "--reload-dir", "library", "--env-file", "app.env"]
    server = serve("app:app", "--tcp", ":0", *words)

    async def main() -> None:
        (tmp_path / "library" / "notes.txt").write_text("no program\n")
        (tmp_path / "app.py").touch()  # not below the directory that was named
        (tmp_path / "app.env").write_text("VERSION=2\n")
        await read_until(server, "app.env was edited")
        await read_until(server, "serving again")
        (tmp_path / "library" / "part.py").write_text("")
        await read_until(server, "part.py was edited")

    assert cli("call", server.address, "version").out == '"1"\n'
    asyncio.run(main())
    assert cli("call", server.address, "version").out == '"2"\n'


def test_without_the_library_it_says_what_to_install(cli: Cli) -> None:
    (cli.directory / "watchfiles.py").write_text("raise ImportError\n")
    cli.env["PYTHONPATH"] += f":{cli.directory}"
    result = cli("serve", "shop:shop", "--tcp", ":0", "--reload")
    assert result.code == 78
    assert result.line == "--reload needs watchfiles; pip install 'proxyables[reload]'"
