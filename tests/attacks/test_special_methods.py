"""Decoding runs nothing of what this side lends, wherever in a message its objects are put.

Objects of ours come back as "your own object". Whoever checks nothing may put one where a field of
another type belongs, where a set wants an element, or where a map wants a key.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import numpy
import pytest

import proxyables
from connections import on_both_loops
from proxyables import Peer, Policy
from proxyables.wire.instructions import CALL, EXECUTE, GET, ITEM, RETURN, SET, SETITEM, THROW
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from proxyables.wire.kinds import ProxyValueKinds as Value
from proxyables.wire.registration import REGISTRATION
from raw_peers import Ext, RawPeer, chain, classic_call, dialled, ext, instruction, own

RAN: list[str] = []
"""Special methods of lent objects that have run, in order."""
_WATCHED = """
    bool len iter next contains getitem setitem hash eq ne lt le gt ge index int float complex
    trunc str repr format bytes add radd sub rsub mul rmul mod rmod neg abs fspath
    length_hint reversed call enter exit getattr instancecheck get set set_name
"""


def _watched(name: str) -> Any:
    def method(self: Any, *args: Any) -> Any:
        RAN.append(name)
        return {"__hash__": 5, "__eq__": True, "__str__": "", "__repr__": ""}.get(name, 1)

    return method


def _loud(*bases: type, but_for: str = "") -> type:
    names = [f"__{name}__" for name in _WATCHED.split() if name not in but_for.split()]
    namespace: dict[str, Any] = {name: _watched(name) for name in names}
    namespace["__class__"] = property(_watched("__class__"))
    return type("Loud", bases, namespace)


LOUD = {kind.__name__: _loud(kind) for kind in (object, str, int, float, bytes, list, dict, tuple)}
UNHASHED = LOUD | {"hashed by identity": _loud(object, but_for="hash eq")}


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any = 1
    y: Any = 2


class Pair(NamedTuple):
    a: Any
    b: Any


class API:
    count = 7

    def __init__(self) -> None:
        self.things = {name: cls() for name, cls in UNHASHED.items()}
        self.rows = [1, 2]
        self.calls = 0

    def lend(self, name: str) -> object:
        return proxyables.ref(self.things[name])

    def lend_rows(self) -> object:
        return proxyables.ref(self.rows)

    def lend_pair(self, name: str) -> object:
        return proxyables.ref((1, self.things[name]))

    def same(self, value: Any) -> Any:
        return value

    def take(self, *args: Any, **kwargs: Any) -> int:
        self.calls += 1
        return len(args) + len(kwargs)

    def grow(self, rows: Any, value: Any) -> int:
        rows.append(value)
        return len(self.rows)

    def kinds(self, value: Any) -> list[str]:
        inside = value.values() if type(value) is dict else value
        return sorted(type(each).__name__ for each in inside)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    RAN.clear()
    proxyables.by_value(Point, name="Point")
    proxyables.by_value(Pair, name="Pair")
    yield
    for cls in (Point, Pair):
        del REGISTRATION.values[REGISTRATION.names.pop(cls)]


class Attack:
    """A connection of somebody who checks nothing.

    Attributes:
        raw: Their end.
        peer: Ours.
        api: What we export.
        lent: References that they were lent, by name.
    """

    def __init__(self, raw: RawPeer, peer: Peer, api: API) -> None:
        self.raw = raw
        self.peer = peer
        self.api = api
        self.lent: dict[str, int] = {}

    async def borrow(self, method: str, *args: Any) -> Any:
        answer = await self.raw.execute([GET, method], [CALL, list(args)])
        assert answer[0] == RETURN
        reference: int = msgpack.unpackb(answer[1].data)[0]
        return reference

    async def give(self, *args: Any, **kwargs: Any) -> Any:
        """Calls a method that looks at nothing it is given."""
        steps = [[GET, "take"], [CALL, list(args), kwargs] if kwargs else [CALL, list(args)]]
        return await self.raw.exchange([EXECUTE, None, steps])


@contextlib.asynccontextmanager
async def attacked(policy: Policy | None = None) -> AsyncIterator[Attack]:
    """Somebody who was lent one loud object of each kind; nothing of theirs is left in the end."""
    api = API()
    async with (
        proxyables.serve(api, "tcp://127.0.0.1:0", policy=policy) as server,
        dialled(server.addresses[0]) as raw,
    ):
        await raw.greet()
        attack = Attack(raw, server.peers[0], api)
        for name in UNHASHED:
            attack.lent[name] = await attack.borrow("lend", name)
        RAN.clear()
        yield attack
        assert await raw.execute([GET, "count"]) == [RETURN, 7]
        assert attack.peer.statistics()["imports"] == 0


DENIED = Policy(deny=["__*__"])

# Payloads that are in order, by extension. Each of their fields is replaced in turn.
PAYLOADS: dict[int, list[Any]] = {
    1: [[1, 1, {"name": "X", "members": {"a": 1}}]],
    2: [1],
    3: [[None, [[GET, "count"]]]],
    5: [[1, 2]],
    8: [b"1" * 16],
    9: [[1, 2, 3]],
    10: [[1, 2, 3]],
    11: [[2024, 1, 2]],
    12: [[1, 2, 3, 4, 0, None], [1, 2, 3, 4, 0, 3600], [1, 2, 3, 4, 0, ["Europe/Berlin", 1]]],
    13: [[2024, 1, 2, 3, 4, 5, 6, 0, None], [2024, 1, 2, 3, 4, 5, 6, 0, ["UTC", 0]]],
    14: [[1, 2, 3]],
    15: ["1.5"],
    16: [[1, 2]],
    17: [b"1" * 16],
    18: [["posix", "/x"]],
    19: [["Color", "RED", 1]],
    20: [["Point", {"x": 1, "y": 2}], ["Unknown", {"x": 1}]],
    21: [["Pair", ["a", "b"], [1, 2]], ["Unknown", ["a"], [1]]],
    22: [
        {
            "type": kind,
            "module": "builtins",
            "message": "m",
            "args": ["m", 1, 2, 3, "x"],
            "notes": ["n"],
            "frames": [["f", 1, "g", "t"]],
            "filename": "f",
            "suppress": False,
            "cause": {"type": "KeyError", "message": "m"},
            "group": [{"type": "KeyError"}],
            "state": {"a": 1},
        }
        for kind in ("ValueError", "OSError", "SyntaxError", "UnicodeDecodeError", "KeyError")
    ],
    23: [[1, "<f8", [1], b"12345678"], [0, "<d", [1], b"12345678"]],
    24: ["Ellipsis"],
    99: [[1, {"a": 1}]],
}


def replaced(value: Any, by: Any) -> Iterator[Any]:
    """Yields `value` with one part of it, or one key, replaced; and `by` itself."""
    yield by
    if type(value) is list:
        for place, each in enumerate(value):
            for inside in replaced(each, by):
                yield [*value[:place], inside, *value[place + 1 :]]
    elif type(value) is dict:
        for key, each in value.items():
            for inside in replaced(each, by):
                yield value | {key: inside}


@on_both_loops
async def test_no_field_of_any_value_runs_what_stands_in_it() -> None:
    async with attacked(DENIED) as attack:
        for number, payloads in PAYLOADS.items():
            for kind, reference in attack.lent.items():
                for payload in payloads:
                    for hostile in replaced(payload, own(reference)):
                        answer = await attack.give(ext(number, hostile))
                        assert answer[0] in (RETURN, THROW)
                        assert RAN == [], (number, kind, hostile)


@pytest.mark.parametrize("kind", LOUD)
@on_both_loops
async def test_what_is_hashed_is_held_to_the_policy(kind: str) -> None:
    async with attacked(DENIED) as attack:
        loud = own(attack.lent[kind])
        path = chain(None, [GET, "things"], [ITEM, kind])
        for it in (loud, ext(5, [1, loud]), ext(20, ["Point", {"x": loud, "y": 1}])):
            await _is_refused(attack, it, f"reference {attack.lent[kind]}" if it is loud else "")
        stand_ins = [
            ext(20, ["Far", {"x": [{"y": loud}]}]),
            ext(21, ["Far", ["a"], [loud]]),
            ext(99, [ext(99, [loud])]),
            ext(99, [own(await attack.borrow("lend_pair", kind))]),
        ]
        for it in stand_ins:
            await _is_refused(attack, it, "")
        for it in (ext(21, ["Pair", ["a", "b"], [loud, 1]]), ext(7, [loud]), ext(5, [path])):
            await _is_refused(attack, it, "")
        await _is_refused(attack, own(await attack.borrow("lend_pair", kind)), "")


@on_both_loops
async def test_what_was_by_value_is_hashed_by_the_policys_leave_once_it_is_by_reference() -> None:
    kept = proxyables.by_value(dataclasses.dataclass(eq=False)(_loud(object)), name="Kept")
    try:
        proxyables.by_reference(kept)
        async with attacked(DENIED) as attack:
            attack.api.things["kept"] = kept()
            await _is_refused(attack, own(await attack.borrow("lend", "kept")), "reference")
    finally:
        REGISTRATION.names.pop(kept, None)
        del REGISTRATION.values["Kept"]


async def _is_refused(attack: Attack, hashed: Any, which: str) -> None:
    """Has `hashed` be an element and a key, beside something lent; all must be as before."""
    lent = ext(1, [77, 1])
    key = b"\x81" + msgpack.packb(hashed) + b"\x01"
    for value in (ext(6, [1, hashed]), ext(7, [hashed]), key, Ext(5, b"\x91" + key)):
        RAN.clear()
        calls = attack.api.calls
        packed = value if type(value) is bytes else msgpack.packb(value)
        whole = msgpack.packb([EXECUTE, None, [[GET, "take"], [CALL, [lent, "HERE"]]]])
        answer = await attack.raw.exchange(whole.replace(msgpack.packb("HERE"), packed))
        assert answer[0] == THROW, value
        assert (answer[1]["type"], answer[1]["module"]) in {
            ("AccessDenied", "proxyables"),
            # Of those that cannot be hashed at all.
            ("PeerProtocolError", "proxyables.errors"),
            ("TypeError", "builtins"),
        }
        assert which in answer[1]["message"]
        assert RAN == [], value
        assert attack.api.calls == calls
        assert attack.peer.statistics()["imports"] == 0


@on_both_loops
async def test_the_refusal_tells_which_and_what_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "proxyables")
    async with attacked(DENIED) as attack:
        reference = attack.lent["object"]
        answer = await attack.give(ext(6, [own(reference)]))
        assert answer[1]["type"] == "AccessDenied"
        assert answer[1]["message"] == (
            f"access to '__hash__' is denied: reference {reference} was to be "
            "an element of a set, or a key"
        )
        assert "on the deny list" in caplog.text


@on_both_loops
async def test_where_the_policy_lets_it_objects_are_elements_and_keys() -> None:
    async with attacked() as attack:
        loud = own(attack.lent["object"])
        for value in (ext(6, [1, loud]), ext(6, [ext(5, [loud])])):
            assert await attack.give(value) == [RETURN, 1]
            assert RAN.count("__hash__") == 1
            RAN.clear()
        whole = msgpack.packb([EXECUTE, None, [[GET, "take"], [CALL, ["HERE"]]]])
        key = b"\x81" + msgpack.packb(loud) + b"\x01"
        assert await attack.raw.exchange(whole.replace(msgpack.packb("HERE"), key)) == [RETURN, 1]
        assert RAN == ["__hash__"]


@pytest.mark.parametrize("policy", [Policy(deny=["__*__"]), Policy(strict=True)])
@on_both_loops
async def test_values_are_elements_and_keys_whatever_the_policy(policy: Policy) -> None:
    values = [
        *(1, 1.5, "x", b"x", None, True),
        *(ext(5, [1, "x"]), ext(7, [1]), ext(8, b"1" * 16), ext(9, [1, 2, 3])),
        *(ext(11, [2024, 1, 2]), ext(12, [1, 2, 3, 4, 0, 3600]), ext(14, [1, 2, 3])),
        *(ext(15, "1.5"), ext(16, [1, 2]), ext(17, b"1" * 16), ext(18, ["posix", "/x"])),
        *(ext(23, [2, "<f8", [], b"12345678"]), ext(24, "Ellipsis"), ext(1, [5, 1])),
        *(ext(20, ["Point", {"x": 1, "y": 2}]), ext(21, ["Pair", ["a", "b"], [1, 2]])),
        *(ext(19, ["Far", "RED", 1]), ext(21, ["Far", ["a"], [1]]), ext(20, ["Far", {"x": [1]}])),
    ]
    api = proxyables.expose(API)()
    async with (
        proxyables.serve(api, "tcp://127.0.0.1:0", policy=policy) as server,
        dialled(server.addresses[0]) as raw,
    ):
        await raw.greet()
        reference = msgpack.unpackb((await raw.execute([GET, "lend_rows"], [CALL, []]))[1].data)[0]
        rows = own(reference)  # without it nobody would look
        for value in values:
            steps = [[GET, "take"], [CALL, [rows, ext(6, [value])]]]
            assert await raw.exchange([EXECUTE, None, steps]) == [RETURN, 2], value
            key = b"\x81" + msgpack.packb(value) + b"\x01"
            whole = msgpack.packb([EXECUTE, None, [[GET, "take"], [CALL, [rows, "HERE"]]]])
            answer = await raw.exchange(whole.replace(msgpack.packb("HERE"), key))
            assert answer == [RETURN, 2], value


@on_both_loops
async def test_what_a_path_gives_is_hashed_by_the_policys_leave_only() -> None:
    path = chain(None, [GET, "things"], [ITEM, "object"])
    async with attacked() as attack:
        for value in (ext(6, [path]), ext(6, [ext(5, [1, path])])):
            assert await attack.give(value) == [RETURN, 1]
            assert RAN.count("__hash__") == 1
            RAN.clear()
    for value in (ext(6, [path]), ext(6, [ext(5, [1, path])]), ext(20, ["Point", {"x": path}])):
        async with attacked(Policy(deny=["__hash__"])) as attack:
            answer = await attack.give(ext(6, [value]) if value.code == 20 else value)
            assert answer[0] == THROW
            assert RAN == []


@on_both_loops
async def test_a_path_is_followed_before_the_value_that_holds_it_is_made() -> None:
    path = chain(None, [GET, "count"])
    holders = {
        "tuple": ext(5, [path, path]),
        "set": ext(6, [path]),
        "Point": ext(20, ["Point", {"x": path, "y": path}]),
        "Pair": ext(21, ["Pair", ["a", "b"], [path, path]]),
        "inner": ext(5, [ext(20, ["Point", {"x": [path], "y": {"k": path}}])]),
    }
    async with attacked() as attack:
        for name, holder in holders.items():
            steps = [[GET, "kinds"], [CALL, [holder]]]
            if name == "Point":
                steps = [[GET, "kinds"], [CALL, [ext(5, [holder])]]]
            answer = await attack.raw.exchange([EXECUTE, None, steps])
            expected = {"Point": ["Point"], "inner": ["Point"], "set": ["int"]}
            assert answer == [RETURN, expected.get(name, ["int", "int"])]


@on_both_loops
async def test_an_object_of_ours_beside_a_path_is_still_the_very_same() -> None:
    async with attacked() as attack:
        rows = own(await attack.borrow("lend_rows"))
        steps = [[GET, "grow"], [CALL, [rows, chain(None, [GET, "count"])]]]
        assert await attack.raw.exchange([EXECUTE, None, steps]) == [RETURN, 3]
        assert attack.api.rows == [1, 2, 7]


@on_both_loops
async def test_a_key_that_a_map_is_asked_for_is_held_to_it_too() -> None:
    async with attacked(DENIED) as attack:
        loud = own(attack.lent["object"])
        for step in ([ITEM, ext(5, [loud])], [SETITEM, loud, 1]):
            answer = await attack.raw.exchange([EXECUTE, None, [[GET, "things"], step]])
            assert answer[1]["type"] == "AccessDenied"
            assert RAN == []


class Ledger:
    """What `array.tofile` and `array.fromfile` would call."""

    def __init__(self) -> None:
        self.used: list[str] = []

    @proxyables.hidden
    def write(self, data: bytes) -> int:
        self.used.append("write")
        return len(data)

    @proxyables.hidden
    def read(self, size: int) -> bytes:
        self.used.append("read")
        return bytes(size)


@pytest.mark.parametrize("name", ["tofile", "dump", "dumps", "base", "resize", "data"])
@on_both_loops
async def test_a_number_of_numpy_is_no_way_to_files(name: str, tmp_path: Path) -> None:
    sent = [
        ext(23, [2, "<f8", [], b"12345678"]),
        ext(23, [2, "<U1", [], b"1\0\0\0"]),
        ext(23, [2, "|S1", [], b"1"]),
        ext(23, [1, "<f8", [1], b"12345678"]),
    ]
    async with attacked() as attack:
        for value in sent:
            steps = [[GET, "same"], [CALL, [value]], [GET, name], [CALL, [f"{tmp_path}/file"]]]
            assert (await attack.raw.execute(*steps))[1]["type"] == "AccessDenied"
            assert not os.listdir(tmp_path)


@on_both_loops
async def test_an_array_shows_no_memory_that_nobody_wrote_to() -> None:
    sent = ext(23, [1, "<u8", [4], bytes(range(32))])
    gaps = {"names": ["x"], "formats": ["i1"], "offsets": [0], "itemsize": 8}
    same: list[Any] = [[GET, "same"], [CALL, [sent]]]
    refused: list[list[Any]] = [
        [[GET, "clip"], [CALL, [0, 5], {"where": False}]],
        [[GET, "astype"], [CALL, [gaps]]],
        [[GET, "view"], [CALL, [], {"dtype": [["x", [gaps, 1]]]}]],
        *([[SET, name, value]] for name, value in (("strides", [1]), ("dtype", "u1"))),
    ]
    async with attacked() as attack:
        attack.api.aligned = numpy.zeros(1, numpy.dtype("u1,u8", align=True))  # type: ignore[attr-defined]
        attack.api.objects = numpy.array([attack.api])  # type: ignore[attr-defined]
        answer = await attack.raw.execute([GET, "objects"], [GET, "tobytes"], [CALL, []])
        assert answer[1]["type"] == "AccessDenied"
        attack.api.packed = numpy.zeros(1, "u1,u8")  # type: ignore[attr-defined]
        for name in ("tobytes", "view"):
            answer = await attack.raw.execute([GET, "aligned"], [GET, name], [CALL, []])
            assert answer[1]["type"] == "AccessDenied"
            answer = await attack.raw.execute([GET, "packed"], [GET, name], [CALL, []])
            assert answer[0] == RETURN
        for steps in refused:
            assert (await attack.raw.execute(*same, *steps))[1]["type"] == "AccessDenied"
        for steps in (
            [[GET, "clip"], [CALL, [0, 5]]],
            [[GET, "astype"], [CALL, ["u1"]]],
            [[GET, "view"], [CALL, [], {"dtype": "u1"}]],
        ):
            assert (await attack.raw.execute(*same, *steps))[0] == RETURN


@on_both_loops
async def test_an_array_calls_no_hidden_method() -> None:
    async with attacked() as attack:
        attack.api.ledger = ledger = Ledger()  # type: ignore[attr-defined]
        array = ext(23, [0, "<d", [1], b"12345678"])
        for name, args in (("tofile", []), ("fromfile", [1])):
            path = chain(None, [GET, "ledger"])
            steps = [[GET, "same"], [CALL, [array]], [GET, name], [CALL, [path, *args]]]
            assert (await attack.raw.execute(*steps))[1]["type"] == "AccessDenied"
        assert ledger.used == []


# -- the classic dialect -----------------------------------------------------------------------


class Table(dict[str, int]):
    """A dictionary with an idea of its own of what is in it."""

    __contains__ = _watched("__contains__")
    __missing__ = _watched("__missing__")


@on_both_loops
async def test_the_classic_dialect_has_no_way_to_a_special_method() -> None:
    api = API()
    api.table = Table(a=1)  # type: ignore[attr-defined]
    async with (
        proxyables.serve(api, "tcp://127.0.0.1:0", policy=DENIED) as server,
        dialled(server.addresses[0]) as raw,
    ):
        await raw.exchange(classic_call())

        async def told(*steps: tuple[int, Any]) -> Any:
            return await raw.exchange(classic_call(*steps))

        answer = await told((Kind.GET, ["lend"]), (Kind.APPLY, ["object"]))
        RAN.clear()
        reference = instruction(Value.REFERENCE, answer["data"]["data"])
        for value in (reference, [reference], {"k": reference}, {"k": {"l": [reference]}}):
            answer = await told((Kind.GET, ["take"]), (Kind.APPLY, [value]))
            assert answer["kind"] == Kind.RETURN  # to us it is an object of theirs
        for data in (b"\x81" + msgpack.packb(reference) + b"\x01", msgpack.packb(ext(6, [1]))):
            whole = msgpack.packb(classic_call((Kind.GET, ["take"]), (Kind.APPLY, ["HERE"])))
            answer = await raw.exchange(whole.replace(msgpack.packb("HERE"), data))
            assert answer["kind"] == Kind.THROW
        for key in ("a", "b", 0):
            answer = await told((Kind.GET, ["table"]), (Kind.GET, [key]))
            assert answer["kind"] == Kind.THROW
        assert RAN == []
