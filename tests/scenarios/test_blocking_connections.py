"""Connections that a script opens, chains, loses and closes."""

from __future__ import annotations

import gc
import operator
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import proxyables.sync
from proxyables import ConnectionClosed, ConnectionLost, HandshakeFailed, Limits, ReferenceNotFound
from proxyables.sync import BlockingProxy
from workshop import Running, Tool, eventually


def test_each_connection_has_its_own_workshop(workshop: Running, shop: Any) -> None:
    shop.owner = "changed"
    with proxyables.sync.connect(workshop.address) as other:
        assert other.root.owner == "Ann"
        assert other.root.pid() == shop.pid()


def test_a_peer_says_who_is_there(peer: proxyables.sync.Peer, workshop: Running) -> None:
    assert peer.address == workshop.address
    assert peer.info is not None
    assert peer.info.pid == workshop.process.pid
    assert 0 < peer.ping() < 10


# --- losing and closing --------------------------------------------------------------------------


def test_a_server_that_dies_ends_every_wait() -> None:
    with Running() as running, proxyables.sync.connect(running.address) as peer:
        began = threading.Semaphore(0)
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(peer.root.begin, began.release) for _ in range(2)]
            rows = iter(peer.root.rows(10_000_000))
            next(rows)
            for _ in waiting:
                assert began.acquire(timeout=10)
            running.kill()
            errors = [each.exception(10) for each in waiting]
            assert [type(each) for each in errors] == [ConnectionLost] * 2
            assert all(each.maybe_executed for each in errors)  # type: ignore[union-attr]
        with pytest.raises(ConnectionClosed):
            for _ in rows:
                pass
        with pytest.raises(ConnectionClosed):
            peer.root.left()
        assert peer.closed


def test_a_method_that_ends_its_process() -> None:
    with Running() as running, proxyables.sync.connect(running.address) as peer:
        with pytest.raises(ConnectionLost):
            peer.root.exit_process()
        assert running.process.wait(10) == 7
        assert not eventually(lambda: not peer.closed, within=0.01)


def test_a_script_outlives_its_server(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/shop.sock"
    with Running(address) as running:
        peer = proxyables.sync.connect(running.address)
        old = peer.root.tool
        assert old.name == "hammer"
        running.kill()
    with pytest.raises(ConnectionClosed):
        old.name
    with pytest.raises(HandshakeFailed):
        proxyables.sync.connect(address)
    with Running(address), proxyables.sync.connect(address) as again:
        assert again.root.tool.name == "hammer"
        with pytest.raises(ConnectionClosed):
            old.name
        with pytest.raises(ConnectionClosed):
            again.root.keep(old.lift())
        assert again.root.left() == "still here"
    peer.close()


def test_closing_from_another_thread_ends_a_call(workshop: Running) -> None:
    peer = proxyables.sync.connect(workshop.address, limits=Limits(grace=0.05))
    began = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(peer.root.begin, began.set)
        assert began.wait(10)
        peer.close()
        error = waiting.exception(10)
    assert type(error) is ConnectionClosed
    assert error.local
    with pytest.raises(ConnectionClosed):
        peer.root.left()


def test_a_call_in_flight_is_waited_for(workshop: Running) -> None:
    peer = proxyables.sync.connect(workshop.address)
    began = threading.Event()

    def ring(*_: Any) -> None:
        began.set()

    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(peer.root.begin, ring)
        assert began.wait(10)
        peer.root.ring()
        peer.close()
        assert waiting.result(10) is True


def test_nothing_works_after_the_end(workshop: Running) -> None:
    with proxyables.sync.connect(workshop.address) as peer:
        shop, tool, names = peer.root, peer.root.tool, peer.root.names
    for use in (
        lambda: shop.left(),
        lambda: tool.name,
        lambda: len(names),
        lambda: list(names),
        lambda: names.append(1),
        lambda: tool == 5,
        lambda: f"{tool}",
        lambda: dir(tool),
        peer.ping,
    ):
        with pytest.raises(ConnectionClosed):
            use()
    assert tool == tool
    assert repr(tool).startswith("<BlockingProxy Tool#")


# --- references ----------------------------------------------------------------------------------


def test_dropped_objects_are_given_back(shop: Any, peer: proxyables.sync.Peer) -> None:
    shop.left()
    before = peer.statistics()["imports"]
    made = shop.make(30)
    ids = [weakref.ref(each) for each in made]
    assert peer.statistics()["imports"] == before + 30
    one = made[7]
    del made
    gc.collect()
    assert eventually(lambda: peer.statistics()["imports"] == before + 1)
    assert sum(each() is not None for each in ids) == 1
    assert one.name == "7"
    assert eventually(lambda: shop.alive() == 1)


def test_a_method_keeps_its_object_alive(shop: Any) -> None:
    lift = shop.Tool("short-lived").lift
    gc.collect()
    assert lift() == "short-lived x1 by hand"
    rows = iter(shop.make(3)[0].name)
    assert list(rows) == ["0"]


def test_a_root_that_was_released_is_there_as_before(shop: Any) -> None:
    for _ in range(2):
        lift = shop.lift_tool
        assert lift()
        proxyables.sync.release(shop)
        with pytest.raises(ReferenceNotFound):
            lift()
    assert shop.lift_tool()


def test_an_object_that_was_released_is_gone(shop: Any) -> None:
    tool = shop.Tool("released")
    proxyables.sync.release(tool)
    with pytest.raises(ReferenceNotFound):
        tool.name
    with pytest.raises(ReferenceNotFound):
        shop.keep(tool)
    assert shop.left() == "still here"


# --- chains of connections -----------------------------------------------------------------------


@pytest.fixture
def other(workshop: Running) -> Any:
    with proxyables.sync.connect(workshop.address) as peer:
        yield peer.root


def test_an_object_of_one_connection_is_lent_to_another(shop: Any, other: Any) -> None:
    tool = other.Tool("lent", weight=70)
    assert shop.Tool.heavier(shop.tool, tool) is tool
    assert shop.call(tool.lift, 2) == "lent x2 by hand"
    shop.tool = tool
    assert shop.lift_tool() == "lent x1 by hand"
    assert shop.tool is tool
    other.keep(tool)
    assert other.is_kept(shop.tool)


def test_values_and_errors_pass_through(shop: Any, other: Any) -> None:
    assert shop.call(other.same, {"a": [1, (2,)]}) == {"a": [1, (2,)]}
    assert shop.total(other.numbers(1000)) == 499_500
    with pytest.raises(ValueError, match="not in list"):
        shop.call(other.fail, "nothing")
    assert shop.guard(other.stock.popitem) == "nothing"


def test_a_callback_through_two_connections(shop: Any, other: Any) -> None:
    mine = Tool("mine")
    assert shop.call(other.call, lambda value: value + 1, 1) == 2
    assert shop.call(other.call, mine.lift, 5) == "mine x5 by hand"
    assert shop.call(other.same, mine) is mine


def test_a_chain_of_processes(shop: Any) -> None:
    """We talk to a process that talks to a third for us."""
    with Running() as third:
        far = shop.dial(third.address)
        assert far.pid() == third.process.pid
        assert far.pid() not in (shop.pid(), os.getpid())
        assert type(far.tool) is BlockingProxy
        assert far.tool.lift(4) == "hammer x4 by hand"
        assert [row["index"] for row in far.rows(100)] == list(range(100))
        assert far.call(lambda value: value * 2, 21) == 42
        with far.door() as door:
            assert door.knock() == "who is there?"
        mine = Tool("mine")
        far.keep(mine)
        assert far.kept is mine
        with pytest.raises(ValueError, match="not in list"):
            far.fail("nothing")
        far.names.append("z")
        assert list(far.names)[-1] == "z"
        shop.hang_up()


def test_two_connections_to_one_server_are_two_views(workshop: Running) -> None:
    with (
        proxyables.sync.serve(Tool("shared"), "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0]) as one,
        proxyables.sync.connect(server.addresses[0]) as two,
    ):
        one.root.name = "renamed"
        assert two.root.name == "renamed"
        assert one.root is not two.root


class Hub:
    """Keeps functions of its callers, as the observer pattern has it."""

    def __init__(self) -> None:
        self.listed: list[Any] = []
        self.set: set[Any] = set()

    def subscribe(self, function: Any) -> None:
        self.listed.append(function)
        self.set.add(function)

    def publish(self, value: Any) -> None:
        for function in list(self.listed):
            try:
                function(value)
            except ConnectionClosed:
                self.listed.remove(function)
                self.set.discard(function)

    def counts(self) -> tuple[int, int]:
        return len(self.listed), len(self.set)


def test_a_subscriber_that_is_gone_can_be_dropped() -> None:
    heard: list[Any] = []
    hub = Hub()
    with (
        proxyables.sync.serve(hub, "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0]) as staying,
    ):
        staying.root.subscribe(heard.append)
        with proxyables.sync.connect(server.addresses[0]) as leaving:
            leaving.root.subscribe(heard.append)
            staying.root.publish("both")
            gone = hub.listed[1]
        staying.root.publish("one")
        assert heard == ["both", "both", "one"]
        assert staying.root.counts() == (1, 1)
        assert gone == gone
        assert (gone != hub.listed[0]) is (hub.listed[0] != gone) is True
        assert gone not in hub.listed
        assert {gone: 1}[gone] == 1
        hub.listed.clear()
        hub.set.clear()


class Handy:
    """Knows how it compares with anything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __gt__(self, other: object) -> str:  # of `other < handy`
        return "handy"

    def __radd__(self, other: object) -> str:
        return "added"


@pytest.mark.parametrize("threads", [0, 4])
def test_objects_without_an_answer_do_not_ask_each_other_for_ever(threads: int) -> None:
    class Plain:
        pass

    class Shelf:
        def __init__(self) -> None:
            self.kept: list[Any] = []

        def make(self) -> Plain:
            return Plain()

        def keep(self, thing: Any) -> None:
            self.kept.append(thing)

        def drop(self, thing: Any) -> int:
            self.kept.remove(thing)
            return len(self.kept)

    shelf = Shelf()
    with (
        proxyables.sync.serve(shelf, "tcp://127.0.0.1:0", threads=threads) as server,
        proxyables.sync.connect(server.addresses[0]) as one,
        proxyables.sync.connect(server.addresses[0]) as other,
    ):
        theirs = one.root.make()
        for stranger in (Plain(), other.root.make(), lambda: 1):
            assert (theirs == stranger) is (stranger == theirs) is False
            assert (theirs != stranger) is (stranger != theirs) is True
            for wrong in (operator.lt, operator.ge, operator.add, operator.iadd):
                with pytest.raises(TypeError):
                    wrong(theirs, stranger)
                with pytest.raises(TypeError):
                    wrong(stranger, theirs)
        assert theirs == Handy()
        assert (theirs < Handy()) == "handy"
        assert theirs + Handy() == "added"

        first, second = Plain(), Plain()
        one.root.keep(first)
        other.root.keep(second)
        assert other.root.drop(second) == 1
        assert one.root.drop(first) == 0
