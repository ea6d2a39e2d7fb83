"""The garbage collector rests while a command is imported, and works while users' code runs."""

from __future__ import annotations

import gc
import subprocess
import sys

from cli.processes import PATIENCE, Cli, Server, Starter
from proxyables_cli import collector

TARGET = """
import gc
class Found:
    is_on, frozen = gc.isenabled(), gc.get_freeze_count()
"""


def test_it_works_when_a_target_is_imported(cli: Cli, serve: Starter) -> None:
    (cli.directory / "garbage.py").write_text(TARGET)
    server = serve("garbage:Found", "--tcp", ":0")
    assert cli("get", server.address, "is_on").out == "true\n"
    assert int(cli("get", server.address, "frozen").out) > 10_000


def test_it_works_in_a_script(cli: Cli, shop: Server) -> None:
    code = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    assert cli("repl", shop.address, "-c", code).out == "True True\n"


def test_it_stays_as_a_script_wants_it(cli: Cli, shop: Server) -> None:
    code = "import gc; gc.disable(); obj.add(1, 2); print(gc.isenabled())"
    assert cli("repl", shop.address, "-c", code).out == "False\n"


def test_it_works_when_a_command_has_ended(cli: Cli) -> None:
    program = (
        "import gc; from proxyables_cli.main import main;"
        " print(main(['serve', 'no target']), gc.isenabled())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=cli.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=True,
    )
    assert ran.stdout == b"2 True\n"


def test_it_rests_in_between() -> None:
    with collector.resting():
        assert not gc.isenabled()
    assert gc.isenabled()
