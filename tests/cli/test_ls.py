"""``ls -l`` and ``ls -R``: what is told in full, what lies below, and where that ends."""

from __future__ import annotations

import json
from typing import Any

from cli.processes import Cli, Result, Starter
from proxyables_cli import descent, ls
from proxyables_cli.exits import Code

YARD = '''
class Owner:
    def __init__(self, name):
        self.name = name

class Till:
    """Takes money."""
    __slots__ = ("empty", "owner", "yard")
    def __init__(self, owner, yard):
        self.owner = owner
        self.yard = yard
    def pay(self, amount):
        """Pays."""

class Yard:
    def __init__(self):
        self.numbers = [1, 2]
        self.owner = Owner("ada")
        self.till = Till(self.owner, self)
    @property
    def trap(self):
        raise SystemExit("a property ran")

class Link:
    def __init__(self, length):
        self.left = length
        self.next = Link(length - 1) if length else None

class Crowd:
    def __init__(self):
        for number in range(300):
            setattr(self, f"owner{number:03}", Owner(str(number)))

yard, chain, crowd = Yard(), Link(12), Crowd()
'''


def rows(result: Result) -> dict[str, dict[str, Any]]:
    assert result.code == 0, result
    return {row["path"]: row for row in map(json.loads, result.out.splitlines())}


def test_what_attributes_hold_is_looked_into_once(cli: Cli, serve: Starter) -> None:
    (cli.directory / "yard.py").write_text(YARD)
    address = serve("yard:yard", "--unix", "yard.sock").address
    found = rows(cli("ls", "-R", address))
    # Breadth first: neither through the list, nor through the property, which would run.
    assert list(found) == [
        *("numbers", "owner", "till", "trap"),
        *("owner.name", "till.empty", "till.owner", "till.pay", "till.yard"),
    ]
    again = {path: row["same_as"] for path, row in found.items() if "same_as" in row}
    assert again == {"till.owner": "owner", "till.yard": "."}
    below = rows(cli("ls", address, "till", "--recursive"))
    assert below["till.yard.till"]["same_as"] == "till"
    assert cli("ls", "-R", address, "nothing").code == Code.RAISED
    table = cli("ls", "-R", address, "-o", "table")
    assert table.out.count("till.owner") == 1


def test_there_is_an_end_to_it(cli: Cli, serve: Starter) -> None:
    (cli.directory / "yard.py").write_text(YARD)
    chain = serve("yard:chain", "--unix", "chain.sock").address
    deep = cli("ls", "-R", chain)
    assert len(rows(deep)) == 2 * (descent.DEEPEST + 1)
    assert f"it lies {descent.DEEPEST} levels down" in deep.line
    assert cli("ls", "-R", "-q", chain).err == ""
    crowd = serve("yard:crowd", "--unix", "crowd.sock").address
    many = cli("ls", "-R", crowd)
    assert len(rows(many)) == 300 + descent.MOST_OBJECTS - 1
    assert f"more objects than these {descent.MOST_OBJECTS}" in many.line


def test_long_lines_are_whole() -> None:
    told = "x" * 300
    members = [
        {"name": "pay", "kind": "method", "async": True, "signature": "(n)", "doc": told},
        {"name": "till", "kind": "attribute", "type": "Till\x1b[m", "same_as": "."},
    ]
    assert list(ls.long_lines(members)) == [
        f"async method  pay(n)  -           {told}",
        "attribute     till    Till\\x1b[m  the same object as .",
    ]


def test_servers_tell_what_they_do(cli: Cli, serve: Starter) -> None:
    serve("shop:shop")
    serve("shop:shop", "--name", "shut", "--introspection", "off")
    shop, shut = map(json.loads, cli("ls", "-l").out.splitlines())
    assert (shop["object"], shop["connections"], shop["running"]) == ("shop", 1, 0)
    assert shop["uptime"] > 0
    assert shut["object"] == "shut"
    assert "uptime" not in shut
