"""What ``Policy(introspection=…)`` lets a peer ask about objects: all, names, or nothing."""

from __future__ import annotations

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
