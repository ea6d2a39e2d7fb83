"""Command lines that do not fit, and the paths that need no connection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.processes import Cli
from proxyables.version import __version__
from proxyables_cli.main import main


def test_version(cli: Cli) -> None:
    result = cli("--version")
    assert (result.code, result.out, result.err) == (0, f"proxyables {__version__}\n", "")
    assert cli("-v", "--version").out == result.out


def test_help_is_data_and_its_absence_is_talk(cli: Cli) -> None:
    result = cli("--help")
    assert result.code == 0
    assert result.err == ""
    assert all(name in result.out for name in ("serve", "repl", "call", "ls", "ping", "demo"))
    assert "[HOST]:PORT" in cli("serve", "-h").out
    nothing = cli()
    assert (nothing.code, nothing.out) == (2, "")
    assert "Usage: proxyables" in nothing.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["sreve"], 2, "no such command 'sreve'. Did you mean 'serve'?"),
        (["serve"], 2, "serve: Missing argument 'TARGET'"),
        (["serve", "--stdio"], 2, "serve: Missing argument 'TARGET'"),
        (["serve", "shop:shop", "--tpc", ":1"], 2, "serve: No such option: --tpc"),
        (["serve", "shop:shop", "--stdio", "--tpc", ":1"], 2, "serve: No such option: --tpc"),
        (["serve", "shop:shop", "--tcp", ":99999"], 2, "99999"),
        (["serve", "shop:shop", "--tcp", "::1:9000"], 2, "tcp://[::1]:9000"),
        (["serve", "shop:shop", "-l", "exec:cat"], 2, "exec"),
        (["serve", "shop:shop", "--unix", "x" * 200], 2, "107"),
        (["serve", "shop:shop", "--tcp", ":1", "--tcp", ":1"], 2, "given twice"),
        (["serve", "shop:shop", "--grace", "soon"], 2, "--grace takes a duration"),
        (["serve", "shop:shop", "--max-message", "0"], 2, "--max-message takes a size"),
        (["serve", "shop:shop", "--loop", "curio"], 2, "takes one of auto, uvloop, asyncio"),
        (["serve", "shop shop"], 2, "'shop shop' is not a target"),
        (["call", ":9000"], 2, "call: Missing argument 'PATH'"),
        (["call", ":9000", "x", "--timeout"], 2, "; see 'proxyables call --help'"),
        (["-q", "serve", "x:y", "--tcp"], 2, "; see 'proxyables serve --help'"),
        (["ping", "@"], 2, "'@' names no alias; write @NAME; proxyables alias lists them"),
        (["ping", "fd:x"], 69, "cannot connect to fd:x: no such socket was passed"),
        (["call", "9000", "add"], 2, ":9000"),
        (["call", "tcp:9000", "add"], 2, "tcp://:9000"),
        (["call", ":9000", "a b"], 2, "'a b' is not a path"),
        (["call", ":9000", "_a"], 2, "private"),
        (["call", ":9000", "add", ":=x"], 65, "':=x' is not JSON"),
        (["call", ":9000", "add", "@nowhere"], 2, "cannot read 'nowhere'"),
        (["call", ":9000", "add", "--timeout", "x"], 2, "--timeout takes a duration"),
        (["call", ":9000", "add", "-o", "xml"], 2, "--output takes one of auto"),
        (["--color", "x", "ls", ":9000"], 2, "--color takes one of"),
        (["ping", ":9000", "-c", "x"], 2, "--count takes a whole number"),
        (["repl", "9000"], 2, ":9000"),
    ],
)
def test_bad_usage_is_one_line(
    words: list[str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert says in shown.err
    assert shown.err.startswith("proxyables: ")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["serve", "shup:shop", "--tcp", ":0"], 66, "did you mean 'shop'?"),
        (["serve", "shop:shup", "--tcp", ":0"], 66, "did you mean 'shop'?"),
        (["serve", "shop:shop", "--tcp", ":0", "--factory"], 66, "cannot be called"),
        (["serve", "shop:shop", "-l", "tls://localhost:1"], 2, "tls"),
        (["call", "tls://localhost:1?ca=/no/such", "add"], 2, "cannot read ca=/no/such"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    cli: Cli, words: list[str], code: int, says: str
) -> None:
    result = cli(*words)
    assert result.code == code, result
    assert says in result.line


def test_debug_shows_the_traceback(cli: Cli) -> None:
    (cli.directory / "broken.py").write_text("1 / 0\n")
    assert "ZeroDivisionError" in cli("serve", "broken:x", "--tcp", ":0").line
    result = cli("serve", "broken:x", "--tcp", ":0", "--debug")
    assert result.code == 66
    assert "Traceback" in result.err
    assert 'broken.py", line 1' in result.err


def imported(*words: str) -> set[str]:
    """Runs the command line in a fresh interpreter and tells what it had imported at its end."""
    source = (
        "import sys\n"
        "from proxyables_cli.main import main\n"
        f"code = main({list(words)!r})\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=30
    )
    return set(made.stderr.split())


@pytest.mark.parametrize(
    "words",
    [["serve", "nowhere:x", "--stdio"], ["serve", "nowhere:x"], ["call", "exec:nowhere", "add"]],
)
def test_plain_commands_import_neither_typer_nor_the_prompt(words: list[str]) -> None:
    dear = {
        "typer",
        "pydantic",
        "rich",
        "pygments",
        "prompt_toolkit",
        "proxyables_cli.repl.session",
    }
    found = imported(*words)
    assert not found & dear
    assert ("uvloop" in found) is False  # not before there is a loop; never for one call


def test_a_closed_output_is_no_traceback(cli: Cli) -> None:
    assert cli.shell("$P --help | true").err == ""
    full = cli.shell("$P --version > /dev/full; echo $?")
    assert full.out == "74\n"
    assert "cannot write to standard output: no space left" in full.err
