"""The blocking API, over real sockets."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import pydoc
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

import proxyables.sync
from proxyables import ConnectionClosed, ConnectionLost, HandshakeFailed, Limits, RemoteError
from proxyables.sync import BlockingProxy

SOURCE = Path(proxyables.__file__).parents[1]


class Item:
    def __init__(self, name: str) -> None:
        self.name = name

    def shout(self) -> str:
        return self.name.upper()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return f"item {self.name}"

    def __lt__(self, other: Any) -> bool:
        return bool(self.name < other.name)


class Number:
    def __init__(self, value: float) -> None:
        self.value = value

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __index__(self) -> int:
        return int(self.value)

    def __abs__(self) -> float:
        return abs(self.value)

    def __round__(self, digits: int = 0) -> float:
        return round(self.value, digits)

    def __divmod__(self, other: Any) -> Any:
        return divmod(self.value, other)

    def __add__(self, other: Any) -> float:
        return self.value + float(other)

    def __rsub__(self, other: Any) -> float:
        return float(other) - self.value

    def __iadd__(self, other: Any) -> Number:
        self.value += other
        return self

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)


class Shop:
    """A shop."""

    def __init__(self) -> None:
        self.count = 1
        self.items = [1, 2, 3]
        self.names = {"a", "b"}
        self.stock: dict[str, Any] = {"Emma": 3, "nested": {"deep": [1]}}
        self.item = Item("x")
        self.number = Number(2.5)
        self.log: list[Any] = []
        self.closed = threading.Event()
        self.callback: Any = None

    def wait_closed(self) -> None:
        self.closed.wait(60)

    def add(self, a: int, b: int = 1, *, c: str = "x") -> int:
        """Adds two numbers."""
        return a + b

    async def add_async(self, a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    def same(self, value: Any) -> Any:
        return value

    def is_item(self, value: Any) -> bool:
        return value is self.item

    def make(self, name: str) -> Item:
        return Item(name)

    def several(self) -> Any:
        return {"list": [Item("p"), (Item("q"), 1)], "plain": [1, 2]}

    def rows(self, number: int = 3) -> Iterator[dict[str, int]]:
        for index in range(number):
            yield {"index": index}

    async def ticks(self) -> AsyncIterator[int]:
        yield 1
        yield 2

    def endless(self) -> Iterator[int]:
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            self.closed.set()

    def broken(self) -> Iterator[int]:
        yield 1
        raise KeyError("in the middle")

    def iterator(self) -> Any:
        return iter([1, 2])

    @contextmanager
    def transaction(self) -> Iterator[str]:
        self.log.append("begin")
        try:
            yield "tx"
        except KeyError:
            self.log.append("rolled back")
        except ValueError:
            self.log.append("failed")
            raise
        else:
            self.log.append("committed")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[str]:
        self.log.append("open")
        yield "session"
        self.log.append("shut")

    def boom(self) -> None:
        raise ValueError("boom")

    def call(self, function: Any, *args: Any) -> Any:
        return function(*args)

    def down(self, depth: int, other: Any) -> int:
        return 0 if depth == 0 else 1 + int(other.down(depth - 1, self))

    def on_change(self, callback: Any) -> None:
        self.callback = callback

    def change(self, value: Any) -> Any:
        return self.callback(value)

    async def hang(self, began: Any = None) -> None:
        try:
            if began is not None:
                await began()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise


@pytest.fixture(scope="module", autouse=True)
def background() -> None:
    """Starts the thread for good, as a process has one; descriptors are counted per test."""
    with proxyables.sync.serve(Shop(), "tcp://127.0.0.1:0") as server:
        proxyables.sync.connect(server.addresses[0]).close()


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def peer(shop: Shop) -> Iterator[proxyables.sync.Peer]:
    with (
        proxyables.sync.serve(shop, "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0]) as peer,
    ):
        yield peer
    workers = [each for each in threading.enumerate() if each.name == "proxyables-worker"]
    assert workers == []
    counts = peer.statistics()
    assert counts["exports"] == counts["imports"] == counts["calls_waiting"] == 0


@pytest.fixture
def root(peer: proxyables.sync.Peer) -> Any:
    return peer.root


def eventually(condition: Callable[[], bool], within: float = 10) -> bool:
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        gc.collect()
        time.sleep(0.005)
    return True


# --- one object ----------------------------------------------------------------------------------


def test_attributes_and_methods(root: Any, shop: Shop) -> None:
    assert root.count == 1
    root.count += 1
    root.new = "value"
    assert (shop.count, shop.new) == (2, "value")  # type: ignore[attr-defined]
    del root.new
    assert not hasattr(shop, "new")
    assert not hasattr(root, "new")
    assert root.add(2, b=3) == 5
    assert root.add_async(2, 3) == 5
    assert getattr(root, "missing", "default") == "default"
    with pytest.raises(AttributeError):
        root.missing


def test_a_method_costs_one_round_trip(root: Any, peer: proxyables.sync.Peer) -> None:
    root.add(1)
    before = peer.statistics()["calls_made"]
    root.add(1)
    assert peer.statistics()["calls_made"] == before + 1


def test_containers_are_live(root: Any, shop: Shop) -> None:
    assert root.items == [1, 2, 3]
    assert root.items != [1]
    assert len(root.items) == 3
    assert root.items[0] == 1
    assert root.items[0:2] == [1, 2]
    root.items.append(4)
    root.items[0] = 9
    root.items += [5]
    assert shop.items == [9, 2, 3, 4, 5]
    del root.items[1:]
    assert shop.items == [9]
    assert "a" in root.names
    assert "z" not in root.names
    root.stock["Emma"] -= 1
    root.stock["nested"]["deep"].append(2)
    assert shop.stock == {"Emma": 2, "nested": {"deep": [1, 2]}}
    del root.stock["Emma"]
    assert "Emma" not in shop.stock
    assert list(reversed(root.items)) == [9]
    assert dict(root.stock) == {"nested": {"deep": [1, 2]}}
    assert proxyables.sync.copy(root.items) == [9]
    assert type(proxyables.sync.copy(root.items)) is list
    assert sorted(root.names) == ["a", "b"]
    with pytest.raises(IndexError):
        root.items[5]
    with pytest.raises(KeyError):
        root.stock["missing"]


def test_what_a_call_gives_is_a_copy(root: Any) -> None:
    assert type(root.same([1])) is list
    got = root.several()
    assert got["plain"] == [1, 2]
    assert got["list"][0].shout() == "P"
    assert got["list"][1][0].shout() == "Q"


def test_numbers(root: Any) -> None:
    number = root.number
    assert (int(number), float(number), abs(number)) == (2, 2.5, 2.5)
    assert round(number, 1) == 2.5
    assert divmod(number, 2) == (1.0, 0.5)
    assert number + 1 == 3.5
    assert 10 - number == 7.5
    assert [0, 1, 2][number] == 2
    assert f"{number:.2f}" == "2.50"
    root.number += 1
    assert root.number == number
    assert float(number) == 3.5


def test_equality_and_hashes_are_the_objects_own(root: Any, peer: proxyables.sync.Peer) -> None:
    item, equal, other = root.item, root.make("x"), root.make("y")
    assert item == equal
    assert item != other
    assert item < other
    assert hash(item) == hash(equal)
    assert {item: 1}[equal] == 1
    before = peer.statistics()["calls_made"]
    assert item == item
    assert (item != item) is False
    assert peer.statistics()["calls_made"] == before
    assert root.item is item
    with pytest.raises(TypeError, match="unhashable"):
        hash(root.items)


def test_text(root: Any) -> None:
    assert str(root.item) == "item x"
    assert f"{root.item}" == "item x"
    assert repr(root.item).startswith("<BlockingProxy Item#")
    assert {"add", "count", "items"} <= set(dir(root))
    assert "_private" not in dir(root)


def test_introspection(root: Any) -> None:
    assert (
        str(inspect.signature(root.add)) == "(a: 'int', b: 'int' = 1, *, c: 'str' = 'x') -> 'int'"
    )
    assert root.add.__doc__ == "Adds two numbers."
    assert root.__doc__ == "A shop."
    helped = pydoc.render_doc(root.add, renderer=pydoc.plaintext)
    assert "add(a: 'int', b: 'int' = 1, *, c: 'str' = 'x') -> 'int'" in helped
    assert "Adds two numbers." in helped
    assert proxyables.sync.describe(root.add)["kind"] == "method"


# --- iteration, context managers, errors ---------------------------------------------------------


def test_iteration(root: Any, shop: Shop) -> None:
    assert [row["index"] for row in root.rows(2500)] == list(range(2500))
    assert list(root.ticks()) == [1, 2]
    assert list(root.items) == [1, 2, 3]
    numbers = iter(root.broken())
    assert next(numbers) == 1
    with pytest.raises(KeyError, match="in the middle"):
        next(numbers)
    with pytest.raises(TypeError):
        iter(root.item).__next__()


def test_leaving_a_loop_stops_the_producer(root: Any, shop: Shop) -> None:
    for number in root.endless():
        if number == 5000:
            break
    assert shop.closed.wait(10)


def test_next(root: Any) -> None:
    iterator = root.iterator()
    assert (next(iterator), next(iterator), next(iterator, "end")) == (1, 2, "end")


def test_context_managers(root: Any, shop: Shop) -> None:
    with root.transaction() as tx:
        assert tx == "tx"
    with root.transaction():
        raise KeyError("suppressed over there")
    with pytest.raises(ValueError, match="mine"), root.transaction():
        raise ValueError("mine")
    with root.session() as session:
        assert session == "session"
    told = ["begin", "committed", "begin", "rolled back", "begin", "failed", "open", "shut"]
    assert shop.log == told


def test_errors_keep_their_types(root: Any) -> None:
    with pytest.raises(ValueError, match="boom") as caught:
        root.boom()
    assert isinstance(caught.value, RemoteError)
    assert caught.value.frames[-1].function == "boom"


# --- references and callbacks --------------------------------------------------------------------


def test_own_objects_come_back_as_themselves(root: Any) -> None:
    item = Item("mine")
    assert root.same(item) is item
    assert root.is_item(root.item)
    assert root.same([item])[0] is item
    assert root.call(root.add, 1, 2) == 3


def test_objects_of_another_connection_are_passed_through(root: Any) -> None:
    with (
        proxyables.sync.serve(Shop(), "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0]) as other,
    ):
        item = other.root.item
        assert root.same(item) is item
        assert root.same([item])[0] is item
        assert root.call(item.shout) == "X"
        assert root.call(other.root.add, 1, 2) == 3


def test_references_are_given_back(root: Any, peer: proxyables.sync.Peer) -> None:
    root.item.shout()
    items = [root.make(str(n)) for n in range(20)]
    held = peer.statistics()["imports"]
    assert held >= 20
    del items
    assert eventually(lambda: peer.statistics()["imports"] <= held - 20)
    item = root.item
    proxyables.sync.release(item)
    with pytest.raises(proxyables.ReferenceNotFound):
        item.shout()


def test_callbacks_while_waiting_and_while_idle(root: Any) -> None:
    assert root.call(lambda value: value + 1, 4) == 5
    heard: list[Any] = []
    came = threading.Event()

    def hear(value: Any) -> None:
        heard.append((value, threading.current_thread().name))
        came.set()

    root.on_change(hear)
    other = threading.Thread(target=root.change, args=(7,))
    other.start()
    assert came.wait(10)
    other.join()
    assert heard == [(7, "proxyables-worker")]


def test_callbacks_get_blocking_proxies_and_may_call_back(root: Any) -> None:
    assert root.call(lambda item: item.shout(), Item("x")) == "X"
    seen: list[Any] = []

    def look(item: Any) -> str:
        seen.append(type(item))
        return str(item.shout())

    assert root.call(root.call, look, root.item) == "X"
    assert root.down(50, Shop()) == 50
    assert seen == [BlockingProxy]


def test_asynchronous_callbacks(root: Any) -> None:
    async def later(value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    assert root.call(later, 4) == 8


# --- threads and loops ---------------------------------------------------------------------------


def test_many_threads_at_once(root: Any) -> None:
    wrong: list[Any] = []

    def work(number: int) -> None:
        for _ in range(20):
            if root.add(number, number) != 2 * number:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)


def test_not_on_the_loops_own_thread(root: Any) -> None:
    async def misuse() -> Any:
        return root.add(2, 3)

    async def misuse_more() -> Any:
        return len(root.items)

    for function in (misuse, misuse_more):
        with pytest.raises(RuntimeError, match="thread of its own event loop"):
            root.call(function)


def test_a_lost_connection_ends_every_wait(shop: Shop) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    outcomes: list[Any] = []
    began = threading.Semaphore(0)

    with proxyables.sync.serve(shop, "tcp://127.0.0.1:0") as server:
        port = int(server.addresses[0].rpartition(":")[2])
        relay = Relay(listener, port)
        peer = proxyables.sync.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")

        def wait() -> None:
            try:
                peer.root.hang(began.release)
            except BaseException as error:
                outcomes.append(error)

        threads = [threading.Thread(target=wait) for _ in range(5)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert began.acquire(timeout=10)
        relay.cut()
        for thread in threads:
            thread.join(10)
        assert [type(each) for each in outcomes] == [ConnectionLost] * 5
        with pytest.raises(ConnectionClosed):
            peer.root.add(1, 2)
        with pytest.raises(ConnectionClosed):
            peer.ping()
        assert peer.closed
        peer.close()


class Relay:
    """One connection passed on, until it is cut with a reset."""

    def __init__(self, listener: socket.socket, port: int) -> None:
        self._listener = listener
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, args=(port,))]
        self._threads[0].start()

    def _accept(self, port: int) -> None:
        near, _ = self._listener.accept()
        self._listener.close()
        far = socket.create_connection(("127.0.0.1", port))
        self._ends = [near, far]
        for one, other in ((near, far), (far, near)):
            thread = threading.Thread(target=self._copy, args=(one, other))
            thread.start()
            self._threads.append(thread)

    @staticmethod
    def _copy(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass  # cut

    def cut(self) -> None:
        for end in self._ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            end.shutdown(socket.SHUT_RD)
            end.close()
        for thread in self._threads:
            thread.join(10)


def test_an_interrupt_cancels_the_call_over_there(root: Any, shop: Shop) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        root.hang(interrupt)
    assert eventually(lambda: shop.log == ["cancelled"])
    assert root.add(2, 3) == 5


# --- connections ---------------------------------------------------------------------------------


def test_what_a_peer_tells(peer: proxyables.sync.Peer) -> None:
    assert peer.ping() > 0
    assert peer.info is not None
    assert peer.info.pid == os.getpid()
    assert peer.address.startswith("tcp://127.0.0.1:")
    assert "open" in repr(peer)
    assert not peer.closed


def test_used_directly(shop: Shop) -> None:
    server = proxyables.sync.serve(shop, "tcp://127.0.0.1:0", limits=Limits(grace=1))
    assert "open" in repr(server)
    peer = proxyables.sync.connect(server.addresses[0], threads=0)
    assert peer.root.add(2, 3) == 5
    peer.close()
    peer.close()
    with pytest.raises(ConnectionClosed):
        peer.root.add(2, 3)
    server.close()
    server.close()


def test_closing_from_another_thread_ends_serve_forever(shop: Shop) -> None:
    server = proxyables.sync.serve(shop, "tcp://127.0.0.1:0")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    assert proxyables.sync.connect(server.addresses[0]).root.add(1, 2) == 3
    server.close()
    thread.join(10)
    assert not thread.is_alive()


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HandshakeFailed, match="refused"):
        proxyables.sync.connect(f"tcp://127.0.0.1:{port}")
    with pytest.raises(ValueError, match="threads takes"):
        proxyables.sync.connect(f"tcp://127.0.0.1:{port}", threads=-1)


def test_an_exported_root_of_the_client(shop: Shop) -> None:
    class Asker:
        def ask(self) -> Any:
            return proxyables.current_peer().desk.root.add(40, 2)

    with (
        proxyables.sync.serve(Asker(), "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0], export=shop) as peer,
    ):
        assert peer.root.ask() == 42


# --- processes -----------------------------------------------------------------------------------


def run_python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *args],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("ending", ["pass", "sys.exit(3)", "raise KeyError('x')"])
def test_a_process_that_never_closes_ends_soon(ending: str, shop: Shop) -> None:
    with proxyables.sync.serve(shop, "tcp://127.0.0.1:0") as server:
        code = f"""
            import sys, time, proxyables.sync
            peer = proxyables.sync.connect(sys.argv[1])
            server = proxyables.sync.serve(object(), "tcp://127.0.0.1:0")
            print(peer.root.add(2, 3), flush=True)
            peer.root.on_change(print)
            print(time.monotonic(), flush=True)
            {ending}
        """
        result = run_python(code, server.addresses[0])
        seconds = time.monotonic() - float(result.stdout.splitlines()[1])
        assert result.stdout.startswith("5\n")
        assert ("Error" in result.stderr) is ("Key" in ending), result.stderr
        assert result.returncode == {"pass": 0, "sys.exit(3)": 3}.get(ending, 1)
        assert seconds < 2
        shop.callback = None


def test_what_runs_at_exit_may_close_what_has_been_closed(shop: Shop) -> None:
    with proxyables.sync.serve(shop, "tcp://127.0.0.1:0") as server:
        code = """
            import atexit, sys
            opened = []

            def clean():
                for each in opened:
                    each.close()
                try:
                    proxyables.sync.connect(sys.argv[1])
                except RuntimeError as error:
                    print(error)

            atexit.register(clean)  # before, and so called after, what the library registers
            import proxyables.sync
            opened += [
                proxyables.sync.connect(sys.argv[1]),
                proxyables.sync.serve(object(), "tcp://127.0.0.1:0"),
            ]
        """
        result = run_python(code, server.addresses[0])
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout == "the process is ending: its background loop has ended already\n"


def test_where_there_was_no_thread_there_may_be_one_later() -> None:
    code = """
        import proxyables.sync, threading
        start = threading.Thread.start

        def refuse(self):
            raise RuntimeError("can't start new thread")

        threading.Thread.start = refuse
        try:
            proxyables.sync.serve(object(), "tcp://127.0.0.1:0")
        except RuntimeError as error:
            print(error)
        threading.Thread.start = start
        proxyables.sync.serve(object(), "tcp://127.0.0.1:0").close()
    """
    result = run_python(code)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "can't start new thread\n"


def test_threads_that_wait_when_the_process_ends_say_nothing(shop: Shop) -> None:
    with proxyables.sync.serve(shop, "tcp://127.0.0.1:0", threads=8) as server:
        code = """
            import sys, threading, time, proxyables.sync
            root = proxyables.sync.connect(sys.argv[1]).root
            ours = proxyables.sync.serve(object(), "tcp://127.0.0.1:0")
            begun = threading.Barrier(4)

            def wait():
                begun.wait()
                root.wait_closed()

            def repeat():
                begun.wait()
                while True:
                    root.add(1, 2)

            def serve():
                begun.wait()
                ours.serve_forever()

            for function in (wait, repeat, serve):
                threading.Thread(target=function, daemon=True).start()
            begun.wait()
            time.sleep(0.2)
        """
        result = run_python(code, server.addresses[0])
        shop.closed.set()
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_forked_child_has_connections_of_its_own() -> None:
    result = run_python(
        """
        import os, sys, warnings, proxyables.sync
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        class API:
            def add(self, a, b): return a + b
        server = proxyables.sync.serve(API(), "tcp://127.0.0.1:0")
        peer = proxyables.sync.connect(server.addresses[0])
        assert peer.root.add(1, 2) == 3
        child = os.fork()
        if child == 0:
            try:
                peer.root.add(1, 2)
            except proxyables.ConnectionClosed as error:
                print(error, flush=True)
            with proxyables.sync.connect(server.addresses[0]) as own:
                print(own.root.add(20, 3), flush=True)
            peer.close()
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        print("status", status, peer.root.add(4, 5), flush=True)
        """
    )
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "the connection belongs to the process that this one forked from",
        "23",
        "status 0 9",
    ]


def test_an_object_in_a_child_process(tmp_path: Path) -> None:
    (tmp_path / "adder.py").write_text(
        "import threading\n"
        "class Adder:\n"
        "    def add(self, a, b): return a + b\n"
        "    def where(self): return threading.current_thread().name\n"
        "obj = Adder()\n"
    )
    command = f"exec:{sys.executable} -m proxyables_cli serve {tmp_path}/adder.py:obj --stdio"
    for options, thread in (("", "proxyables-worker"), (" --threads 0", "MainThread")):
        with proxyables.sync.connect(command + options, timeout=30) as peer:
            assert peer.root.add(2, 3) == 5
            assert peer.root.where() == thread


def test_the_blocking_face_has_the_same_bounds(tmp_path: Path) -> None:
    path = tmp_path / "p.sock"
    with proxyables.sync.serve(Shop(), str(path), max_connections=1, unix_mode=0o660) as server:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with proxyables.sync.connect(server.addresses[0]) as peer:
            with pytest.raises(HandshakeFailed, match="max_connections=1"):
                proxyables.sync.connect(server.addresses[0])
            assert peer.root.add(2, 3) == 5
