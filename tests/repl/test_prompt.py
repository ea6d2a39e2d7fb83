"""The prompt, key by key: menu, toolbar, history, editing, vi."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import Application, get_app

from faults import faulty
from proxyables import demo
from repl.prompts import Prompt, prompting, serving

UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
CONTROL_C, CONTROL_R = "\x03", "\x12"

Scene = Callable[[Prompt], Awaitable[None]]


def play(tmp_path: Path, scene: Scene, **options: object) -> None:
    """Plays a scene on a prompt on the demo object."""

    async def work() -> None:
        async with opened(tmp_path, **options) as prompt:
            await scene(prompt)

    asyncio.run(work())


@asynccontextmanager
async def opened(tmp_path: Path, **options: object) -> AsyncIterator[Prompt]:
    async with (
        serving(demo.Bookshop(), tmp_path) as address,
        prompting(address, tmp_path, **options) as prompt,  # type: ignore[arg-type]
    ):
        yield prompt


# ---- the menu


def test_the_menu_and_what_tab_and_enter_do(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type("obj.s")
        await prompt.until(lambda: len(prompt.screen.menu) == 2)
        assert prompt.screen.menu[0].startswith("sell  (title: str")
        assert prompt.screen.menu[1] == "stock  dict"
        prompt.type("\t")
        await prompt.at(">>> obj.sell")
        prompt.type(DOWN)
        await prompt.at(">>> obj.stock")
        prompt.type("\r")  # takes it, and runs nothing
        await prompt.until(lambda: not prompt.screen.menu)
        assert prompt.screen.line == ">>> obj.stock"
        prompt.type("[")
        await prompt.until(lambda: prompt.screen.menu == ["Emma", "Dracula", "Middlemarch"])
        prompt.type('"D')
        await prompt.until(lambda: prompt.screen.menu == ["Dracula"])
        prompt.type("\t]\r")
        await prompt.shows("\n3\n")

    play(tmp_path, scene)


def test_the_menu_inside_of_a_cell_and_an_f_string(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type("for row in obj.titles():\r")
        await prompt.at("...")
        prompt.type('print(f"{len(row)} {obj.till.ta')
        await prompt.until(lambda: prompt.screen.menu == ["take  (cents: int) -> int"])

    play(tmp_path, scene)


def test_commands_and_their_arguments(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type("%rec")
        await prompt.until(lambda: any("%reconnect" in row for row in prompt.screen.menu))
        prompt.type("\t ")
        await prompt.until(lambda: any(row.startswith("obj  unix:") for row in prompt.screen.menu))
        prompt.type(f"{CONTROL_C}%run {tmp_path}/")
        (tmp_path / "script.py").write_text("")
        await prompt.until(lambda: any("script.py" in row for row in prompt.screen.menu))
        prompt.type(f"{CONTROL_C}%config re")
        await prompt.until(lambda: [row[:10] for row in prompt.screen.menu] == ["repr  how "])
        prompt.type(f"{CONTROL_C}%time obj.boo")
        await prompt.until(lambda: prompt.screen.menu == ["books  list"])

    play(tmp_path, scene, columns=200)


def test_keys_are_drawn_while_the_server_is_silent(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            serving(demo.Bookshop(), tmp_path) as address,
            faulty(address) as proxy,
            prompting(proxy.address, tmp_path) as prompt,
        ):
            prompt.type("obj.")
            await prompt.until(lambda: len(prompt.screen.menu) > 5)
            link = await proxy.link()
            link.up.stall()
            prompt.type("till.t")
            await prompt.at(">>> obj.till.t")
            assert not prompt.screen.menu
            prompt.type(f"{CONTROL_C}lam")  # a menu that needs nobody does not wait for that one
            await prompt.until(lambda: prompt.screen.menu == ["lambda"])
            prompt.type(f"{CONTROL_C}obj.till.to")
            await prompt.at(">>> obj.till.to")
            assert not prompt.screen.menu
            link.up.go_on()
            await prompt.until(lambda: prompt.screen.menu == ["total  int"])

    asyncio.run(work())


@pytest.mark.parametrize(
    ("first", "then", "line"),
    [
        ("obj.till.ta\t", "", "obj.till.take"),  # at once, or when the wait has begun
        ("obj.till.t", "\t", "obj.till.take"),
        ("obj.till.t\t", "o", "obj.till.to"),  # who types on has changed their mind
    ],
)
def test_a_tab_that_comes_before_the_menu_enters_it(
    tmp_path: Path, first: str, then: str, line: str
) -> None:
    async def work() -> None:
        async with (
            serving(demo.Bookshop(), tmp_path) as address,
            faulty(address) as proxy,
            prompting(proxy.address, tmp_path) as prompt,
        ):
            link = await proxy.link()
            link.down.stall()
            prompt.type(first)
            await prompt.at(f">>> {first.strip()}")
            prompt.type(then)
            await prompt.at(f">>> {line if then.isalpha() else first.strip()}")
            link.down.go_on()
            await prompt.until(lambda: prompt.screen.menu)
            await prompt.at(f">>> {line}")

    asyncio.run(work())


def test_a_menu_is_one_question_which_is_asked_before_anybody_types(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        connection = prompt.session.connections.current
        assert connection is not None
        count = connection.peer.statistics
        assert count()["calls_made"] == 1
        prompt.type("obj.")
        await prompt.until(lambda: len(prompt.screen.menu) > 5)
        assert count()["calls_made"] == 1
        prompt.type("till.")
        await prompt.until(lambda: "take  (cents: int) -> int" in prompt.screen.menu)
        assert count()["calls_made"] == 2

    play(tmp_path, scene)


def test_keys_are_drawn_once_and_so_is_their_menu(tmp_path: Path) -> None:
    importlib.import_module("pygments.lexers.python")  # so that the colours do not come later

    async def work() -> None:
        async with (
            serving(demo.Bookshop(), tmp_path) as address,
            faulty(address) as proxy,
            prompting(proxy.address, tmp_path) as prompt,
        ):
            app = get_app()
            link = await proxy.link()
            await settled(app)
            link.down.stall()
            before = app.render_counter
            prompt.type("obj.till.ta")
            await prompt.at(">>> obj.till.ta")
            await settled(app)
            assert app.render_counter == before + 1
            link.down.go_on()
            await prompt.until(lambda: prompt.screen.menu == ["take  (cents: int) -> int"])
            await settled(app)
            assert app.render_counter == before + 2

    async def settled(app: Application[Any]) -> None:
        """Waits until nothing has been drawn for a while."""
        drawn = -1
        while drawn != app.render_counter:
            drawn = app.render_counter
            await asyncio.sleep(0.2)

    asyncio.run(work())


def test_no_question_waits_for_another_nor_the_menu_for_a_clock(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            serving(demo.Bookshop(), tmp_path) as address,
            faulty(address) as proxy,
            prompting(proxy.address, tmp_path) as prompt,
        ):
            descriptions = prompt.session.descriptions
            assert descriptions is not None
            await prompt.session.connections.reopen()
            assert descriptions.asking == 1  # as soon as the connection is there
            link = await proxy.link()
            link.down.stall()
            prompt.type("obj.till.t")
            await prompt.until(lambda: descriptions.asking == 2)
            await prompt.at(">>> obj.till.t")
            _stop_clocks()
            link.down.go_on()
            await prompt.until(lambda: "take  (cents: int) -> int" in prompt.screen.menu)

    asyncio.run(work())


def _stop_clocks() -> None:
    """From here on nothing that is to happen within a few seconds does."""
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def much_later(when: float, *args: Any, **options: Any) -> asyncio.TimerHandle:
        soon = when - loop.time() < 4.0
        return call_at(when + 1000.0 if soon else when, *args, **options)

    loop.call_at = much_later  # type: ignore[method-assign]


def test_a_menu_from_before_is_shown_at_once_and_then_brought_up_to_date(tmp_path: Path) -> None:
    shop = demo.Bookshop()

    async def work() -> None:
        async with (
            serving(shop, tmp_path) as address,
            faulty(address) as proxy,
            prompting(proxy.address, tmp_path) as prompt,
        ):
            prompt.type("obj.ti")
            await prompt.until(lambda: len(prompt.screen.menu) == 2)
            prompt.type(CONTROL_C)
            await prompt.enter("1", "\n1")
            shop.tips = 5  # type: ignore[attr-defined]
            link = await proxy.link()
            link.up.stall()
            prompt.type("obj.ti")
            await prompt.until(lambda: len(prompt.screen.menu) == 2)
            link.up.go_on()
            await prompt.until(lambda: len(prompt.screen.menu) == 3)
            assert "tips  int" in prompt.screen.menu

    asyncio.run(work())


# ---- the toolbar


def test_the_signature_and_the_current_parameter(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type("obj.sell(")
        signature = "sell(title: str, copies: int = 1, *, gift: bool = False)"
        await prompt.until(lambda: prompt.screen.toolbar.startswith(signature))
        assert prompt.screen.style_at("title").underscore
        assert not prompt.screen.style_at("copies").underscore
        prompt.type('"Emma", gift=')
        await prompt.until(lambda: prompt.screen.style_at("gift").underscore)
        prompt.type("len(")
        await prompt.until(lambda: prompt.screen.toolbar.startswith("len("))
        prompt.type("[]))")
        await prompt.until(lambda: prompt.screen.toolbar.startswith("obj unix:"))

    play(tmp_path, scene)


def test_a_window_of_forty_columns(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type("obj.sell('Emma', gift=T")
        await prompt.until(lambda: "gift: bool" in prompt.screen.toolbar)
        assert prompt.screen.style_at("gift").underscore
        prompt.type(f"{CONTROL_C}obj.pri")
        await prompt.until(lambda: any("price_with" in row for row in prompt.screen.menu))
        prompt.screen.resize(100)
        prompt.type(CONTROL_C)
        await prompt.enter("obj.add(20, 3)", "23")

    play(tmp_path, scene, columns=40)


def test_jobs_and_calls_in_flight(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        await prompt.enter("%bg obj.wrap('Emma', seconds=60)", "job 1 runs")
        await prompt.until(lambda: "1 job, " in prompt.screen.toolbar)
        await prompt.until(lambda: "1 call in flight, 1s" in prompt.screen.toolbar)
        prompt.type("%cancel ")
        await prompt.until(lambda: any("1  obj.wrap" in row for row in prompt.screen.menu))
        prompt.type("1\r")
        await prompt.until(lambda: "job" not in prompt.screen.toolbar)

    play(tmp_path, scene, columns=160)


def test_a_lost_connection_is_in_the_toolbar(tmp_path: Path) -> None:
    async def work() -> None:
        server = AsyncExitStack()
        address = await server.enter_async_context(serving(demo.Bookshop(), tmp_path))
        async with prompting(address, tmp_path, columns=160) as prompt:
            await server.aclose()
            await prompt.until(lambda: "reconnecting" in prompt.screen.toolbar)
            async with serving(demo.Bookshop(), tmp_path):
                await prompt.shows("what it gave before is gone")
                await prompt.until(lambda: "reconnecting" not in prompt.screen.toolbar)

    asyncio.run(work())


def test_work_is_told_however_long_the_address_is(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        await prompt.enter("%bg obj.wrap('Emma', seconds=60)", "job 1 runs")
        await prompt.until(lambda: "… · 1 job, " in prompt.screen.toolbar)

    play(tmp_path, scene, columns=50)


def test_menus_are_no_calls_to_be_traced(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        await prompt.enter("%trace on", "remote calls are shown")
        prompt.type("obj.till.to")
        await prompt.until(lambda: prompt.screen.menu == ["total  int"])
        await prompt.enter("tal", "→ obj.till.total")
        assert prompt.screen.text.count("→") == 1

    play(tmp_path, scene)


# ---- editing


def test_indentation(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type("def f(n):\r")
        await prompt.until(lambda: prompt.screen.column == 8)
        prompt.type("if n:\r")
        await prompt.until(lambda: prompt.screen.column == 12)
        prompt.type("return 7\r")
        await prompt.until(lambda: prompt.screen.column == 8)
        prompt.type("\t")
        await prompt.until(lambda: prompt.screen.column == 12)
        prompt.type("\x7f")
        await prompt.until(lambda: prompt.screen.column == 8)
        prompt.type("\x7f")
        await prompt.until(lambda: prompt.screen.column == 4)
        prompt.type(f"{UP}{UP}{DOWN}")
        await prompt.at("...         return 7")
        prompt.type(f"{DOWN}\r")
        await prompt.at(">>>")
        await prompt.enter("f(1)", "\n7")

    play(tmp_path, scene)


def test_enter_in_the_middle_of_a_line_runs_it(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type(f"obj.add(20, 3){LEFT}{LEFT}")
        await prompt.until(lambda: prompt.screen.column == 16)
        await prompt.enter("", "\n23")

    play(tmp_path, scene)


def test_alt_enter_makes_a_line_and_a_paste_makes_one_cell(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type("x = 20\x1b\r")
        await prompt.at("...")
        await prompt.enter("x + 3", "\n23")
        prompt.type("\x1b[200~if x:\n    y = 1\n\n    y += 41\ny\n\x1b[201~")
        await prompt.shows("... y\n")
        assert "\n42" not in prompt.screen.text
        await prompt.enter("", "\n42")

    play(tmp_path, scene)


def test_ctrl_c_and_ctrl_l(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type("half a li")
        await prompt.at(">>> half a li")
        prompt.type(CONTROL_C)
        await prompt.at(">>>")
        await prompt.enter("obj.add(20, 3)", "23")
        prompt.type("\x0c")
        await prompt.until(lambda: prompt.screen.lines[0] == ">>>")
        assert "23" not in prompt.screen.lines

    play(tmp_path, scene)


def test_an_editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf '\\nobj.add(40, 2)\\n' >>\"$1\"\n")
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))

    async def scene(prompt: Prompt) -> None:
        prompt.type("x = 1")
        await prompt.at(">>> x = 1")
        prompt.type("\x18\x05")
        await prompt.shows("... obj.add(40, 2)")
        await prompt.enter("", "\n42")

    play(tmp_path, scene)


def test_vi(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        await prompt.until(lambda: "insert" in prompt.screen.toolbar)
        prompt.type("obj.add(20, 4)")
        await prompt.at(">>> obj.add(20, 4)")
        prompt.type("\x1b")
        await prompt.until(lambda: "normal" in prompt.screen.toolbar)
        prompt.type("0f4r3\r")
        await prompt.until(lambda: "\n23" in prompt.screen.text)
        prompt.session.vi = False  # for the next line

    play(tmp_path, scene, vi=True)


# ---- history


def test_history_by_prefix_even_with_a_menu(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        for line in ("obj.add(1, 1)", "obj.name", "len('ab')"):
            await prompt.enter(line, "")
        prompt.type("obj.")
        await prompt.until(lambda: bool(prompt.screen.menu))
        prompt.type(UP)
        await prompt.at(">>> obj.name")
        prompt.type(UP)
        await prompt.at(">>> obj.add(1, 1)")
        prompt.type(DOWN)
        await prompt.at(">>> obj.name")
        prompt.type(CONTROL_C)
        await prompt.at(">>>")
        prompt.type(f"{CONTROL_R}add(")
        await prompt.shows("I-search backward: add(")
        prompt.type("\r")
        await prompt.at(">>> obj.add(1, 1)")
        await prompt.enter("", "\n2\n")

    play(tmp_path, scene)


def test_a_suggestion_is_taken_by_the_right_arrow(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        await prompt.enter("obj.add(20, 3)", "\n23")
        prompt.type("obj.a")
        await prompt.at(">>> obj.add(20, 3)")
        assert prompt.screen.column == 9
        prompt.type(RIGHT)
        await prompt.until(lambda: prompt.screen.column == 18)

    play(tmp_path, scene)


def test_no_colours_no_suggestions(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        await prompt.enter("obj.add(20, 3)", "\n23")
        prompt.type("obj.ad")
        await prompt.until(lambda: bool(prompt.screen.menu))
        assert prompt.screen.line == ">>> obj.ad"

    play(tmp_path, scene, color="never")


def test_colours_of_python(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type("lambda x: 'text'")
        await prompt.at(">>> lambda x: 'text'")
        await prompt.until(lambda: prompt.screen.style_at("lambda", 0).fg == "blue")
        assert prompt.screen.style_at("'text", 0).fg == "green"

    play(tmp_path, scene)


# ---- Enter


@pytest.mark.parametrize("line", ["if obj.stock:  # sure?", 'x = """what?', "f(  # why??"])
def test_a_question_mark_makes_no_cell_whole(tmp_path: Path, line: str) -> None:
    async def scene(prompt: Prompt) -> None:
        prompt.type(f"{line}\r")
        await prompt.until(lambda: prompt.screen.line == "...")
        prompt.type(CONTROL_C)
        await prompt.enter("obj.sell ?", "Sells copies")

    play(tmp_path, scene)


# ---- what happens beside the prompt


def test_an_unfinished_line_of_a_callback_is_not_lost(tmp_path: Path) -> None:
    async def scene(prompt: Prompt) -> None:
        await prompt.enter("loop = asyncio.get_running_loop()", ">>>")
        later = "loop.call_later(0.2, lambda: print('un', 'done', end='')) and None"
        await prompt.enter(later, later)
        await asyncio.sleep(0.4)
        await prompt.enter("20 + 3", "\nun done\n23\n>>>")

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("loop.call_later(0.3, lambda: 1/0) and None", "ZeroDivisionError: division by zero"),
        ("px.spawn(obj.books[9].title) and None", "IndexError: list index out of range"),
    ],
)
def test_errors_in_the_background_are_told_above(tmp_path: Path, line: str, error: str) -> None:
    async def scene(prompt: Prompt) -> None:
        await prompt.enter("loop = asyncio.get_running_loop()", ">>>")
        await prompt.enter(line, line)
        prompt.type("20 + ")
        await prompt.until(lambda: error in prompt.screen.text and prompt.screen.line == ">>> 20 +")
        told = prompt.screen.text.split("in the background:")[1].split(error)[0]
        assert "proxyables" not in told
        await prompt.enter("3", "\n23\n>>>")

    play(tmp_path, scene)
