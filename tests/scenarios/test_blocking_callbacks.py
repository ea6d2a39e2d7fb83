"""Functions and objects of a script that the other process calls back."""

from __future__ import annotations

import functools
import queue
import threading
from typing import Any

import pytest

import proxyables
import proxyables.sync
from proxyables import EncodingError
from proxyables.sync import BlockingProxy
from workshop import Running, Tool, Workshop


def test_a_callback_is_called_while_its_caller_waits(shop: Any) -> None:
    calls = []

    def add(one: int, other: int = 1) -> int:
        calls.append((one, other, threading.current_thread() is threading.main_thread()))
        return one + other

    assert shop.call(add, 2, other=3) == 5
    assert calls == [(2, 3, False)]  # on a worker, so that it may ask back


def test_everything_callable_is_called_back(shop: Any) -> None:
    assert shop.call(functools.partial(pow, 2), 10) == 1024
    assert shop.call(Tool("ours").lift, 2, by="us") == "ours x2 by us"
    assert shop.call(" ".join, ["a", "b"]) == "a b"
    assert shop.call(shop.tool.lift, 3) == "hammer x3 by hand"
    assert type(shop.call(Tool, "new")) is Tool
    with pytest.raises(EncodingError, match="is not lent"):  # it takes any object for its own
        shop.call(str.upper, "x")


def test_a_key_function_of_ours_sorts_their_list(shop: Any) -> None:
    shop.names.sort(key=lambda name: -ord(name))
    assert list(shop.names) == ["e", "d", "c", "b", "a"]


def test_callbacks_are_called_while_the_script_is_idle(shop: Any) -> None:
    heard: queue.Queue[Any] = queue.Queue()
    shop.call_later(heard.put, ["one", "two", 3])
    shop.ring()
    assert [heard.get(timeout=10) for _ in range(3)] == ["one", "two", 3]
    assert shop.join() == 0


def test_callbacks_of_their_threads_come_while_we_wait(shop: Any) -> None:
    heard: queue.Queue[Any] = queue.Queue()
    for number in range(4):
        shop.call_later(heard.put, [f"{number}-{each}" for each in range(10)])
    shop.ring()
    assert shop.join() == 0
    got = [heard.get(timeout=10) for _ in range(40)]
    assert len(set(got)) == 40
    for number in range(4):  # each thread's in its order
        own = [each for each in got if each.startswith(f"{number}-")]
        assert own == [f"{number}-{each}" for each in range(10)]


def test_callbacks_nest_twenty_deep(shop: Any) -> None:
    assert shop.down(20, Workshop()) == 20


def test_a_callback_uses_the_connection_it_came_by(shop: Any) -> None:
    def look(tool: Any) -> str:
        assert type(tool) is BlockingProxy
        tool.weight += 1
        return f"{tool.lift()}, {shop.owner}'s, {shop.call(lambda: 'within')}"

    assert shop.call(look, shop.tool) == "hammer x1 by hand, Ann's, within"
    assert shop.tool.weight == 2


def test_what_a_callback_is_given_is_what_we_know(shop: Any) -> None:
    mine, theirs, given = Tool("mine"), shop.tool, []
    shop.call(lambda *args: given.extend(args), mine, theirs, [mine, theirs])
    assert given[0] is mine
    assert given[1] is theirs
    assert given[2][0] is mine
    assert given[2][1] is theirs


def test_an_object_of_ours_is_used_like_one_of_theirs(shop: Any) -> None:
    mine = Tool("mine", weight=50)
    assert shop.Tool.heavier(mine, shop.tool) is mine
    assert shop.call(shop.Tool.heavier, shop.tool, mine) is mine
    shop.tool = mine
    assert shop.lift_tool() == "mine x1 by hand"


def test_a_callback_that_fails_fails_the_call(shop: Any) -> None:
    def fail(number: int) -> None:
        raise IndexError(f"no {number}")

    with pytest.raises(IndexError, match="no 5") as caught:
        shop.call(fail, 5)
    assert shop.guard(lambda: fail(6)) == "IndexError: no 6"
    assert caught.value.args == ("no 5",)
    assert shop.left() == "still here"


def test_a_callback_may_close_the_connection(workshop: Running) -> None:
    with (
        proxyables.sync.connect(workshop.address, limits=proxyables.Limits(grace=0.05)) as peer,
        pytest.raises(proxyables.ConnectionClosed),
    ):
        peer.root.call(peer.close)
    assert peer.closed


def test_a_dropped_callback_is_given_back(shop: Any, peer: proxyables.sync.Peer) -> None:
    def callback() -> str:
        return "kept"

    shop.keep(callback)
    assert shop.call(shop.kept) == "kept"
    lent = peer.statistics()["exports"]
    assert lent >= 1
    shop.keep(None)
    assert shop.collected()
    shop.left()  # whatever was given back before this answer has arrived
    assert peer.statistics()["exports"] < lent


def test_callbacks_on_the_loop_are_for_what_never_waits(workshop: Running) -> None:
    with proxyables.sync.connect(workshop.address, threads=0) as peer:
        assert peer.root.call(lambda one: one + 1, 1) == 2

        def misuse() -> Any:
            return peer.root.left()

        with pytest.raises(RuntimeError, match="thread of its own event loop"):
            peer.root.call(misuse)
        assert peer.root.left() == "still here"
