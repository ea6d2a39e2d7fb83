"""``describe``, ``man``, and ``ls`` without an address."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from cli.processes import Cli, Server, Starter
from proxyables_cli import describe, man
from proxyables_cli.exits import Code, Failure


def test_describe_is_one_line_of_json(cli: Cli, shop: Server) -> None:
    result = cli("describe", shop.address)
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert (found["type"], found["doc"]) == ("Shop", "A shop for the tests.")
    assert "deposit" not in {row["name"] for row in found["members"]}
    below = json.loads(cli("describe", shop.address, "accounts[ada].deposit").out)
    assert (below["name"], below["signature"]) == ("deposit", "(amount, note=None)")


def test_describe_runs_nothing_and_says_what_is_missing(cli: Cli, shop: Server) -> None:
    result = cli("describe", shop.address, "nothing")
    assert (result.code, result.out) == (Code.RAISED, "")
    assert "'Shop' object has no attribute 'nothing'" in result.err


def test_a_page_for_a_reader() -> None:
    found = {
        "kind": "method",
        "name": "pay",
        "type": "method",
        "module": "bank",
        "signature": "(amount: int)",
        "async": True,
        "doc": "Pays.\n\n    At once.\x1b[31m",
        "members": [{"name": "level", "kind": "attribute", "type": "int", "async": False}],
        "truncated": True,
    }
    assert list(describe.page(found)) == [
        "pay(amount: int)",
        "    async method in bank",
        "",
        "    Pays.",
        "",
        "        At once.\\x1b[31m",
        "",
        "level  (attribute)",
        "    int",
        "",
        "… more than these 1",
    ]


def test_an_attribute_is_told_of_by_its_owner() -> None:
    found = {
        "kind": "object",
        "name": "int",
        "type": "int",
        "module": "builtins",
        "doc": "int([x]) -> integer",
        "members": [{"name": "bit_count", "kind": "method"}],
        "truncated": True,
        "member": {"name": "level", "kind": "property", "doc": "How high.", "of": "Shop"},
    }
    assert list(describe.page(found)) == [
        "level",
        "    property of Shop: object of type int",
        "",
        "    How high.",
    ]


HOUSE = """
class Door:
    "A door."
    def shut(self): pass

class House:
    "A house."
    def __init__(self):
        self.level, self.door = 1, Door()
    @property
    def owner(self):
        "Whose it is."
        return "ada"

house = House()
"""


def test_what_an_attribute_is_of_the_object_that_has_it(cli: Cli, serve: Starter) -> None:
    (cli.directory / "house.py").write_text(HOUSE)
    server = serve("house:house", "--tcp", ":0")

    def told(path: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(cli("describe", server.address, path).out)
        return found

    owner = told("owner")
    assert owner["type"] == "str"
    assert owner["member"] == {
        "name": "owner",
        "kind": "property",
        "signature": None,
        "doc": "Whose it is.",
        "async": False,
        "of": "House",
    }
    door = told("door")
    member = door["member"]
    assert isinstance(member, dict)
    assert (door["doc"], member["kind"], member["of"]) == ("A door.", "attribute", "House")
    assert "member" not in told("door.shut")
    assert "member" not in told(".")


@pytest.fixture
def runtime(tmp_path: Path) -> dict[str, str]:
    """An environment with a directory of its own for sockets that nobody named."""
    (tmp_path / "run").mkdir(mode=0o700)
    return {"XDG_RUNTIME_DIR": str(tmp_path / "run")}


def test_ls_without_an_address_lists_the_servers_that_live(
    cli: Cli, serve: Starter, runtime: dict[str, str]
) -> None:
    nobody = cli("ls", env=runtime)
    assert (nobody.code, nobody.out) == (0, "")
    assert "proxyables serve TARGET" in nobody.err
    cli.env |= runtime
    first, second = serve("shop:shop"), serve("shop:shop", "--name", "other")
    rows = [json.loads(line) for line in cli("ls").out.splitlines()]
    assert [(row["address"], row["object"], row["pid"]) for row in rows] == [
        (second.address, "other", second.process.pid),
        (first.address, "shop", first.process.pid),
    ]
    second.stop(signal.SIGKILL)  # leaves its socket behind
    assert [json.loads(line)["object"] for line in cli("ls").out.splitlines()] == ["shop"]


def test_a_silent_socket_does_not_hold_ls_up(cli: Cli, runtime: dict[str, str]) -> None:
    directory = Path(runtime["XDG_RUNTIME_DIR"], "proxyables")
    directory.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(directory / "silent.sock"))
        silent.listen()
        result = cli("ls", "--timeout", "200ms", env=runtime)
    assert (result.code, result.out) == (0, "")


def test_ls_trusts_no_directory_that_others_can_write_to(
    cli: Cli, serve: Starter, runtime: dict[str, str]
) -> None:
    cli.env |= runtime
    serve("shop:shop")
    Path(runtime["XDG_RUNTIME_DIR"], "proxyables").chmod(0o777)
    assert cli("ls").out == ""


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("", "proxyables.1"),
        ("serve", "proxyables-serve.1"),
        ("proxyables-serve", "proxyables-serve.1"),
        ("address", "proxyables-address.7"),
        ("config", "proxyables-config.1"),
        ("config.5", "proxyables-config.5"),
        ("config(5)", "proxyables-config.5"),
        ("proxyables-config.5", "proxyables-config.5"),
        ("proxyables.1", "proxyables.1"),
    ],
)
def test_pages_are_found_by_short_and_long_names(page: str, name: str) -> None:
    assert man.find(page).name == name


def test_an_unknown_page_is_told_with_its_neighbour() -> None:
    with pytest.raises(Failure) as caught:
        man.find("adress")
    assert (caught.value.code, caught.value.hint) == (Code.NO_TARGET, "did you mean 'address'?")


@pytest.mark.parametrize("words", [["config", "5"], ["5", "config"], ["config.5"]])
def test_a_page_of_another_section(cli: Cli, words: list[str]) -> None:
    result = cli("man", *words, env={"PATH": "/nonexistent"})
    assert result.line.endswith("proxyables-config.5")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["address", "5"], 66, "there is no page 'address.5'; did you mean 'address'?"),
        (["serve", "config"], 2, "man shows one page, got 'serve' and 'config'"),
    ],
)
def test_pages_that_are_not_there(cli: Cli, words: list[str], code: int, says: str) -> None:
    result = cli("man", *words)
    assert (result.code, says in result.line) == (code, True), result


def test_man_without_a_reader_names_the_file(cli: Cli) -> None:
    result = cli("man", "serve", env={"PATH": "/nonexistent"})
    assert result.code == Code.NOT_FOUND
    assert "proxyables-serve.1" in result.err


def test_man_gives_the_page_to_the_program_that_shows_it(cli: Cli, tmp_path: Path) -> None:
    reader = tmp_path / "bin" / "man"
    reader.parent.mkdir()
    reader.write_text("#!/bin/sh\necho $1 $(basename $2)\nexit 3\n")
    reader.chmod(0o755)
    result = cli("man", "ping", env={"PATH": f"{reader.parent}:/usr/bin:/bin"})
    assert (result.code, result.out) == (3, "-l proxyables-ping.1\n")
