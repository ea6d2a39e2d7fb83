"""What a request is called, whatever the other side put into it."""

from __future__ import annotations

from typing import Any

import pytest

from proxyables.watch.paths import path_of
from proxyables.wire.instructions import (
    CALL,
    CONSTRUCT,
    COPY,
    DEL,
    DELITEM,
    DESCRIBE,
    EXECUTE,
    GET,
    ITEM,
    LOOKUP,
    OPERATE,
    REF,
    SET,
    SETITEM,
    STREAM,
)


class Account:
    def pay(self) -> None:
        """Pays."""


def path(*steps: Any, target: Any = None, on: object = None, root: str = "shop") -> str:
    return path_of(root, on, [EXECUTE, target, list(steps)])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], "shop"),
        (["add", [CALL, [1, 2]]], "shop.add"),
        ([[GET, "add"], [CALL, [1, 2]]], "shop.add"),
        ([[GET, "accounts"], [ITEM, "ada"], [GET, "pay"], [CALL, [5]]], "shop.accounts[…].pay"),
        ([[GET, "make"], [CALL, []], [GET, "name"]], "shop.make().name"),
        ([[GET, "rows"], [CALL, []], [STREAM, 10]], "shop.rows"),
        ([[GET, "items"], [COPY]], "shop.items"),
        ([[GET, "items"], [REF, True]], "shop.items"),
        ([[GET, "Account"], [CONSTRUCT, []]], "shop.Account"),
        ([[SET, "level", 3]], "shop.level«set»"),
        ([[DEL, "level"]], "shop.level«del»"),
        ([[GET, "items"], [SETITEM, "secret key", 3]], "shop.items[…]«set»"),
        ([[GET, "items"], [DELITEM, "secret key"]], "shop.items[…]«del»"),
        ([[GET, "items"], [OPERATE, "contains", ["secret"]]], "shop.items«contains»"),
        ([[DESCRIBE]], "shop«describe»"),
        ([[DESCRIBE, ["till", [ITEM, "secret key"], [GET, "n"]]]], "shop.till[…].n«describe»"),
        ([[DESCRIBE, [[DESCRIBE, [[DESCRIBE]]], 5, "a"]]], "shop«?».a«describe»"),
        ([[LOOKUP, "name"]], "shop.name"),
        ([[LOOKUP, 3]], "shop[…]"),
    ],
)
def test_paths_name_no_values(steps: list[Any], expected: str) -> None:
    assert path(*steps) == expected


@pytest.mark.parametrize("target", [None, 0])
def test_the_root_has_the_name_of_the_server(target: int | None) -> None:
    assert path([GET, "add"], target=target) == "shop.add"
    assert path([GET, "add"], target=target, root="") == "root.add"


@pytest.mark.parametrize(
    ("lent", "expected"),
    [
        (Account(), "Account.name"),
        (Account().pay, "Account.pay.name"),
        (len, "builtin_function_or_method.name"),
        (None, "?.name"),
    ],
)
def test_what_was_lent_has_the_name_of_its_type(lent: object, expected: str) -> None:
    assert path([GET, "name"], target=7, on=lent) == expected


@pytest.mark.parametrize(
    "steps",
    [
        "add",
        [[]],
        [None],
        [[GET]],
        ["a\n\x1b[31mb\ud800", "x" * 10_000],
        [[GET, 5]],
        [[GET, "a\n\x1b[31mb\ud800"]],
        [[GET, "x" * 10_000]],
        [[OPERATE]],
        [[99, "what"]],
        [["GET", "what"]],
        [[True, "what"]],
        [[CALL]] * 1000,
        [{1: 2}],
    ],
)
def test_whatever_is_sent_makes_one_short_line(steps: Any) -> None:
    told = path_of("shop", None, [EXECUTE, None, steps])
    assert told.startswith("shop")
    assert len(told) <= 200
    assert told.isprintable()
