"""The file of --env-file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.processes import Cli, Starter
from proxyables_cli.daemon import environment
from proxyables_cli.exits import Code, Failure

FILE = """\
# what the shop needs
SHOP_NAME=Corner Shop   # not the other one
  export SHOP_URL = http://localhost:8000/#top
SHOP_KEY='a # b'
SHOP_WORDS="say \\"hi\\""
SHOP_EMPTY=
SHOP_NAME_LONG=a=b
SHOP_NAME=Corner
"""


def test_what_lines_mean(tmp_path: Path) -> None:
    path = tmp_path / "shop.env"
    path.write_text(FILE)
    assert environment.read(str(path)) == {
        "SHOP_NAME": "Corner",
        "SHOP_URL": "http://localhost:8000/#top",
        "SHOP_KEY": "a # b",
        "SHOP_WORDS": 'say "hi"',
        "SHOP_EMPTY": "",
        "SHOP_NAME_LONG": "a=b",
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"A=1\nnonsense\n", "line 2: expected NAME=VALUE, got 'nonsense'"),
        (b"A=1\n\n9A=2\n", "line 3: expected NAME=VALUE, got '9A=2'"),
        (b"=1\n", "line 1: expected NAME=VALUE"),
        (b"A='x\n", "line 1: the quotation of A is not closed"),
        (b"A='x' y\n", "line 1: something follows the quoted value of A"),
        (b"A=x\0y\n", "line 1: the value of A holds a NUL"),
        (b"A=\xff\n", "it is not utf-8"),
        (None, "no such file or directory"),
    ],
)
def test_lines_that_mean_nothing(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "shop.env"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Failure, match=says) as caught:
        environment.read(str(path))
    assert caught.value.code is Code.CONFIGURATION
    assert str(path) in caught.value.message


def test_the_target_sees_it_while_it_is_imported(cli: Cli, serve: Starter) -> None:
    (cli.directory / "app.py").write_text(
        "import os\nname, home = os.environ['SHOP_NAME'], os.environ['HOME']\n"
        "class App:\n    def told(self): return [name, home]\napp = App()\n"
    )
    (cli.directory / "shop.env").write_text("SHOP_NAME=Corner\nHOME=/nowhere\nPROXYABLES_TCP=:1\n")
    server = serve("app:app", "--tcp", ":0", "--env-file", "shop.env")
    told = cli("call", server.address, "told").out  # what was there before stays
    assert told == f'["Corner","{os.environ["HOME"]}"]\n'
    assert "PROXYABLES_TCP is no option of this server" in server.lines[0]


def test_a_bad_line_is_told_before_anything_is_imported(cli: Cli) -> None:
    (cli.directory / "shop.env").write_text("A=1\nB\n")
    result = cli("serve", "shop:shop", "--tcp", ":0", "--env-file", "shop.env")
    assert (result.code, result.out) == (Code.CONFIGURATION, "")
    assert result.line == "shop.env, line 2: expected NAME=VALUE, got 'B'"
