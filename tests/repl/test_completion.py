"""Completion: what is offered, what is asked of the other side, and that nothing is run."""

from __future__ import annotations

import asyncio
import collections
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxyables_cli.repl.completion.arguments import Arguments
from proxyables_cli.repl.completion.completer import Completer
from proxyables_cli.repl.completion.remote import Descriptions
from proxyables_cli.repl.completion.signatures import bare, parameters_of
from proxyables_cli.repl.remoting import tools
from repl import standins


class Trap:
    """Every way of running its code fails the test."""

    here = 1

    @property
    def prop(self) -> int:
        raise AssertionError("a property ran")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"__getattr__ ran for {name!r}")

    def __dir__(self) -> Any:
        raise AssertionError("__dir__ ran")


DICT = {"kind": "object", "module": "builtins", "type": "dict", "members": []}
LIST = {**DICT, "type": "list"}
TOLD: dict[str, dict[str, Any]] = {
    "obj": {
        "members": [
            {"name": "till", "kind": "attribute", "signature": None, "doc": ""},
            {"name": "titles", "kind": "method", "signature": "(shelf, *, by='')", "doc": "Goes."},
            {"name": "total", "kind": "property", "signature": None, "doc": "Sum."},
            {"name": "stock", "kind": "attribute", "type": "dict"},
            {"name": "books", "kind": "attribute", "type": "list"},
            {"name": "shelf", "kind": "attribute", "type": "dict"},
            {"name": 5},
            {"name": "not a name", "kind": "attribute"},
            "no row",
        ]
    },
    "obj.till": {"members": [{"name": "take", "kind": "method", "signature": "(cents)"}]},
    "obj.stock": DICT,
    "obj.books": LIST,
    "obj.books[0]": {"members": [{"name": "title", "kind": "attribute", "type": "str"}]},
    "obj.shelf": {**DICT, "module": "theirs"},  # called dict, and whatever it likes
}


class World:
    """A remote side that says what `TOLD` says, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told = dict(TOLD)
        self.answers = asyncio.Event()
        self.answers.set()
        self.changes = 0

    async def describe(self, cursor: Any) -> dict[str, Any]:
        path = standins.text_of(cursor)
        self.asked.append(path)
        await self.answers.wait()
        return self.told[path]

    async def keys(self, cursor: Any) -> list[object]:
        self.asked.append(f"keys of {standins.text_of(cursor)}")
        return ["Emma", "Dracula", 'say "hi"', "a\nb", 7]

    def _changed(self) -> None:
        self.changes += 1

    def completer(self, **names: Any) -> Completer:
        scope = {
            "obj": standins.Link(None).root,
            "__px__": 1,
            "os": collections,
            "trap": Trap(),
            **names,
        }
        descriptions = Descriptions(self.describe, self.keys, standins.link_of, self._changed)
        commands = {
            "ls": ("[EXPRESSION]", "members"),
            "await": ("[on|off]", "whether"),
            "trace": ("[on|off|CODE]", "show"),
            "save": ("[--sync|--test] FILE", "write"),
            "cancel": ("JOB", "end"),
            "use": ("NAME", "make current"),
            "secret": ("NAME", "read"),
            "help": ("[COMMAND]", "what there is"),
        }
        arguments = Arguments(
            commands,
            words={"JOB": lambda: [("1", "obj.f()")], "NAME": lambda: [("x", "")]},
            own={"use": lambda: [("bank", "unix:/b")]},
        )
        return Completer(
            scope, lambda value: isinstance(value, standins.Cursor), descriptions, arguments
        )


def complete(text: str, asked: list[str] | None = None, **names: Any) -> list[str]:
    world = World()
    found = asyncio.run(world.completer(**names).complete(text))
    if asked is not None:
        asked += world.asked
    return [each.text for each in found]


def test_remote_members_come_from_the_description() -> None:
    asked: list[str] = []
    assert complete("obj.t", asked) == ["till", "titles", "total"]
    assert asked == ["obj"]
    assert complete("obj.till.", asked) == ["take"]


@pytest.mark.parametrize(
    "text",
    ["obj.titles.", "obj.titles().", "obj.total.", "obj.nothing.", "obj.shelf[0].", "obj._peer."],
)
def test_methods_and_properties_are_not_followed(text: str) -> None:
    async def work() -> None:
        world = World()
        menu = world.completer()
        await menu.complete("obj.")
        await menu.complete("obj.shelf[")
        assert await menu.complete(text) == []
        assert world.asked == ["obj", "obj.shelf"]

    asyncio.run(work())


@pytest.mark.parametrize("text", ["obj.till.", "obj.books[0].", "obj.till.ta"])
def test_a_path_is_one_question_however_long(text: str) -> None:
    asked: list[str] = []
    assert len(complete(text, asked)) == 1
    assert asked == [text.rpartition(".")[0]]


def test_what_is_spelled_out_is_asked_about_before_a_dot_or_a_bracket_follows() -> None:
    async def work() -> None:
        world = World()
        menu = world.completer()
        for text in ("obj.sto", "obj.titles", "obj.total", "obj.nothing", "obj.books[0].title"):
            await menu.complete(text)
        await asyncio.sleep(0)
        assert world.asked == ["obj", "obj.books[0]"]
        await menu.complete("obj.stock")
        await asyncio.sleep(0)
        assert world.asked[2:] == ["obj.stock"]
        assert await menu.complete("obj.stock[")
        assert world.asked[3:] == ["keys of obj.stock"]

    asyncio.run(work())


def test_a_path_that_nobody_knows_is_left_to_its_owner() -> None:
    asked: list[str] = []
    assert complete("obj.titles.", asked) == complete("obj.nothing[0].x.", asked) == []
    assert asked == ["obj.titles", "obj.nothing[0].x"]
    assert complete("obj.titles().", asked) == complete("obj._peer.", asked) == []
    assert len(asked) == 2


def test_descriptions_are_asked_for_once() -> None:
    async def work() -> None:
        world = World()
        menu = world.completer()
        for text in ("obj.", "obj.t", "obj.till.t"):
            await menu.complete(text)
        assert world.asked == ["obj", "obj.till"]
        await asyncio.gather(*(world.completer().complete("obj.") for _ in range(2)))
        await asyncio.gather(*(menu.complete("obj.books[0].") for _ in range(3)))
        assert world.asked[4:] == ["obj.books[0]"]

    asyncio.run(work())


def test_what_was_known_is_told_at_once_and_asked_for_again() -> None:
    async def work() -> None:
        world = World()
        menu = world.completer()
        for text in ("obj.", "obj.till."):
            assert len(await menu.complete(text)) > 0
        menu.descriptions.age()
        world.answers.clear()
        world.told["obj.till"] = {"members": []}
        assert len(await menu.complete("obj.till.")) == 1  # nobody has answered yet
        await asyncio.sleep(0)
        assert world.asked == ["obj", "obj.till"] * 2
        assert menu.descriptions.asking == 2
        world.answers.set()
        while menu.descriptions.asking:
            await asyncio.sleep(0)
        assert world.changes == 1  # and not for what is as it was
        assert await menu.complete("obj.till.") == []

    asyncio.run(work())


def test_who_stops_waiting_stops_nobody_else() -> None:
    async def work() -> None:
        world = World()
        menu = world.completer()
        world.answers.clear()
        one, other = (asyncio.ensure_future(menu.complete("obj.ti")) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        world.answers.set()
        assert len(await other) == 2
        world.answers.clear()
        menu.descriptions.age()
        await menu.complete("obj.ti")
        await menu.descriptions.close()
        assert not menu.descriptions.asking

    asyncio.run(work())


def test_items_of_remote_containers() -> None:
    assert complete("obj.books[0].") == ["title"]
    assert complete("obj.books[i].") == []
    assert complete("obj.stock[") == ['"Emma"', '"Dracula"', "7"]
    assert complete("obj.stock['") == ["Emma'", "Dracula'", 'say "hi"\'']
    assert complete('obj.stock["Dr') == ['Dracula"']
    asked: list[str] = []
    assert complete("obj.shelf[", asked) == complete("obj.books['", asked) == []
    assert not [each for each in asked if each.startswith("keys")]


def test_local_items() -> None:
    shop = {"Emma": 1, "a": {"b": 2}, 3: 4}
    assert complete("shop['", shop=shop) == ["Emma'", "a'"]
    assert complete("shop['a']['", shop=shop) == ["b'"]
    assert complete("rows[0].bit_l", rows=[1]) == ["bit_length"]
    assert complete("rows[5].", rows=[1]) == complete("rows['", rows=[1]) == []
    assert complete("held[0].til", held=[standins.Link(None).root]) == ["till"]
    assert "upper" in complete("'text'.up")


def test_names_of_keyword_arguments() -> None:
    assert complete("obj.titles(") == ["shelf=", "by="]
    assert complete("obj.titles(1, b")[0] == "by="
    assert complete("obj.titles(by='x', ") == ["shelf="]
    assert complete("obj.titles(by=") == complete("obj.titles(1 + ") == []
    assert complete("f(", f=lambda one, two=2: one) == ["one=", "two="]
    assert complete("C(", C=type("C", (), {"__init__": lambda self, size: None})) == ["size="]


def help_of(text: str, **names: Any) -> str:
    told = asyncio.run(World().completer(**names).help(text))
    if told is None:
        return ""
    texts = [each.text for each in told.parameters]
    if told.current is not None:
        texts[told.current] = texts[told.current].upper()
    return f"{told.name}({', '.join(texts)})"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("obj.titles(", "titles(SHELF, by='')"),
        ("x = [obj.titles(1, by=", "titles(shelf, BY='')"),
        ("obj.titles(len(", "len(OBJ)"),
        ("obj.titles(unknown(1, ", "titles(SHELF, by='')"),
        ("obj.titles('text", "titles(SHELF, by='')"),
        ("f'{obj.titles(", "titles(SHELF, by='')"),
        ("%ls obj.titles(", "titles(SHELF, by='')"),
        ("obj.titles()", ""),
        ("trap.prop(", ""),
        ("%await obj.titles(", ""),
    ],
)
def test_help_for_calls(text: str, told: str) -> None:
    assert help_of(text) == told


def test_functions_that_an_instance_holds_are_not_bound_to_it() -> None:
    space = SimpleNamespace(gather=lambda one, *chains: None)
    assert "gather" in complete("space.", space=space)
    assert help_of("space.gather(", space=space) == "gather(ONE, *chains)"
    px = tools(None, None)  # type: ignore[arg-type]
    assert complete("px.ga", px=px) == ["gather"]
    assert help_of("px.open(", px=px).startswith("open(ADDRESS: STR, name: ")


def test_arguments_of_commands(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("")
    assert complete("%ls obj.til") == ["till"]
    assert complete("%await o") == ["on", "off"]
    assert complete("%await on ") == []
    assert complete("%trace ob") == ["obj", "object"]
    assert complete("%trace of") == ["off"]
    assert complete("%cancel ") == ["1"]
    assert complete("%use ") == ["bank"]
    assert complete("%secret ") == ["x"]
    assert complete(f"%save {tmp_path}/") == [f"{tmp_path}/one.py"]
    assert complete(f"%save --test {tmp_path}/o") == [f"{tmp_path}/one.py"]
    assert complete("%save --t") == ["--test"]
    assert complete("%unknown ") == []


def test_names_keywords_builtins_commands() -> None:
    assert complete("ob") == ["obj", "object"]
    assert complete("lamb") == ["lambda"]
    assert complete("%l") == complete("  %l") == ["%ls"]
    assert complete("total = 1\nto") == ["total"]
    assert complete("def f(amount):\n    am") == ["amount"]
    assert complete("__px") == []
    assert complete("undefined.x") == []


def test_local_objects_run_nothing() -> None:
    assert complete("trap.") == ["here", "prop"]
    assert complete("trap.prop.") == []
    assert complete("trap.here.bit_l") == ["bit_length"]
    assert complete("os.Order") == ["OrderedDict"]
    assert complete("trap._") != []


def test_instance_attributes() -> None:
    error = ValueError()
    error.extra = 1  # type: ignore[attr-defined]
    assert "extra" in complete("e.ex", e=error)


def test_a_failing_description_is_no_menu_and_not_asked_for_again() -> None:
    async def work() -> None:
        world = World()
        del world.told["obj"]
        menu = world.completer()
        for _ in range(3):
            assert await menu.complete("obj.") == []
        assert world.asked == ["obj"]

    asyncio.run(work())


@pytest.mark.parametrize(
    ("signature", "shown"),
    [
        ("(a: 'int', /, b: \"list[str]\" = 'x', *c: 'é', d: 'X | None'=None, **e: 'Any') -> 'None'",
         "(a: int, /, b: list[str] = 'x', *c: é, d: X | None=None, **e: Any) -> None"),
        ("(a: Literal['x', 'y'], b: 'two words', c='int')",
         "(a: Literal['x', 'y'], b: 'two words', c='int')"),
        ("(a: 'int'", "(a: 'int'"),
        ("('int')", "('int')"),
    ],
)  # fmt: skip
def test_annotations_that_are_texts_are_shown_as_they_are_meant(signature: str, shown: str) -> None:
    assert bare(signature) == shown
    assert parameters_of(signature) == parameters_of(shown)


def test_a_signature_that_is_too_deep_to_be_told_is_none() -> None:
    assert parameters_of(f"(a: x{'.y' * 600})") is None
