"""Completion: what could stand at the cursor, and three shells that ask for it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.processes import PATIENCE, SOURCE, Cli, Server
from proxyables_cli import completing
from proxyables_cli.completing import candidates
from proxyables_cli.completion import SHELLS, split
from proxyables_cli.exits import Code

STORE = """
raise SystemExit("this module must not be imported")

class Store:
    limit: int = 3
    def sell(self): ...
    _secret = 1

store = Store()
async def make(): ...
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module and a package, and an empty directory for sockets."""
    (tmp_path / "store.py").write_text(STORE)
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("inside = 1\n")
    (tmp_path / "pack" / "part.py").write_text("thing = 1\n")
    (tmp_path / "run" / "proxyables").mkdir(mode=0o700, parents=True)
    (tmp_path / "other.toml").write_text('[aliases]\nother = ":7"\n')
    (tmp_path / "settings.toml").write_text('[aliases]\nshop = ":9"\ntill = ":8"\n')
    monkeypatch.setenv("PROXYABLES_CONFIG", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["se"], ["serve", "set"]),
        (["--col"], ["--color"]),
        (["-q", "pi"], ["ping"]),
        (["nonsense", ""], []),
        (["serve", "store:store", "--max-m"], ["--max-message"]),
        (["serve", "store:store", "--loop", "a"], ["asyncio", "auto"]),
        (["serve", "store:"], ["store:Store", "store:make", "store:store"]),
        (["serve", "--loop", "asyncio", "store:st"], ["store:store"]),
        (["serve", "store:Store."], ["store:Store.limit", "store:Store.sell"]),
        (["serve", "./store.py:m"], ["./store.py:make"]),
        (["serve", "./st"], ["./store.py:"]),
        (["serve", "pa"], ["pack.", "pack:"]),
        (["serve", "pack."], ["pack.part:"]),
        (["serve", "pack.part:"], ["pack.part:thing"]),
        (["serve", "pack:"], ["pack:inside"]),
        (["serve", "broken:"], []),
        (["serve", "missing:"], []),
        (["serve", "store:store", ""], []),
        (["ping", "tc"], ["tcp://"]),
        (["ping", "./pa"], ["./pack/"]),
        (["man", "addr"], ["address"]),
        (["completion", ""], sorted(SHELLS)),
        (["ls", "nowhere:", "x"], []),
        (["ping", "@"], ["@shop", "@till"]),
        (["ping", "--config", "other.toml", "@"], ["@other"]),
        (["ping", "--config=other.toml", "@"], ["@other"]),
        (["--config", "other.toml", "ping", "@"], ["@other"]),
        (["--config", "other.toml", "-q", "ping", "@"], ["@other"]),
        (["repl", "--config", "other.toml", "a=@"], ["a=@other"]),
        (["alias", "--config", "other.toml", "remove", ""], ["other"]),
        (["alias", "remove", "--config", "other.toml", ""], ["other"]),
        (["--config", "oth"], ["other.toml"]),
        (["--log-format", "j"], ["journald", "json"]),
        (["--log-format=j"], ["--log-format=journald", "--log-format=json"]),
        (["serve", "store:store", "--loop=a"], ["--loop=asyncio", "--loop=auto"]),
        (["--log-format", "json", "pi"], ["ping"]),
        (["status", ":9", "ra"], ["rates"]),
        (["status", ":9", "rates.p"], ["rates.p50", "rates.p99"]),
        (["status", ":9", "server.threads.l"], ["server.threads.limit"]),
        (["status", ":9", "calls"], ["calls", "calls[0]."]),
        (["status", ":9", "calls[0].wh"], ["calls[0].where"]),
        (["status", ":9", "calls[0].where.f"], []),
        (["status", ":9", "nonsense."], []),
        (["status", ":9", "rates.calls."], []),
        (["repl", "a=@s"], ["a=@shop"]),
        (["repl", "a=@shop", "b=@t"], ["b=@till"]),
        (["bridge", "tcp://x:1", "@s"], ["@shop"]),
        (["alias", "re"], ["remove"]),
        (["alias", "remove", ""], ["shop", "till"]),
        (["alias", "add", "new", "@t"], ["@till"]),
        (["alias", "add", ""], []),
        (["config", "e"], ["edit"]),
        (["config", "show", "pi"], ["ping"]),
        (["config", "path", ""], []),
    ],
)
def test_what_could_stand_there(sources: Path, words: list[str], expected: list[str]) -> None:
    assert [name for name, _ in candidates(words)] == expected


def test_addresses_are_the_sockets_of_running_servers(sources: Path) -> None:
    path = sources / "run" / "proxyables" / "shop.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        assert (f"unix:{path}", "a server of yours") in candidates(["call", "unix"])


def test_members_come_from_the_server(shop: Server) -> None:
    assert ("add", "method") in ask(shop.address, "")
    assert ask(shop.address, "accounts[ada].d") == [("accounts[ada].deposit", "method")]
    assert ask(shop.address, "_") == []


def test_members_come_from_the_server_of_an_alias_of_that_line(sources: Path, shop: Server) -> None:
    (sources / "other.toml").write_text(f"[aliases]\nother = '{shop.address}'\n")
    assert ("add", "method") in ask("@other", "", "--config", "other.toml")


def test_asking_for_members_runs_no_property(cli: Cli) -> None:
    (cli.directory / "boxes.py").write_text(
        "class Box:\n"
        "    opened = 0\n"
        "    @property\n"
        "    def inside(self):\n"
        "        self.opened += 1\n"
        "        return self\n"
        "box = Box()\n"
    )
    server = Server(cli, ["boxes:box", "--tcp", ":0"])
    assert ("inside", "property") in ask(server.address, "")
    assert candidates(["call", server.address, "inside."]) == []
    assert cli("get", server.address, "opened").out == "0\n"
    server.stop()


def ask(address: str, path: str, *options: str) -> list[completing.Candidate]:
    """Asks until the server has answered within its moment, which a busy machine may miss."""
    for _ in range(20):
        found = candidates(["call", *options, address, path])
        if found:
            break
    return found


def test_a_server_chooses_no_more_than_names() -> None:
    names = ["good", "$(touch pwned)", "a b", "*", "x;y", "", "größe"]
    told = {"members": [{"name": name, "kind": "method"} for name in names]}
    assert completing.members_of(told) == [("good", "method"), ("größe", "method")]


def test_a_file_is_no_command(sources: Path, cli: Cli) -> None:
    (sources / "$(touch pwned).py").touch()
    line = {"PROXYABLES_LINE": "proxyables serve ./", "XDG_RUNTIME_DIR": str(sources)}
    told = cli("completion", "bash", "--ask", env=line).out
    assert "./store.py:" in told
    assert "pwned" not in told


def test_a_server_that_is_silent_does_not_hold_the_shell_up(sources: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert candidates(["call", f":{silent.getsockname()[1]}", ""]) == []
        assert time.monotonic() - started < completing.PATIENCE + 5


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("proxyables", ["proxyables", ""]),
        ("proxyables ", ["proxyables", ""]),
        ("proxyables se", ["proxyables", "se"]),
        ("'proxyables' 'a b' ''", ["proxyables", "a b", ""]),
        ("proxyables call 'x", ["proxyables", "call", "'x"]),
    ],
)
def test_how_a_line_is_taken_apart(line: str, words: list[str]) -> None:
    assert split(line) == words


def test_an_unknown_shell_is_told_which_are_known(cli: Cli) -> None:
    result = cli("completion", "tcsh")
    assert result.code == Code.USAGE
    assert "no completion for 'tcsh'; there is one for bash, zsh, fish" in result.line


BASH = """
eval "$(proxyables completion bash)"
COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
COMP_LINE='proxyables serve store:st and more' COMP_POINT=25
_proxyables
echo "${COMPREPLY[*]}"
"""
FISH = """
proxyables completion fish | source
complete -C 'proxyables serve store:st'
"""
ZSH = """
zmodload zsh/zpty
zpty shell "TERM=dumb PS1='ready> ' zsh -f -i"
zpty -w shell 'autoload -Uz compinit; compinit -D; eval "$(proxyables completion zsh)"; echo o''k'
zpty -r -m shell out '*ok*'
zpty -w -n shell $'proxyables serve store:st\\t'
zpty -r -m shell out '*store:store*'
print -r -- "$out"
"""


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("fish", FISH), ("zsh", ZSH)])
def test_in_the_shell_itself(sources: Path, shell: str, script: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command = sources / "bin" / "proxyables"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH={SOURCE} exec {sys.executable} -m proxyables_cli "$@"\n'
    )
    command.chmod(0o755)
    made = subprocess.run(
        [shell, *(["-f"] if shell == "zsh" else []), "-c", script],
        env={"PATH": f"{command.parent}:/usr/bin:/bin", "HOME": str(sources), "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "store" in made.stdout.splitlines()[-1], made
    assert "make" not in made.stdout
