"""What a script sees when something fails over there; and how managers are left."""

from __future__ import annotations

import logging
import math
import traceback
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

import proxyables
from proxyables import EncodingError, RemoteError
from workshop import Door, OutOfStock


def test_builtin_exceptions_are_caught_by_type(shop: Any) -> None:
    with pytest.raises(ValueError, match="not in list") as caught:
        shop.fail("nothing")
    assert isinstance(caught.value, RemoteError)
    with pytest.raises(LookupError):
        shop.stock["screws"]
    with pytest.raises(TypeError, match="argument"):
        shop.fail()
    with pytest.raises(AttributeError, match="fly"):
        shop.tool.fly()
    with pytest.raises(AttributeError, match="fly"):
        shop.fly()


def test_an_exception_of_theirs_keeps_its_name(shop: Any) -> None:
    with pytest.raises(RemoteError, match="nails: 5 wanted") as caught:
        shop.fail("custom")
    assert caught.value.type_name == "OutOfStock"
    assert not isinstance(caught.value, OutOfStock)  # nobody registered it


def test_a_traceback_shows_both_processes(shop: Any) -> None:
    try:
        shop.fail("nothing")
    except ValueError as error:
        text = "".join(traceback.format_exception(error))
    here, remote = text.index("shop.fail"), text.index("Remote traceback")
    assert here < remote
    assert "self.names.index(kind)" in text[remote:]
    assert "workshop.py" in text[remote:]


def test_the_cause_comes_along(shop: Any) -> None:
    with pytest.raises(RuntimeError, match="no order") as caught:
        shop.fail("chained")
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_server_survives_sys_exit(shop: Any) -> None:
    with pytest.raises(RemoteError) as caught:
        shop.fail("exit")
    assert caught.value.type_name == "SystemExit"
    assert not isinstance(caught.value, SystemExit)
    assert shop.left() == "still here"


def test_our_exceptions_travel_there_and_back(shop: Any) -> None:
    def fail() -> None:
        raise KeyError("mine")

    assert shop.guard(fail) == "KeyError: 'mine'"
    with pytest.raises(KeyError, match="mine"):
        shop.call(fail)

    def exit_here() -> None:
        raise SystemExit(1)

    with pytest.raises(RemoteError) as caught:
        shop.call(exit_here)
    assert caught.value.type_name == "SystemExit"


def test_an_error_leaves_the_connection_as_it_was(shop: Any) -> None:
    for _ in range(50):
        with pytest.raises(ValueError, match="list"):
            shop.fail("nothing")
    assert shop.left() == "still here"


def test_what_cannot_cross_is_refused_before_it_is_sent(shop: Any, peer: Any) -> None:
    circle: list[Any] = []
    circle.append(circle)
    shop.left()
    before = peer.statistics()["bytes_sent"]
    with pytest.raises(EncodingError, match="ref"):
        shop.same(circle)
    assert peer.statistics()["bytes_sent"] == before
    assert shop.same(proxyables.ref(circle)) is circle
    for value, reason in (
        (math, "a module is not lent"),
        (open, r"_?io\.open is not lent"),
        (logging.getLogger(), "a RootLogger is not lent"),
    ):
        with pytest.raises(EncodingError, match=f"cannot pass this: {reason}"):
            shop.same(value)


# --- context managers ----------------------------------------------------------------------------


def test_what_enter_gives_is_used_inside(shop: Any) -> None:
    with shop.door() as door:
        assert door.knock() == "who is there?"
    assert list(shop.log) == ["in", ["out", None, ""]]


def test_exit_is_given_the_exception_and_may_forgive_it(shop: Any) -> None:
    with shop.door(forgives=True):
        raise KeyError("forgotten")
    error = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError) as caught, shop.door(forgives=True):
        raise error
    assert caught.value is error
    assert [each for each in shop.log if each != "in"] == [
        ["out", "KeyError", "'forgotten'"],
        ["out", "ZeroDivisionError", "ours"],
    ]


def test_an_interrupt_inside_leaves_the_manager(shop: Any) -> None:
    with pytest.raises(KeyboardInterrupt), shop.door():
        raise KeyboardInterrupt
    # It is told, and acts on nobody over there.
    assert list(shop.log) == ["in", ["out", "RemoteError", "KeyboardInterrupt"]]


def test_a_generators_manager_commits_or_rolls_back(shop: Any) -> None:
    with shop.order() as lines:
        assert lines == {}
    with pytest.raises(ValueError, match="too dear"), shop.order():
        raise ValueError("too dear")
    assert list(shop.log) == ["paid", "given back"]


def test_remote_and_local_managers_on_one_stack(shop: Any) -> None:
    left = []

    @contextmanager
    def local() -> Any:
        yield "local"
        left.append("local")

    with ExitStack() as stack:
        doors = [stack.enter_context(shop.door()) for _ in range(3)]
        assert stack.enter_context(local()) == "local"
        assert doors[2].knock() == "who is there?"
    assert left == ["local"]
    assert [each[0] for each in shop.log] == ["i"] * 3 + ["out"] * 3


def test_our_manager_is_entered_over_there(shop: Any) -> None:
    log: list[Any] = []
    door = Door(log, forgives=False)
    assert shop.enter(door) is door
    assert log == ["in", ["out", None, ""]]
    with pytest.raises(TypeError, match="context manager"), shop.tool:
        pytest.fail("was entered")
