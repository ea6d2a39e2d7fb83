"""What each path of the command imports; `make bench-startup` measures what that costs."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import proxyables
from cli.processes import PATIENCE, SHOP, SOURCE, Server

# Of the standard library, what takes long to import, and no path needs that makes a few calls.
DEAR = {"multiprocessing", "unittest", "xml", "http", "email", "pydoc", "tomllib", "sqlite3"}
DEAR |= {"bz2", "lzma", "random", "shutil", "zoneinfo"}
# What a stdio child does without besides; each takes as long to import as several of our modules.
DEAR_TO_A_CHILD = {"argparse", "gettext", "json", "shlex", "fnmatch", "grp", "unicodedata"}
DEAR_TO_A_CHILD |= {"decimal", "fractions", "numbers", "pathlib", "uuid", "platform", "tempfile"}
DEAR_TO_A_CHILD |= {"hashlib", "hmac", "ipaddress", "urllib"}
NOT_FOR_A_CHILD = {
    "proxyables_cli": "app connecting console repl runtime bridge output",
    "proxyables_cli.daemon": "environment lifetime supervisor children reloading workers",
    "proxyables": "sync proxyable",
    "proxyables.net": """address_kinds dialing doors endpoints grammar holders hosts listeners
        listening pipes processes pumps socket_files ssh stderr streams tls websockets""",
    "proxyables.objects": "description signatures",
    "proxyables.peer": "accommodations feed portions probes reports tracing",
    "proxyables.proxies": "functions typed",
    "proxyables.watch": "arguments calls inspector paths traces",
    "proxyables.wire": "classic kinds",
}
MOST_MODULES_OF_A_CHILD = 122
"""Of ours. Each takes a fifth of a percent of the time until a child answers: is it worth that?"""

OURS = {"proxyables", "proxyables_cli"}
PROGRAM = """
import sys
before = set(sys.modules)
from proxyables_cli.main import main
code = main(sys.argv[1:])
print(code, *sorted(set(sys.modules) - before), file=sys.stderr)
"""


def imported(directory: Path, *words: str) -> set[str]:
    """Runs a command line in an interpreter of its own; tells what it had imported at its end."""
    made = start(directory, *words)
    _, told = made.communicate(b"", timeout=PATIENCE)
    code, *modules = told.decode().splitlines()[-1].split()
    assert code == "0", told
    return set(modules)


def start(
    directory: Path, *words: str, wire: socket.socket | None = None
) -> subprocess.Popen[bytes]:
    """Starts a command line, on pipes or a socket, that tells at its end what was imported."""
    return subprocess.Popen(
        # -S: what site-packages loads by itself, through .pth files, is not ours to answer for.
        [sys.executable, "-S", "-c", PROGRAM, *words],
        stdin=wire or subprocess.PIPE,
        stdout=wire or subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=directory,
        env={
            "PYTHONPATH": ":".join([str(SOURCE), *filter(None, sys.path)]),
            "HOME": str(directory),
        },
    )


def imported_by_a_child(directory: Path) -> set[str]:
    """Has a stdio child answer a call; tells what it had imported when it ended."""
    ours, theirs = socket.socketpair()
    with theirs:
        child = start(directory, "serve", "shop:shop", "--stdio", wire=theirs)

    async def ask() -> None:
        async with asyncio.timeout(PATIENCE):
            root = await proxyables.Proxyable.ImportFrom(ours)
            assert await root.add(2, 3) == 5
            peer = proxyables.peer_of(root)
            peer.close()
            await peer.wait_closed()

    asyncio.run(ask())
    _, told = child.communicate(timeout=PATIENCE)
    code, *modules = told.decode().splitlines()[-1].split()
    assert code == "0", told
    return set(modules)


def of_the_loop() -> set[str]:
    """Returns what asyncio, uvloop and msgpack import, which differs from release to release."""
    program = "import asyncio, msgpack, sys\ntry: import uvloop\nexcept ImportError: pass"
    command = [sys.executable, "-S", "-c", f"{program}\nprint(*sys.modules)"]
    path = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    made = subprocess.run(command, env=path, capture_output=True, check=True, timeout=PATIENCE)
    return set(made.stdout.decode().split())


def packages(modules: set[str]) -> set[str]:
    """Returns the packages that are not of the standard library."""
    every = {name.partition(".")[0] for name in modules}
    # uvloop brings modules of Cython's own, whose names differ from release to release.
    return {
        name
        for name in every - sys.stdlib_module_names
        if not name.startswith(("_", "cython", "Cython"))
    }


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def test_the_version(directory: Path) -> None:
    found = imported(directory, "--version")
    ours = {name for name in found if name.partition(".")[0] in OURS}
    assert packages(found) == OURS
    assert ours == {*OURS, "proxyables_cli.main", "proxyables.version"}
    assert not found & {*DEAR, "asyncio", "argparse", "re", "dataclasses"}


def test_a_stdio_child(directory: Path) -> None:
    found = imported_by_a_child(directory)
    assert packages(found) <= {*OURS, "msgpack", "uvloop", "shop"}
    assert not found & DEAR
    assert not found & (DEAR_TO_A_CHILD - of_the_loop())
    ours = {name for name in found if name.partition(".")[0] in OURS}
    unwanted = {f"{room}.{name}" for room, s in NOT_FOR_A_CHILD.items() for name in s.split()}
    assert not ours & unwanted
    assert len(ours) <= MOST_MODULES_OF_A_CHILD, sorted(ours)


def test_what_a_child_does_without_is_there() -> None:
    """Else the test above would hold because a module has another name by now."""
    for room, names in NOT_FOR_A_CHILD.items():
        for name in names.split():
            assert find_spec(f"{room}.{name}") is not None, f"{room}.{name}"


def test_a_stdio_child_on_pipes(directory: Path) -> None:
    found = imported(directory, "serve", "shop:shop", "--stdio")
    assert packages(found) <= {*OURS, "msgpack", "uvloop", "shop"}
    assert not found & DEAR
    assert "proxyables.net.pipes" in found
    assert "proxyables.net.listeners" not in found


@pytest.mark.parametrize(
    "words", [["call", "add", "1", "2"], ["get", "level"], ["ping"], ["ls"], ["describe"]]
)
def test_commands_that_make_a_few_calls(directory: Path, shop: Server, words: list[str]) -> None:
    command, *after = words
    found = imported(directory, command, shop.address, *after)
    assert packages(found) == {*OURS, "msgpack"}
    assert not found & DEAR
    assert not any(
        name.startswith(("proxyables_cli.repl", "proxyables_cli.daemon")) for name in found
    )


def test_a_script_of_the_repl(directory: Path, shop: Server) -> None:
    found = imported(directory, "repl", shop.address, "-c", "obj.add(1, 2)")
    assert packages(found) <= {*OURS, "msgpack", "uvloop"}
    assert "proxyables_cli.repl.menu" not in found
