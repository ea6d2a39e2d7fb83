"""What a method raises: its type, its words, its causes; and nothing of it acts here."""

from __future__ import annotations

import asyncio
import json
import traceback
from typing import Any

import pytest

import proxyables
from connections import connected, on_both_loops, settled
from watching import until


@proxyables.register_exception
class OutOfStock(Exception):
    def __init__(self, item: str, left: int) -> None:
        super().__init__(item, left)
        self.item = item
        self.left = left

    def __str__(self) -> str:
        return f"only {self.left} of {self.item}"


class Unregistered(ValueError):
    pass


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


class Shop:
    name = "shop"

    def fail(self, error: Any) -> None:
        raise error

    async def fail_later(self, error: Any) -> None:
        await asyncio.sleep(0)
        raise error

    def chained(self) -> None:
        try:
            {}["key"]
        except KeyError as error:
            raise ValueError("outer") from error

    def in_context(self) -> None:
        try:
            int("x")
        except ValueError:
            raise TypeError("while handling")  # noqa: B904  # that is what is tested

    def suppressed(self) -> None:
        try:
            int("x")
        except ValueError:
            raise TypeError("alone") from None

    def noted(self) -> None:
        error = ValueError("noted")
        error.add_note("first note")
        error.add_note("second note")
        raise error

    def group(self) -> None:
        inner = ExceptionGroup("inner", [OutOfStock("nuts", 2)])
        raise ExceptionGroup("outer", [ValueError("a"), KeyError("b"), inner])

    def buy(self, item: str) -> None:
        raise OutOfStock(item, 3)

    def unregistered(self) -> None:
        raise Unregistered("mine alone")

    def hostile(self) -> None:
        raise Hostile

    def cyclic(self) -> None:
        one, two = ValueError("one"), ValueError("two")
        one.__cause__, two.__cause__ = two, one
        raise one

    def huge(self) -> None:
        raise ValueError("x" * 10_000_000)

    def deep(self, levels: int) -> None:
        if levels == 0:
            raise ValueError("bottom")
        try:
            self.deep(levels - 1)
        except ValueError as error:
            raise ValueError(f"level {levels}") from error

    def exotic(self, kind: str) -> None:
        kinds: dict[str, BaseException] = {
            "SystemExit": SystemExit(3),
            "KeyboardInterrupt": KeyboardInterrupt(),
            "GeneratorExit": GeneratorExit(),
            "StopIteration": StopIteration(5),
            "StopAsyncIteration": StopAsyncIteration(),
            "CancelledError": asyncio.CancelledError(),
            "BaseException": BaseException("base"),
        }
        raise kinds[kind]

    async def exotic_later(self, kind: str) -> None:
        await asyncio.sleep(0)
        if kind in ("StopIteration", "SystemExit", "KeyboardInterrupt"):
            kind = "GeneratorExit"  # asyncio itself ends the loop on the last two
        self.exotic(kind)

    def json_error(self) -> None:
        json.loads("{")

    def unicode_error(self) -> None:
        b"\xff".decode()

    def os_error(self) -> None:
        open("/no/such/file")  # noqa: SIM115

    async def call(self, function: Any) -> Any:
        return await function()

    async def catch(self, function: Any) -> Any:
        try:
            await function()
        except proxyables.RemoteError as error:
            return [type(error).__name__, error.type_name, str(error)]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("text", 5),
        KeyError("key"),
        IndexError(),
        ZeroDivisionError("by zero"),
        NotImplementedError("yet"),
        TimeoutError("late"),
        PermissionError(13, "no entry"),
        ConnectionResetError(104, "reset"),
        ArithmeticError("sum"),
        UnicodeEncodeError("ascii", "ü", 0, 1, "not ascii"),
        RecursionError("deep"),
        AssertionError("false"),
        OSError(2, "gone", "/tmp/x"),
        ImportError("no module"),
        Warning("soft"),
    ],
    ids=lambda error: type(error).__name__,
)
@on_both_loops
async def test_builtin_exceptions_are_caught_as_themselves(error: Exception) -> None:
    async with connected(Shop()) as (client, _):
        for method in (client.root.fail, client.root.fail_later):
            with pytest.raises(type(error)) as caught:
                await method(error)
            assert isinstance(caught.value, proxyables.RemoteError)
            assert caught.value.args == error.args
            assert caught.value.message == str(error)


@on_both_loops
async def test_the_fields_of_an_os_error() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(FileNotFoundError) as caught:
            await client.root.os_error()
        assert (caught.value.errno, caught.value.filename) == (2, "/no/such/file")


@on_both_loops
async def test_the_fields_of_a_unicode_error() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(UnicodeDecodeError) as caught:
            await client.root.unicode_error()
        assert (caught.value.encoding, caught.value.start) == ("utf-8", 0)


@on_both_loops
async def test_a_registered_exception_is_itself_with_its_fields() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(OutOfStock) as caught:
            await client.root.buy("nuts")
        assert (caught.value.item, caught.value.left) == ("nuts", 3)
        assert str(caught.value) == "only 3 of nuts"
        assert isinstance(caught.value, proxyables.RemoteError)


@on_both_loops
async def test_an_unknown_type_keeps_its_name_and_module() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(proxyables.RemoteError) as caught:
            await client.root.unregistered()
        assert caught.value.type_name == "Unregistered"
        assert caught.value.module == Unregistered.__module__
        assert str(caught.value) == "Unregistered: mine alone"
        with pytest.raises(proxyables.RemoteError) as caught:
            await client.root.json_error()
        assert caught.value.type_name == "JSONDecodeError"


@on_both_loops
async def test_the_cause_comes_along() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(ValueError, match="outer") as caught:
            await client.root.chained()
        assert isinstance(caught.value.__cause__, KeyError)
        assert caught.value.__cause__.args == ("key",)


@on_both_loops
async def test_the_context_comes_along_unless_it_is_suppressed() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(TypeError) as caught:
            await client.root.in_context()
        assert isinstance(caught.value.__context__, ValueError)
        assert not caught.value.__suppress_context__
        with pytest.raises(TypeError) as caught:
            await client.root.suppressed()
        assert caught.value.__suppress_context__


@on_both_loops
async def test_notes_come_along() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(ValueError, match="noted") as caught:
            await client.root.noted()
        assert caught.value.__notes__[:2] == ["first note", "second note"]


@on_both_loops
async def test_a_group_is_taken_apart_by_except_star() -> None:
    seen: list[str] = []
    async with connected(Shop()) as (client, _):
        try:
            await client.root.group()
        except* ValueError as group:
            seen.append(f"values {len(group.exceptions)}")
        except* KeyError:
            seen.append("keys")
        except* OutOfStock as group:
            inner: Any = group.exceptions[0]
            seen.append(f"stock {inner.exceptions[0].item}")
    assert seen == ["values 1", "keys", "stock nuts"]


@on_both_loops
async def test_a_printed_traceback_shows_both_sides_apart() -> None:
    async with connected(Shop()) as (client, _):
        try:
            await client.root.chained()
        except ValueError as error:
            text = "".join(traceback.format_exception(error))
        assert "Remote traceback" in text
        assert "in chained" in text
        assert "test_a_printed_traceback_shows_both_sides_apart" in text
        assert "executor.py" not in text


@pytest.mark.parametrize(
    "kind",
    [
        "SystemExit",
        "KeyboardInterrupt",
        "GeneratorExit",
        "StopIteration",
        "StopAsyncIteration",
        "CancelledError",
        "BaseException",
    ],
)
@on_both_loops
async def test_what_steers_the_interpreter_only_reports_here(kind: str) -> None:
    async with connected(Shop()) as (client, server):
        with pytest.raises(proxyables.RemoteError) as caught:
            await client.root.exotic(kind)
        assert caught.value.type_name == kind
        assert isinstance(caught.value, Exception)
        with pytest.raises(proxyables.RemoteError):
            await client.root.exotic_later(kind)
        assert not server.closed
        assert server.statistics()["calls_running"] == 0


@on_both_loops
async def test_an_exception_without_text_is_told_all_the_same() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(proxyables.RemoteError) as caught:
            await client.root.hostile()
        assert caught.value.type_name == "Hostile"


@on_both_loops
async def test_a_circle_of_causes_ends() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(ValueError, match="one") as caught:
            await client.root.cyclic()
        assert str(caught.value.__cause__) == "two"


@on_both_loops
async def test_ten_megabytes_of_message_are_cut() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(ValueError, match="xxx") as caught:
            await client.root.huge()
        assert len(str(caught.value)) < 100_000


@on_both_loops
async def test_a_chain_of_a_hundred_causes_is_cut_and_its_head_is_whole() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(ValueError, match="level 100") as caught:
            await client.root.deep(100)
        links, error = 0, caught.value
        while error.__cause__ is not None:
            links, error = links + 1, error.__cause__  # type: ignore[assignment]
        assert 3 <= links < 20


@on_both_loops
async def test_an_error_of_our_callback_comes_back_to_us_through_the_other_side() -> None:
    async with connected(Shop()) as (client, _):

        def fail() -> None:
            raise OutOfStock("bolts", 1)

        with pytest.raises(OutOfStock) as caught:
            await client.root.call(fail)
        assert caught.value.item == "bolts"
        assert await client.root.catch(fail) == ["OutOfStock", "OutOfStock", "only 1 of bolts"]


@on_both_loops
async def test_an_error_passed_as_a_value_can_be_raised_over_there() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(OutOfStock) as caught:
            await client.root.fail(OutOfStock("x", 9))
        assert caught.value.left == 9


@on_both_loops
async def test_raising_what_is_no_exception_is_a_type_error() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(TypeError):
            await client.root.fail("text")


@on_both_loops
async def test_a_thousand_errors_leave_nothing_and_harm_nothing() -> None:
    async with connected(Shop()) as (client, server):
        results = await asyncio.gather(
            *(client.root.fail(ValueError(n)) for n in range(1000)), return_exceptions=True
        )
        assert [error.args[0] for error in results] == list(range(1000))
        assert (await settled(server))["entries"] == 0
        assert server.statistics()["calls_failed"] == 1000


class Bounded:
    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def wait(self) -> None:
        await self.gate.wait()

    def open(self) -> None:
        self.gate.set()

    def large(self) -> bytes:
        return bytes(17 * 1024 * 1024)


@on_both_loops
async def test_a_limit_of_the_other_side_is_a_limit_here() -> None:
    bounded = Bounded()
    limits = proxyables.Limits(max_steps=3, max_calls=1)
    async with connected(bounded, server={"limits": limits}) as (client, server):
        with pytest.raises(proxyables.LimitExceeded) as large:
            await client.root.large()
        with pytest.raises(proxyables.LimitExceeded) as long:
            await client.root.a.b.c.d
        waiting = asyncio.ensure_future(client.root.wait())
        await until(lambda: server.statistics()["calls_running"])
        with pytest.raises(proxyables.LimitExceeded) as many:
            await client.root.large()
        bounded.open()
        await waiting
        told = [(each.value.limit, each.value.allowed) for each in (large, long, many)]
        assert told == [("max_message", 16 * 1024 * 1024), ("max_steps", 3), ("max_calls", 1)]
        assert long.value.got == 4
        assert all(isinstance(each.value, proxyables.RemoteError) for each in (large, long, many))


class Named:
    short = 1

    def __init__(self) -> None:
        setattr(self, "a" * 300, "long")

    def take(self, **names: int) -> int:
        return len(names)


@on_both_loops
async def test_names_are_as_long_as_the_limit_says() -> None:
    named = Named()
    for most in (5, 256, 300):
        server = {"limits": proxyables.Limits(max_name=most)}
        async with connected(named, server=server) as (client, _):
            root = client.root
            assert await root.short == 1
            within, over = "b" * most, "b" * (most + 1)
            assert await root.take(**{within: 1}) == 1
            await proxyables.assign(getattr(root, within), 5)
            assert await getattr(root, within) == 5
            for refused in (
                root.take(**{over: 1}),
                getattr(root, over),
                proxyables.assign(getattr(root, over), 5),
                proxyables.delete(getattr(root, over)),
            ):
                with pytest.raises(proxyables.AccessDenied):
                    await refused
            if most == 300:
                assert await getattr(root, "a" * 300) == "long"


@on_both_loops
async def test_whose_fault_it_was_is_in_the_type() -> None:
    async with connected(Shop()) as (client, _):
        with pytest.raises(proxyables.EncodingError):
            await client.root.fail(__import__("sys"))
        with pytest.raises(proxyables.AccessDenied):
            await client.root.name.format(1)
        with pytest.raises(proxyables.LimitExceeded):
            await client.root.fail(bytes(17 * 1024 * 1024))
        with pytest.raises(proxyables.RemoteError):
            await client.root.unregistered()
