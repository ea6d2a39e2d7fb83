"""The arguments of a call as text: short, in one line, and without what is named like a secret."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from proxyables.watch.arguments import arguments_of, shown
from proxyables.wire.instructions import CALL, CONSTRUCT, EXECUTE, GET, ITEM, SET, SETITEM


class Account:
    def __init__(self, owner: str, pin: str) -> None:
        self.owner = owner

    def login(self, user: str, password: str, *more: str) -> None:
        """Logs in."""

    @classmethod
    def open(cls, api_key: str) -> None:
        """Opens."""

    @staticmethod
    def check(token: str, amount: int) -> None:
        """Checks."""

    @property
    def lazy(self) -> Any:
        raise AssertionError("nothing is run to tell about a call")


class Bank:
    Account: ClassVar[type] = Account

    def __init__(self) -> None:
        self.accounts = {"ada": Account("ada", "1234")}
        self.all = [Account("bob", "1234")]
        self.account = Account("eve", "1234")


def told(*steps: Any) -> str:
    return arguments_of(Bank(), [EXECUTE, None, list(steps)])


USER = ["ada", "hunter2"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["account", "login", [CALL, USER]], "('ada', …)"),
        ([[GET, "account"], [GET, "login"], [CALL, USER]], "('ada', …)"),
        ([[GET, "accounts"], [ITEM, "ada"], [GET, "login"], [CALL, USER]], "('ada', …)"),
        ([[GET, "all"], [ITEM, 0], [GET, "login"], [CALL, USER]], "('ada', …)"),
        ([[GET, "account"], [GET, "open"], [CALL, ["k"]]], "(…)"),
        ([[GET, "account"], [GET, "check"], [CALL, ["t", 5]]], "(…, 5)"),
        ([[GET, "account"], [GET, "login"], [CALL, [*USER, "more"]]], "('ada', …, <str>)"),
        ([[GET, "account"], [GET, "lazy"], [GET, "login"], [CALL, USER]], "(<str>, <str>)"),
        ([[GET, "make"], [CALL, []], [GET, "login"], [CALL, USER]], "(<str>, <str>)"),
        ([[GET, "x"], [CALL, [], {"note": "gift", "token": "t"}]], "(note='gift', token=…)"),
        ([[GET, "x"], [CALL, [], {"form": {"pin": "p", "n": 1}}]], "(form={pin: …, n: 1})"),
        ([[GET, "x"], [CALL, []]], "()"),
        ([[SET, "level", 3]], "= 3"),
        ([[SET, "password", "p"]], "= …"),
        ([[GET, "headers"], [SETITEM, "Authorization", "Bearer x"]], "= …"),
        ([[GET, "level"]], ""),
    ],
)  # fmt: skip
def test_secrets_are_left_out(steps: list[Any], expected: str) -> None:
    assert told(*steps) == expected


def test_a_class_has_the_parameters_of_its_constructor() -> None:
    message = [EXECUTE, None, [[CONSTRUCT, ["ada", "1234"]]]]
    assert arguments_of(Account, message) == "('ada', …)"


class Loud(str):
    def __repr__(self) -> str:
        raise AssertionError("its code was run")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "None"),
        (1.5, "1.5"),
        (-3, "-3"),
        (1 << 300, "<int>"),
        ("a\n\x1b", r"'a\n\x1b'"),
        ("x" * 100, "'" + "x" * 60 + r"\u2026'"),
        (b"1234", "<4 bytes>"),
        ([1, [2, [3, [4]]]], "[1, [2, [3, <list>]]]"),
        ({1, 2}, "{1, 2}"),
        (frozenset({1}), "frozenset({1})"),
        ((1,), "(1)"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, …]"),
        (Loud("x"), "<Loud>"),
        (object(), "<object>"),
    ],
)
def test_values(value: object, expected: str) -> None:
    assert shown(value) == expected


@pytest.mark.parametrize("call", [[CALL], [CALL, None], [CALL, [1], None], [CALL, [1] * 10_000]])
def test_malformed_and_long_calls_make_one_short_line(call: Any) -> None:
    text = told([GET, "x"], call)
    assert len(text) <= 200
    assert text.isprintable()
    assert len(told([GET, "x"], [CALL, [], {f"name{n}": "x" * 60 for n in range(100)}])) <= 200
