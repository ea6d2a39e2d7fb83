"""What ``Policy(introspection=…)`` lets a peer ask about objects: all, names, or nothing."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

import proxyables
import proxyables.sync
from connections import connected, on_both_loops
from proxyables import AccessDenied, Policy


class Account:
    """An account."""

    def __init__(self) -> None:
        self.balance = 5

    def pay(self, amount: int) -> int:
        """Pays."""
        return self.balance - amount


class Bank:
    """A bank of secrets."""

    def open(self) -> Account:
        """Opens."""
        return Account()


class Failing:
    def fail(self) -> None:
        """Raises all that an exception may hold."""
        try:
            raise KeyError("first")
        except KeyError as error:
            try:
                raise ExceptionGroup("both", [_raised(ValueError("a")), error])
            except ExceptionGroup as group:
                raise LookupError("last") from group

    def failure(self) -> Exception:
        return _raised(ValueError("a"))


def _raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def _all_of(error: BaseException | None) -> list[BaseException]:
    """Returns an exception with all that it was raised from, and the members of groups."""
    if error is None:
        return []
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    links = [error.__cause__, error.__context__, *members]
    return [error, *(each for link in links for each in _all_of(link))]


@pytest.fixture(scope="module", autouse=True)
def background() -> None:
    """Starts the thread for good, as a process has one; descriptors are counted per test."""
    with proxyables.sync.serve(Bank(), "tcp://127.0.0.1:0") as server:
        proxyables.sync.connect(server.addresses[0]).close()


def policy(introspection: Any) -> dict[str, Any]:
    return {"policy": Policy(introspection=introspection)}


@on_both_loops
async def test_names_are_told_without_what_they_mean() -> None:
    async with connected(Bank(), server=policy("names")) as pair:
        told = await proxyables.describe(pair.client.root)
        assert told["members"] == [
            {"name": "open", "kind": "method", "signature": None, "doc": "", "async": False}
        ]
        assert (told["doc"], told["signature"]) == ("", None)
        assert await proxyables.perform(pair.client.root, "dir") == ["open"]
        account = await pair.client.root.open()
        kind = account._reference.type
        assert (kind["methods"], kind["doc"]) == (["pay"], "")
        assert await account.pay(2) == 3


@on_both_loops
async def test_off_refuses_without_a_name_and_objects_work_as_before() -> None:
    async with connected(Bank(), server=policy("off")) as pair:
        account = await pair.client.root.open()
        assert await account.pay(2) == 3
        assert account._reference.type is None
        for cursor in (pair.client.root, account, account.pay):
            for asked in (proxyables.describe(cursor), proxyables.perform(cursor, "dir")):
                with pytest.raises(AccessDenied) as caught:
                    await asked
                assert str(caught.value) == "access to this value is denied"


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("introspection", ["full", "names", "off"])
@on_both_loops
async def test_tracebacks_are_told_with_full_introspection_only(
    introspection: Any, threads: int
) -> None:
    is_full = introspection == "full"
    options = policy(introspection) | {"threads": threads}
    async with connected(Failing(), server=options) as pair:
        with pytest.raises(LookupError, match="last") as caught:
            await pair.client.root.fail()
        told = _all_of(caught.value)
        assert len(told) >= 4
        told.append(await pair.client.root.failure())
        for error in told:
            assert isinstance(error, proxyables.RemoteError)
            assert bool(error.frames) == is_full
            assert any("Remote traceback" in str(note) for note in _notes(error)) == is_full
        text = "".join(traceback.format_exception(caught.value))
        assert ("from group" in text) == is_full


@on_both_loops
async def test_what_came_from_behind_is_no_more_told() -> None:
    async with (
        connected(Failing(), server=policy("full")) as behind,
        connected(behind.client.root, server=policy("off")) as pair,
    ):
        with pytest.raises(LookupError, match="last") as caught:
            await pair.client.root.fail()
        assert isinstance(caught.value, proxyables.RemoteError)
        assert not caught.value.frames


def _notes(error: BaseException) -> list[Any]:
    return getattr(error, "__notes__", [])


def test_blocking_proxies_do_without_descriptions() -> None:
    """They know methods from the type's description, and ask where there is none."""
    with (
        proxyables.sync.serve(Bank(), "tcp://127.0.0.1:0", policy=Policy(introspection="off")) as s,
        proxyables.sync.connect(s.addresses[0]) as peer,
    ):
        account = peer.root.open()
        assert account.pay(2) == 3
        assert account.balance == 5
        account.balance = 7
        assert account.pay(2) == 5


def test_what_is_no_such_word_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="introspection takes 'full', 'names' or 'off', got 'on'"):
        Policy(introspection="on")  # type: ignore[arg-type]
    assert repr(Policy(introspection="names")) == "Policy(introspection='names')"
    assert repr(Policy(introspection="full")) == "Policy()"
