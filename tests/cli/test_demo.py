"""The demo object, as a local one and in a child process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from cli.processes import Cli
from proxyables import demo
from proxyables_cli.demo import TARGET, address


@pytest.fixture
def shop() -> demo.Bookshop:
    return demo.Bookshop()


def test_selling_tells_listeners_of_both_kinds(shop: demo.Bookshop) -> None:
    heard: list[tuple[object, ...]] = []

    async def hear_later(*sale: object) -> None:
        heard.append(("later", *sale))

    shop.on_sale(lambda *sale: heard.append(sale))
    assert shop.on_sale(hear_later) == 2
    receipt = asyncio.run(shop.sell("Emma", copies=2, gift=True))
    assert receipt == {"title": "Emma", "copies": 2, "cents": 1800, "gift": True}
    assert heard == [("Emma", 2), ("later", "Emma", 2)]
    assert (shop.stock["Emma"], shop.till.total, shop.till.sales, len(shop)) == (10, 1800, 1, 18)
    assert shop.off_sale() == 2


def test_what_cannot_be_sold(shop: demo.Bookshop) -> None:
    with pytest.raises(demo.OutOfStock, match="1000 copies of 'Emma' wanted, 12 there"):
        asyncio.run(shop.sell("Emma", 1000))
    with pytest.raises(ValueError, match="at least one"):
        asyncio.run(shop.sell("Emma", 0))
    with pytest.raises(KeyError):
        asyncio.run(shop.sell("Ulysses"))
    assert shop.till.sales == 0


def test_listeners_are_bounded(shop: demo.Bookshop) -> None:
    for _ in range(demo.MAX_LISTENERS):
        shop.on_sale(print)
    with pytest.raises(ValueError, match="enough"):
        shop.on_sale(print)


def test_the_rest_of_it(shop: demo.Bookshop) -> None:
    async def count() -> list[int]:
        return [left async for left in shop.countdown(2, seconds=0)]

    assert list(shop.titles()) == ["Emma", "Dracula", "Middlemarch"]
    assert asyncio.run(count()) == [2, 1, 0]
    assert asyncio.run(shop.wrap("Emma", 0)) == "Emma, in paper with a bow"
    assert asyncio.run(shop.price_with("Emma", lambda cents: cents // 2)) == 450
    assert shop.Customer("Ada").greet() == "Good morning, Ada!"
    assert shop.add(2, 3) == 5
    assert shop.books[1].quote(2, discount=50) == 1100
    with pytest.raises(ValueError, match="discount"):
        shop.books[1].quote(discount=101)


def test_it_can_be_served_from_a_child_process(cli: Cli) -> None:
    child = address()
    assert child.endswith(f"serve {TARGET} --stdio")
    assert cli("call", child, "sell", "Emma", "copies=2").out.startswith('{"title":"Emma"')
    assert cli("get", child, "books[0].title").out == '"Emma"\n'
    failed = cli("call", child, "sell", "Emma", "1000")
    assert failed.code == 1
    assert failed.line == "OutOfStock: 1000 copies of 'Emma' wanted, 12 there"


def test_the_demo_command_opens_a_prompt_on_it(cli: Cli) -> None:
    assert cli("demo", "-c", "obj.books[0].title").out == "'Emma'\n"
    assert cli("repl", stdin=b"obj.add(2, 3)\n").out == "5\n"


@pytest.mark.parametrize("words", [["demo", "-c"], ["repl", "-c"]])
def test_what_is_set_for_servers_is_not_for_the_demo(cli: Cli, words: list[str]) -> None:
    (cli.directory / "config.toml").write_text("[serve]\nworkers = 2\nname = 'other'\n")
    env = {"PROXYABLES_LISTEN": ":0", "PROXYABLES_ONCE": "yes", "PROXYABLES_TCP": ":0"}
    env["PROXYABLES_CONFIG"] = str(cli.directory / "config.toml")
    result = cli(*words, "obj.add(2, 3)", env=env)
    assert (result.code, result.out, result.err) == (0, "5\n", "")


def test_the_scripted_session_runs_to_its_end(cli: Cli) -> None:
    script = Path(__file__).resolve().parents[2] / "examples" / "demo_session.py"
    made = subprocess.run(
        [sys.executable, str(script)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=cli.env,
        timeout=60,
        check=False,
    )
    assert (made.returncode, made.stderr) == (0, "")
    assert ">>> obj.books[0].title\n'Emma'\n" in made.stdout
    assert "sold 2 of Emma\n{'title': 'Emma'" in made.stdout
    assert "OutOfStock: 1000 copies of 'Emma' wanted, 10 there\n" in made.stdout
    assert made.stdout.endswith("the server ended with status 0\n")
