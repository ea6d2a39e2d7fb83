"""Completion: what is offered, what is asked of the other side, and that nothing is run."""

from __future__ import annotations

import asyncio
import collections
from typing import Any

import pytest

from proxyables_cli.repl.completion import Completer, Target, target_of
from repl import standins


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("ob", Target((), "ob")),
        ("x = ob", Target((), "ob")),
        ("obj.", Target(("obj",), "")),
        ("obj.it", Target(("obj",), "it")),
        ("f(obj.a.b", Target(("obj", "a"), "b")),
        ("obj . it", Target(("obj",), "it")),
        ("[x for x in obj.", Target(("obj",), "")),
        ("", None),
        ("f(", None),
        ("1.", None),
        ("f().", None),
        ("f().na", None),
        ("f().a.b", None),
        ("x[0].na", None),
        ("'a'.up", None),
        ("größe.ä", Target(("größe",), "ä")),
    ],
)
def test_targets(text: str, target: Target | None) -> None:
    assert target_of(text) == target


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


MEMBERS = {
    "obj": [
        {"name": "till", "kind": "attribute", "signature": None, "doc": ""},
        {"name": "titles", "kind": "method", "signature": "()", "doc": "Goes along."},
        {"name": "total", "kind": "property", "signature": None, "doc": "Sum."},
        {"name": 5},
    ],
    "obj.till": [{"name": "take", "kind": "method", "signature": "(cents)", "doc": ""}],
}


def completer(asked: list[str], **names: Any) -> Completer:
    async def describe(cursor: Any) -> dict[str, Any]:
        path = standins.text_of(cursor)
        asked.append(path)
        return {"members": MEMBERS[path]}

    scope = {
        "obj": standins.Link(None).root,
        "__px__": 1,
        "os": collections,
        "trap": Trap(),
        **names,
    }
    return Completer(scope, lambda v: isinstance(v, standins.Cursor), describe, {"ls": "members"})


def complete(text: str, asked: list[str] | None = None, **names: Any) -> list[str]:
    found = asyncio.run(completer([] if asked is None else asked, **names).complete(text))
    return [each.text for each in found]


def test_remote_members_come_from_the_description() -> None:
    asked: list[str] = []
    assert complete("obj.t", asked) == ["till", "titles", "total"]
    assert asked == ["obj"]
    assert complete("obj.till.", asked) == ["take"]


@pytest.mark.parametrize("text", ["obj.titles.", "obj.total.", "obj.nothing."])
def test_methods_and_properties_are_not_followed(text: str) -> None:
    asked: list[str] = []
    assert complete(text, asked) == []
    assert asked == ["obj"]


def test_descriptions_are_asked_for_once() -> None:
    asked: list[str] = []

    async def work() -> None:
        menu = completer(asked)
        for text in ("obj.", "obj.t", "obj.till.t"):
            await menu.complete(text)
        assert asked == ["obj", "obj.till"]
        menu.forget()
        await menu.complete("obj.")
        assert asked == ["obj", "obj.till", "obj"]

    asyncio.run(work())


def test_names_keywords_builtins_commands() -> None:
    assert complete("ob") == ["obj", "object"]
    assert complete("lamb") == ["lambda"]
    assert complete("%l") == ["%ls"]
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


def test_a_failing_description_is_no_menu() -> None:
    async def fail(cursor: Any) -> dict[str, Any]:
        raise ConnectionError("gone")

    menu = Completer({"obj": standins.Link(None).root}, lambda value: True, fail, {})
    assert asyncio.run(menu.complete("obj.")) == []
