"""``doctor``: what it looks at, and what it says to do."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from cli.processes import Cli, Result, Starter
from proxyables_cli import checks
from proxyables_cli.exits import Code


def findings(result: Result) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in result.out.splitlines():
        row = json.loads(line)
        found.setdefault(row["subject"], []).append(row)
    return found


def test_all_is_well(cli: Cli, serve: Starter) -> None:
    cli.env |= {"HOME": str(cli.directory), "SHELL": "/bin/bash"}
    (cli.directory / ".bashrc").write_text('eval "$(proxyables completion bash)"\n')
    living = serve("shop:shop", "--name", "living")
    dead = serve("shop:shop", "--name", "dead")
    dead.stop(signal.SIGKILL)
    result = cli("doctor")
    assert (result.code, result.err) == (0, "")
    found = findings(result)
    assert {"python", "typer", "msgpack", "terminal", "manual"} <= set(found)
    assert [found[each][0]["level"] for each in ("configuration", "sockets", "completion")] == [
        "ok",
        "ok",
        "ok",
    ]
    stale, answering = found["server"]
    path = dead.address.removeprefix("unix:")
    assert (stale["level"], stale["hint"]) == ("warn", f"rm {path}")
    assert os.path.exists(path)  # nothing is changed
    assert answering["level"] == "ok"
    assert f"living, process {living.process.pid}" in answering["message"]


def test_what_is_broken_is_told_with_what_to_do(cli: Cli, tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text("[serve]\nthreds = 1\n")
    (tmp_path / "proxyables").mkdir(mode=0o755)
    (tmp_path / "proxyables").chmod(0o755)
    env = {
        "PROXYABLES_CONFIG": str(settings),
        "PROXYABLES_THREADS": "many",
        "PROXYABLES_TREADS": "1",
        "PROXYABLES_NAME": "a b",
        "SHELL": "/usr/bin/zsh",
        "HOME": str(tmp_path),
    }
    result = cli("doctor", "-q", env=env)
    assert (result.code, result.err) == (Code.CONFIGURATION, "")
    found = findings(result)
    (wrong,) = found["configuration"]
    assert (wrong["level"], wrong["hint"]) == ("fail", "did you mean 'threads'?")
    assert found["environment"][0]["message"].startswith("PROXYABLES_NAME, for repl: takes a ")
    assert [(each["level"], each["hint"]) for each in found["environment"]] == [
        ("warn", "unset PROXYABLES_NAME"),
        ("fail", "unset PROXYABLES_THREADS"),
        ("warn", "did you mean 'PROXYABLES_THREADS'?"),
    ]
    (open_to_others,) = found["sockets"]
    assert open_to_others["hint"] == f"chmod 700 {tmp_path}/proxyables"
    assert ".zshrc" in found["completion"][0]["hint"]
    assert "python" not in found  # which is all right


def test_the_secrets_of_aliases_are_looked_at(cli: Cli, tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text('[aliases]\ntill = {address = ":1", token-file = "/nowhere/token"}\n')
    settings.chmod(0o666)
    found = findings(cli("doctor", "--config", str(settings)))
    assert found["configuration"][0]["hint"] == f"chmod go-w {settings}"
    assert "cannot read the token in /nowhere/token" in found["@till"][0]["message"]


def test_a_silent_socket_is_not_called_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proxyables").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "proxyables" / "silent.sock"))
        silent.listen()
        (finding,) = checks.sockets()
    assert (finding.level, "no answer" in finding.message) == ("warn", True)


@pytest.mark.parametrize(
    ("there", "least", "is_enough"),
    [("1.2.4", "1.2", True), ("1.10", "1.9", True), ("0.9.3rc1", "0.10", False), ("2", "2", True)],
)
def test_versions_are_numbers(there: str, least: str, is_enough: bool) -> None:
    assert (checks.numbers(there) >= checks.numbers(least)) is is_enough
