"""`async with` over remote context managers of both kinds."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import proxyables
from connections import connected, on_both_loops, settled
from watching import until


class Manager:
    def __init__(self, log: list[Any], suppress: type[BaseException] | None = None) -> None:
        self._log = log
        self._suppress = suppress

    def __enter__(self) -> Manager:
        self._log.append("enter")
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self._log.append(("exit", kind, error))
        return self._suppress is not None and isinstance(error, self._suppress)

    def work(self) -> int:
        self._log.append("work")
        return 1


class AsyncManager:
    def __init__(self, log: list[Any]) -> None:
        self._log = log

    async def __aenter__(self) -> str:
        await asyncio.sleep(0)
        self._log.append("aenter")
        return "tx"

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> bool:
        await asyncio.sleep(0)
        self._log.append(("aexit", kind, error))
        return isinstance(error, KeyError)


class API:
    def __init__(self) -> None:
        self.log: list[Any] = []
        self.lock = asyncio.Lock()

    def manager(self) -> Manager:
        return Manager(self.log)

    def suppressing(self) -> Manager:
        return Manager(self.log, LookupError)

    def async_manager(self) -> AsyncManager:
        return AsyncManager(self.log)

    @contextlib.contextmanager
    def generator(self) -> Iterator[int]:
        self.log.append("in")
        try:
            yield 5
        except ValueError as error:
            self.log.append(f"caught {error}")
        finally:
            self.log.append("out")

    @contextlib.asynccontextmanager
    async def async_generator(self) -> AsyncIterator[int]:
        self.log.append("in")
        try:
            yield 6
        finally:
            await asyncio.sleep(0)
            self.log.append("out")

    def refusing(self) -> Any:
        class Refusing(Manager):
            def __enter__(self) -> Any:
                raise PermissionError("not now")

        return Refusing(self.log)

    def failing_exit(self) -> Any:
        class Failing(Manager):
            def __exit__(self, *exc_info: object) -> bool:
                raise OSError("cannot leave")

        return Failing(self.log)

    async def use(self, manager: Any) -> Any:
        async with manager as entered:
            self.log.append("inside")
        return entered


@on_both_loops
async def test_what_enter_gives_is_used_inside() -> None:
    api = API()
    async with connected(api) as (client, _):
        async with client.root.manager() as tx:
            assert await tx.work() == 1
        assert api.log == ["enter", "work", ("exit", None, None)]


@on_both_loops
async def test_an_async_manager() -> None:
    api = API()
    async with connected(api) as (client, _):
        async with client.root.async_manager() as tx:
            assert tx == "tx"
        assert api.log == ["aenter", ("aexit", None, None)]


@on_both_loops
async def test_exit_gets_the_real_exception() -> None:
    api = API()
    async with connected(api) as (client, _):
        with pytest.raises(ZeroDivisionError):
            async with client.root.manager():
                1 / 0
        told, kind, error = api.log[-1]
        assert told == "exit"
        assert issubclass(kind, ZeroDivisionError)
        assert str(error) == "division by zero"


@on_both_loops
async def test_the_exception_that_left_is_the_one_that_was_raised_here() -> None:
    async with connected(API()) as (client, _):
        mine = RuntimeError("mine")
        with pytest.raises(RuntimeError) as caught:
            async with client.root.manager():
                raise mine
        assert caught.value is mine


@on_both_loops
async def test_suppression_is_honoured_and_only_where_it_is_meant() -> None:
    async with connected(API()) as (client, _):
        async with client.root.suppressing():
            raise KeyError("swallowed")
        async with client.root.async_manager():
            raise KeyError("swallowed")
        with pytest.raises(ValueError, match="kept"):
            async with client.root.suppressing():
                raise ValueError("kept")


@on_both_loops
async def test_managers_made_from_generators() -> None:
    api = API()
    async with connected(api) as (client, _):
        async with client.root.generator() as five:
            assert five == 5
        async with client.root.generator():
            raise ValueError("mine")
        async with client.root.async_generator() as six:
            assert six == 6
        with pytest.raises(TypeError):
            async with client.root.async_generator():
                raise TypeError("mine")
        assert api.log == ["in", "out", "in", "caught mine", "out", "in", "out", "in", "out"]


@on_both_loops
async def test_an_enter_that_raises_is_never_left() -> None:
    api = API()
    async with connected(api) as (client, _):
        with pytest.raises(PermissionError, match="not now"):
            async with client.root.refusing():
                pytest.fail("was entered")
        assert api.log == []


@on_both_loops
async def test_an_exit_that_raises_replaces_the_exception() -> None:
    async with connected(API()) as (client, _):
        with pytest.raises(OSError, match="cannot leave"):
            async with client.root.failing_exit():
                raise ValueError("lost")


@on_both_loops
async def test_the_manager_is_made_once() -> None:
    api = API()
    async with connected(api) as (client, _):
        manager = client.root.manager()
        async with manager:
            pass
        async with manager:  # a path: it is made anew
            pass
        assert api.log.count("enter") == 2
        assert api.log.count(("exit", None, None)) == 2


@on_both_loops
async def test_one_path_entered_within_itself_is_two_managers() -> None:
    api = API()
    async with connected(api) as (client, _):
        manager = client.root.manager()
        async with manager as outer, manager as inner:
            assert outer != inner
        assert api.log.count(("exit", None, None)) == 2


@on_both_loops
async def test_each_task_leaves_the_manager_that_it_entered() -> None:
    class Sessions(API):
        made = 0

        @property
        def session(self) -> contextlib.AbstractAsyncContextManager[int]:
            self.made += 1
            return self.keep(self.made)

        @contextlib.asynccontextmanager
        async def keep(self, number: int) -> AsyncIterator[int]:
            try:
                yield number
            except BaseException as error:
                self.log.append((number, type(error).__name__))
                raise
            self.log.append((number, "left"))

    api = Sessions()
    async with connected(api) as (client, _):
        is_inside, is_over = asyncio.Event(), asyncio.Event()

        async def fail() -> None:
            async with client.root.session as number:
                assert number == 1
                await is_inside.wait()
                raise ValueError("mine")

        async def go_on() -> None:
            async with client.root.session as number:
                assert number == 2
                is_inside.set()
                await is_over.wait()

        first, second = asyncio.ensure_future(fail()), asyncio.ensure_future(go_on())
        with pytest.raises(ValueError, match="mine"):
            await first
        is_over.set()
        await second
        assert api.log == [(1, "ValueError"), (2, "left")]


@on_both_loops
async def test_a_block_may_be_left_by_another_task() -> None:
    api = API()
    async with connected(api) as (client, _):
        stack = contextlib.AsyncExitStack()
        await asyncio.ensure_future(stack.enter_async_context(client.root.manager()))
        await asyncio.ensure_future(stack.aclose())
        assert api.log == ["enter", ("exit", None, None)]


@on_both_loops
async def test_a_remote_lock_is_held_over_there() -> None:
    api = API()
    async with connected(api) as (client, _):
        order = []

        async def critical(name: str) -> None:
            async with client.root.lock:
                order.append(f"{name} in")
                await client.ping()
                order.append(f"{name} out")

        await asyncio.gather(critical("a"), critical("b"))
        assert order == ["a in", "a out", "b in", "b out"]
        assert not api.lock.locked()


@on_both_loops
async def test_cancellation_inside_leaves_the_manager() -> None:
    api = API()
    async with connected(api) as (client, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                async with client.root.async_manager():
                    await asyncio.Event().wait()
        assert api.log[0] == "aenter"
        assert api.log[-1][0] == "aexit"


@on_both_loops
async def test_our_manager_is_entered_by_the_other_side() -> None:
    api = API()
    mine: list[Any] = []
    async with connected(api) as (client, _):
        assert await client.root.use(AsyncManager(mine)) == "tx"
        await client.root.use(Manager(mine))
        assert [each if isinstance(each, str) else each[0] for each in mine] == [
            "aenter",
            "aexit",
            "enter",
            "exit",
        ]
        assert api.log == ["inside", "inside"]


@on_both_loops
async def test_what_is_no_manager_says_so() -> None:
    async with connected(API()) as (client, _):
        with pytest.raises(TypeError, match="context manager"):
            async with client.root.log:
                pass


@on_both_loops
async def test_nothing_stays_of_managers_however_they_were_left() -> None:
    async with connected(API()) as (client, server):
        for _ in range(10):
            async with client.root.manager() as tx:
                await tx.work()
            with contextlib.suppress(ValueError):
                async with client.root.suppressing():
                    raise ValueError
            with contextlib.suppress(OSError):
                async with client.root.failing_exit():
                    pass
            with contextlib.suppress(PermissionError):
                async with client.root.refusing():
                    pass
        del tx
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_a_manager_whose_connection_ends_inside() -> None:
    async with connected(API()) as (client, server):
        with pytest.raises(proxyables.ConnectionClosed):
            async with client.root.manager():
                server.abort()
                await client.wait_closed()


class Blocks:
    """What is entered and left, counted; a lock of each kind."""

    def __init__(self) -> None:
        self.inside = 0
        self.reasons: list[Any] = []
        self.thread_lock = threading.Lock()
        self.lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def block(self) -> AsyncIterator[None]:
        self.inside += 1
        try:
            yield
        except BaseException as error:
            self.reasons.append(type(error).__name__)
            raise
        finally:
            self.inside -= 1


@on_both_loops
async def test_a_block_that_is_given_up_while_it_is_entered_is_left() -> None:
    blocks = Blocks()

    async def use(peer: proxyables.Peer) -> None:
        async with peer.root.block():
            await asyncio.Event().wait()

    async with (
        proxyables.serve(blocks, "tcp://127.0.0.1:0") as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        await peer.ping()
        task = asyncio.create_task(use(peer))
        while not blocks.inside:  # entered, and the answer is under way
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])  # it is kept, and its exception with it
        await until(lambda: not blocks.inside)
        assert blocks.reasons == ["CancelledError"]
        assert not peer.closed
        assert task.cancelled()


@on_both_loops
async def test_a_lock_that_a_worker_got_too_late_is_released() -> None:
    blocks = Blocks()
    blocks.thread_lock.acquire()
    async with (
        proxyables.serve(blocks, "tcp://127.0.0.1:0", threads=1) as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), peer.root.thread_lock:
                pass
        while not await abandoned(peer):  # it waits for a lock that nobody wants any more
            pass
        blocks.thread_lock.release()
        while await abandoned(peer):
            pass
        await until(lambda: not blocks.thread_lock.locked())


async def abandoned(peer: proxyables.Peer) -> bool:
    return "abandoned" in [call["state"] for call in (await peer.status())["calls"]]


@on_both_loops
@pytest.mark.parametrize("kind", [threading.Lock, threading.Semaphore, threading.BoundedSemaphore])
async def test_those_who_wait_for_a_lock_leave_the_workers_to_who_holds_it(kind: Any) -> None:
    class Store:
        def __init__(self) -> None:
            self.lock = kind()
            self.taken: list[str] = []

        def take(self, name: str) -> None:
            self.taken.append(name)

    store = Store()
    async with (
        proxyables.serve(store, "tcp://127.0.0.1:0", threads=1) as server,
        proxyables.connect(server.addresses[0]) as peer,
        proxyables.connect(server.addresses[0]) as other,
    ):

        async def use(name: str, root: Any) -> None:
            async with root.lock:
                await root.take(f"{name} in")
                await asyncio.sleep(0.01)
                await root.take(f"{name} out")

        names = [f"{place}" for place in range(6)]
        users = [use(name, end.root) for name, end in zip(names, [peer, other] * 3, strict=True)]
        async with asyncio.timeout(20):
            await asyncio.gather(*users)
        for came, left in zip(store.taken[::2], store.taken[1::2], strict=True):
            assert (came.split()[0], left.split()[0]) == (came[0], came[0])

        is_in = asyncio.Event()

        async def stay() -> None:
            async with peer.root.lock:
                is_in.set()
                await asyncio.Event().wait()

        staying = asyncio.ensure_future(stay())
        await is_in.wait()
        waiting = asyncio.ensure_future(use("last", other.root))
        await other.root.take("in vain")  # behind the wait, and yet served
        peer.abort()
        async with asyncio.timeout(20):
            await waiting
        with pytest.raises(proxyables.ConnectionClosed):
            staying.cancel()
            await staying


@on_both_loops
async def test_a_lock_is_released_by_whichever_worker_and_an_rlock_by_its_own() -> None:
    class Locks:
        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.rlock = threading.RLock()
            self.end = threading.Event()

        def stay(self) -> None:
            self.end.wait()

    locks = Locks()
    async with (
        proxyables.serve(locks, "tcp://127.0.0.1:0", threads=2) as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        lock, rlock = await proxyables.ref(peer.root.lock), await proxyables.ref(peer.root.rlock)
        async with lock:
            staying = asyncio.ensure_future(peer.root.stay())  # on the worker that entered
            await peer.ping()
        assert not locks.lock.locked()
        locks.end.set()
        await staying
        locks.end.clear()
        with pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
            async with rlock:
                staying = asyncio.ensure_future(peer.root.stay())
                await peer.ping()
        locks.end.set()
        await staying


@on_both_loops
async def test_the_blocks_of_a_connection_that_is_lost_are_left() -> None:
    blocks = Blocks()
    async with proxyables.serve(blocks, "tcp://127.0.0.1:0") as server:
        peer = await proxyables.connect(server.addresses[0])

        async def use() -> None:
            async with peer.root.lock, peer.root.block():
                await asyncio.Event().wait()

        task = asyncio.create_task(use())
        await until(lambda: blocks.inside)
        assert blocks.lock.locked()
        peer.abort()
        await until(lambda: not blocks.inside and not blocks.lock.locked())
        assert blocks.reasons == ["ConnectionLost"]
        with pytest.raises(proxyables.ConnectionClosed):
            task.cancel()
            await task


@on_both_loops
async def test_what_was_left_is_not_left_again_when_the_connection_ends() -> None:
    blocks = Blocks()
    async with proxyables.serve(blocks, "tcp://127.0.0.1:0") as server:
        async with proxyables.connect(server.addresses[0]) as peer:
            lock = await proxyables.ref(peer.root.lock)
            async with lock, peer.root.block():
                assert blocks.inside == 1
            await blocks.lock.acquire()  # by somebody else
        await until(lambda: not server.peers)
        assert blocks.lock.locked()
        assert (blocks.inside, blocks.reasons) == (0, [])
