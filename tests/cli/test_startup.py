"""What each path of the command imports; `make bench-startup` measures what that costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.processes import PATIENCE, SHOP, SOURCE, Server

# Of the standard library, what takes long to import, and no path needs that makes a few calls.
DEAR = {"multiprocessing", "unittest", "xml", "http", "email", "pydoc", "tomllib", "sqlite3"}
DEAR |= {"bz2", "lzma", "random", "shutil", "zoneinfo"}

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
    made = subprocess.run(
        # -S: what site-packages loads by itself, through .pth files, is not ours to answer for.
        [sys.executable, "-S", "-c", PROGRAM, *words],
        input=b"",
        cwd=directory,
        env={
            "PYTHONPATH": ":".join([str(SOURCE), *filter(None, sys.path)]),
            "HOME": str(directory),
        },
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    code, *modules = made.stderr.decode().splitlines()[-1].split()
    assert code == "0", made
    return set(modules)


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
    found = imported(directory, "serve", "shop:shop", "--stdio")
    assert packages(found) <= {*OURS, "msgpack", "uvloop", "shop"}
    assert not found & DEAR
    assert not any(name.startswith("proxyables_cli.repl") for name in found)


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
