"""Attacks by a peer that checks nothing on its side: through every place of a message that can name
something, in both directions, in both dialects.

Expected every time: a typed refusal, one line in the log, everybody alive, the tables as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgpack
import pytest

import proxyables
from connections import on_both_loops
from proxyables import Limits, Peer
from proxyables.wire.instructions import (
    CALL,
    CONSTRUCT,
    DEL,
    DELITEM,
    DESCRIBE,
    EXECUTE,
    GET,
    ITEM,
    OPERATE,
    RELEASE,
    RETURN,
    SET,
    SETITEM,
    STREAM,
    THROW,
)
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from proxyables.wire.kinds import ProxyValueKinds as Value
from raw_peers import (
    Ext,
    RawPeer,
    chain,
    classic_call,
    dialled,
    ext,
    instruction,
    listening,
    own,
)

SECRET = "hunter2"
DIRECTIONS = ["to the server", "to the client"]
REFUSALS = {
    "AccessDenied",
    "ReferenceNotFound",
    "LimitExceeded",
    "ProxyError",
    "PeerProtocolError",
}


class Vault:
    """Reads items as attributes, as some mappings do; and tells too much about itself."""

    def __init__(self) -> None:
        self._password = SECRET
        self.open = True
        self.asked: list[str] = []

    def __getitem__(self, key: Any) -> Any:
        self.asked.append("getitem")
        return getattr(self, key)

    def __repr__(self) -> str:
        self.asked.append("repr")
        return f"Vault({SECRET})"

    def __eq__(self, other: object) -> bool:
        self.asked.append("eq")
        return True

    def __hash__(self) -> int:
        self.asked.append("hash")
        return 5


class API:
    _secret = SECRET
    count = 7
    text = "%(_password)s {0._password}"
    log = logging.getLogger("attacked")
    module = asyncio

    def __init__(self) -> None:
        self.vault = Vault()
        self.table = {"a": 1}
        self.waiting = asyncio.Event()

    def same(self, *args: Any, **kwargs: Any) -> Any:
        return args[0] if args else kwargs

    def me(self) -> API:
        return self

    def rows(self) -> Any:
        yield 1

    def make(self) -> object:
        return Made()

    def error(self) -> Exception:
        try:
            raise ValueError("told")
        except ValueError as error:
            return error

    async def wait_for_it(self, value: Any) -> Any:
        await self.waiting.wait()
        return value

    @staticmethod
    def static() -> int:
        return 1


class Made:
    def ping(self) -> str:
        return "pong"


class Target:
    """Who is attacked: our end of the connection, and the attacker's.

    Attributes:
        raw: The attacker.
        peer: Our end.
        api: What it exports.
    """

    def __init__(self, raw: RawPeer, peer: Peer, api: API) -> None:
        self.raw = raw
        self.peer = peer
        self.api = api

    async def refused(self, message: Any) -> str:
        """Sends a px request; returns the refusal's type."""
        answer = await self.raw.exchange(message)
        assert answer[0] == THROW, answer
        assert SECRET not in str(answer)
        assert len(answer[1]["message"]) < 400
        kind: str = answer[1]["type"]
        return kind

    async def refused_classic(self, message: Any) -> str:
        """Sends a classic request; returns the refusal's text."""
        answer = await self.raw.exchange(message)
        assert answer["kind"] == Kind.THROW, answer
        assert SECRET not in str(answer)
        text: str = answer["data"]["message"]
        assert len(text) < 400
        return text


@contextlib.asynccontextmanager
async def attacked(
    direction: str, *, classic: bool = False, limits: Limits | None = None
) -> AsyncIterator[Target]:
    """One side of ours, and an attacker who has shaken hands.

    At the end the attacker's connection is alive, or an innocent one is; and the tables are empty.
    """
    api = API()
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            proxyables.serve(api, "tcp://127.0.0.1:0", limits=limits)
        )
        innocent = await stack.enter_async_context(proxyables.connect(server.addresses[0]))
        kept = await innocent.root.make()
        others = set(server.peers)
        if direction == "to the server":
            raw = await stack.enter_async_context(dialled(server.addresses[0]))
            await (raw.exchange(classic_call()) if classic else raw.greet())
            (peer,) = set(server.peers) - others
        else:
            raw, peer = await stack.enter_async_context(_lured(api, limits, classic=classic))
        target = Target(raw, peer, api)
        yield target
        assert await innocent.root.me().count == 7
        assert await kept.ping() == "pong"
        if not peer.closed:
            good = (
                classic_call((Kind.GET, ["count"]))
                if classic
                else [EXECUTE, None, [[GET, "count"]]]
            )
            answer = await raw.exchange(good)
            assert (answer["data"]["data"] if classic else answer[1]) == 7
        assert peer.statistics()["calls_running"] == 0
        assert peer.statistics()["imports"] == 0
        assert peer.statistics()["exports"] == (1 if classic and not peer.closed else 0)
        assert api.vault.asked == []


@contextlib.asynccontextmanager
async def _lured(
    api: API, limits: Limits | None, *, classic: bool
) -> AsyncIterator[tuple[RawPeer, Peer]]:
    """A client of ours that has connected to an attacker."""
    arrived: asyncio.Future[RawPeer] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def serve(raw: RawPeer) -> None:
        if not classic:
            await raw.greet()
        arrived.set_result(raw)
        if classic:
            await raw.until(lambda: raw.events)  # the answer to its ping goes out
        await done.wait()

    async with listening(serve) as address:
        peer = await proxyables.connect(address, export=api, limits=limits)
        raw = await arrived
        try:
            if classic:
                await raw.exchange(classic_call())
            yield raw, peer
        finally:
            peer.abort()
            await peer.wait_closed()
            done.set()


@contextlib.contextmanager
def about(*what: object) -> Iterator[None]:
    """Says with a failure which of many attacks it was."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the attack: {', '.join(map(str, what))}")
        raise


@pytest.fixture(autouse=True)
def every_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every single one told: thousands of attacks share a connection here."""
    monkeypatch.setattr("proxyables.peer.refusals.MOST", 1 << 30)


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    told = [each.getMessage() for each in caplog.records if each.name == "proxyables"]
    assert all(text.isprintable() and len(text) < 600 for text in told)
    return told


# -- names ----------------------------------------------------------------------------------------

NAMES: dict[str, Any] = {
    "a private name": "_secret",
    "the class": "__class__",
    "the dictionary": "__dict__",
    "the constructor": "__init__",
    "an attribute getter": "__getattribute__",
    "a reducer": "__reduce_ex__",
    "a mangled name": "_API__x",
    "bytes": b"__class__",
    "a number": 0,
    "a negative number": -1,
    "nil": None,
    "a flag": True,
    "a float": 1.5,
    "a list": ["__class__"],
    "a map": {"__class__": 1},
    "an empty text": "",
    "dots": "me.__class__",
    "an item": "me[0]",
    "a call": "me()",
    "a NUL": "count\0",
    "a NUL in front": "\0__class__",
    "a line end": "count\n",
    "a space": " count",
    "wide letters": "ｃｏｕｎｔ",
    "wide underscores": "＿＿class＿＿",
    "a ligature": "ﬁle",
    "a soft hyphen": "co\u00adunt",
    "right to left": "\u202ecount",
    "a very long one": "a" * 100_000,
    "a long private one": "_" * 100_000,
    "a template": "{0.__class__}",
    "a lone surrogate": "\ud800",
    "an object of ours": own(0),
    "a path on ours": chain(None, [GET, "vault"]),
    "a reference": ext(1, [1, 1]),
}


def positions(name: Any) -> dict[str, list[Any]]:
    """Returns chains that name `name` in every place where a chain can name something."""
    bad = name if type(name) is str else [GET, name]
    return {
        "as the root's": [bad],
        "in its long form": [[GET, name]],
        "inside": [[GET, "me"], [CALL, []], bad, [GET, "count"]],
        "to set": [[SET, name, 1]],
        "to delete": [[DEL, name]],
        "of a result": [[GET, "vault"], bad],
        "of a method": [[GET, "me"], bad],
        "in an argument": [[GET, "same"], [CALL, [chain(None, bad)]]],
        "deep in an argument": [[GET, "same"], [CALL, [{"k": [(1), [chain(None, bad)]]}]]],
        "in a keyword argument": [[GET, "same"], [CALL, [], {"k": chain(None, bad)}]],
        "in an argument's argument": [
            [GET, "same"],
            [CALL, [chain(None, [GET, "same"], [CALL, [chain(None, bad)]])]],
        ],
        "in an item's key": [[GET, "table"], [ITEM, chain(None, bad)]],
        "in a value to set": [[SET, "count", chain(None, bad)]],
        "in an operand": [[GET, "count"], [OPERATE, "add", [chain(None, bad)]]],
        "as an operation": [[OPERATE, name]],
        "before a stream": [bad, [STREAM, 5]],
        "before a description": [bad, [DESCRIBE]],
        "as a constructor's": [bad, [CONSTRUCT, []]],
    }


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_no_name_leads_out(direction: str, caplog: pytest.LogCaptureFixture) -> None:
    async with attacked(direction) as target:
        for name, value in NAMES.items():
            for place, steps in positions(value).items():
                with about(name, place):
                    caplog.clear()
                    data = msgpack.packb([EXECUTE, None, steps], unicode_errors="surrogatepass")
                    assert await target.refused(data) in REFUSALS
                    assert len(refusals(caplog)) == 1


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_no_keyword_and_no_item_key_leads_out(
    direction: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with attacked(direction) as target:
        for name, value in NAMES.items():
            if not isinstance(value, str) or not value:
                continue
            call = [[GET, "same"], [CALL, [], {value: 1}]]
            places = [call, [[GET, "same"], [CALL, [chain(None, *call)]]]]
            if value.startswith("__") and value.endswith("__") and len(value) < 50:
                # A class that hands out its own one-underscore names does so by its author's will.
                for step in ([ITEM, value], [SETITEM, value, 1], [DELITEM, value]):
                    places.append([[GET, "vault"], step])
            for steps in places:
                with about(name, steps):
                    caplog.clear()
                    data = msgpack.packb([EXECUTE, None, steps], unicode_errors="surrogatepass")
                    assert await target.refused(data) in REFUSALS
                    assert len(refusals(caplog)) == 1


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_no_name_leads_out_in_the_classic_dialect(
    direction: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with attacked(direction, classic=True) as target:
        for name, value in NAMES.items():
            get = (Kind.GET, [value])
            for steps in (
                [get],
                [(Kind.GET, ["me"]), (Kind.APPLY, []), get, (Kind.GET, ["count"])],
                [(Kind.GET, ["me"]), get],
                [get, (Kind.APPLY, [])],
                [get, (Kind.CONSTRUCT, [])],
            ):
                with about(name, steps):
                    caplog.clear()
                    data = msgpack.packb(classic_call(*steps), unicode_errors="surrogatepass")
                    text = await target.refused_classic(data)
                    if type(value) is int and "denied" not in text:
                        assert "is not subscriptable" in text  # a position, and Python's own words
                    else:
                        assert len(refusals(caplog)) == 1


WALKS: dict[str, list[Any]] = {
    "the function of a method": [[GET, "me"], [GET, "__func__"]],
    "the globals of a function": [[GET, "static"], [GET, "__globals__"]],
    "the code of a function": [[GET, "static"], [GET, "__code__"]],
    "the self of a method": [[GET, "me"], [GET, "__self__"]],
    "the frame of a generator": [[GET, "rows"], [CALL, []], [GET, "gi_frame"]],
    "the traceback of an exception": [[GET, "error"], [CALL, []], [GET, "__traceback__"]],
    "a new traceback": [[GET, "error"], [CALL, []], [GET, "with_traceback"]],
    "a module": [[GET, "module"]],
    "through a module": [[GET, "module"], [GET, "sys"]],
    "a logger": [[GET, "log"]],
    "through a logger": [[GET, "log"], [GET, "manager"]],
    "str.format": [[GET, "text"], [GET, "format"], [CALL, [own(0)]]],
    "str.format_map": [[GET, "text"], [GET, "format_map"], [CALL, [own(0)]]],
    "a template on the left": [
        [GET, "text"],
        [OPERATE, "mod", [chain(None, [GET, "vault"])]],
    ],
    "a template on the right": [[GET, "vault"], [OPERATE, "rmod", ["%(_password)s"]]],
    "a template of the attacker's": [
        [GET, "same"],
        [CALL, ["%(__dict__)s"]],
        [OPERATE, "mod", [chain(None, [GET, "vault"])]],
    ],
    "a template of bytes": [[GET, "vault"], [OPERATE, "rmod", [b"%(_password)s"]]],
    "an operation out of the table": [[OPERATE, "__getattribute__", ["_secret"]]],
    "an attribute getter as operation": [[OPERATE, "getattr", ["_secret"]]],
    "an evaluator as operation": [[OPERATE, "eval", ["1"]]],
    "to replace a method": [[SET, "same", 1]],
    "to replace the class": [[SET, "__class__", 1]],
    "to delete a method": [[DEL, "same"]],
    "to change a method": [[GET, "same"], [SET, "x", 1]],
    "a lookup of the other dialect": [[-1, "_secret"]],
    "our object in the place of a step": [own(0)],
    "our object in the place of a step's number": [[own(0), "count"]],
    "our object as keyword arguments": [[GET, "same"], [CALL, [], chain(None, [GET, "vault"])]],
    "our object as arguments": [[GET, "same"], [CALL, own(0)]],
    "our object as an operation": [[OPERATE, own(0)]],
    "a text as long as all memory": [[GET, "text"], [GET, "ljust"], [CALL, [10**12]]],
    "a text with room for tabs": [
        [GET, "same"],
        [CALL, ["\t"]],
        [GET, "expandtabs"],
        [CALL, [], {"tabsize": 10**12}],
    ],
    "a number as long as all memory": [[GET, "count"], [OPERATE, "format", ["1000000000000d"]]],
    "a list as long as all memory": [
        [GET, "same"],
        [CALL, [[]]],
        [GET, "extend"],
        [CALL, [ext(9, [0, 10**12, 1])]],
    ],
    "a slice as long as all memory": [
        [GET, "same"],
        [CALL, [[]]],
        [SETITEM, 0, ext(9, [0, 10**12, 1])],
    ],
    "a decimal of a million digits": [
        [GET, "same"],
        [CALL, [ext(15, "1E+1000000")]],
        [OPERATE, "int"],
    ],
    "a boolean shifted": [[GET, "same"], [CALL, [True]], [OPERATE, "lshift", [20_000_000_000]]],
    "the power of a fraction": [[GET, "count"], [OPERATE, "pow", [ext(16, [10**9, 1])]]],
    "a search through a range": [
        [GET, "same"],
        [CALL, [ext(9, [0, 10**18, 1])]],
        [OPERATE, "contains", [0.5]],
    ],
    "an array as long as all memory": [
        [GET, "same"],
        [CALL, [ext(23, [0, "<b", [1], b"a"])]],
        [OPERATE, "mul", [3_000_000_000]],
    ],
    "a stream inside an argument": [
        [GET, "same"],
        [CALL, [chain(None, [GET, "rows"], [STREAM, 1])]],
    ],
    "a stream in mid-chain": [[GET, "table"], [STREAM, 1], [GET, "x"]],
    "an unknown step": [[99]],
    "a malformed argument list": [[GET, "same"], [CALL, {"a": 1}]],
    "100,000 steps": [[GET, "me"]] * 100_000,
}


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_no_walk_leads_out(direction: str, caplog: pytest.LogCaptureFixture) -> None:
    async with attacked(direction) as target:
        for name, steps in WALKS.items():
            through = [[GET, "same"], [CALL, [chain(None, *steps)]]]
            for each in (steps, through) if len(steps) < 100 else (steps,):
                with about(name):
                    caplog.clear()
                    assert await target.refused([EXECUTE, None, each]) in REFUSALS
                    assert len(refusals(caplog)) == 1


@on_both_loops
async def test_the_log_tells_why_and_the_peer_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with attacked("to the server") as target:
        answer = await target.raw.execute([GET, "_secret"])
        assert answer[1]["message"] == "access to '_secret' is denied"
        (told,) = refusals(caplog)
        assert "the name is private" in told
        missing = await target.raw.execute([GET, "_no_such_name"])
        assert missing[1]["message"] == "access to '_no_such_name' is denied"


# -- references -----------------------------------------------------------------------------------

FORGED: dict[str, Any] = {
    "never lent": 1,
    "far off": 10**6,
    "negative": -2,
    "the largest": (1 << 64) - 1,
    "a big integer": Ext(4, b"\x7f" * 5000),
    "a text": "1",
    "empty": "",
    "bytes": b"1",
    "a flag": True,
    "a float": 1.0,
    "a list": [1],
    "a map": {1: 1},
    "a tuple": ext(5, [1]),
    "our own object": own(0),
    "a path": chain(None, [GET, "vault"]),
    "a reference of theirs": ext(1, [1, 1]),
}


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_a_forged_reference_leads_nowhere(
    direction: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with attacked(direction) as target:
        for name, forged in FORGED.items():
            for message in (
                [EXECUTE, forged, [[GET, "ping"]]],
                [EXECUTE, None, [[GET, "same"], [CALL, [own(forged)]]]],
                [EXECUTE, None, [[GET, "same"], [CALL, [{"k": [own(forged)]}]]]],
                [EXECUTE, None, [[GET, "same"], [CALL, [], {"k": own(forged)}]]],
                [EXECUTE, None, [[GET, "same"], [CALL, [chain(forged, [GET, "ping"])]]]],
                [EXECUTE, None, [[GET, "table"], [ITEM, own(forged)]]],
                [EXECUTE, None, [[SET, "count", own(forged)]]],
            ):
                with about(name, message):
                    caplog.clear()
                    assert await target.refused(message) in REFUSALS
                    assert len(refusals(caplog)) == 1
        assert target.api.count == 7


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_a_forged_classic_reference_leads_nowhere(direction: str) -> None:
    async with attacked(direction, classic=True) as target:
        for name, forged in FORGED.items():
            with about(name):
                steps = [instruction(Value.REFERENCE, forged), instruction(Kind.GET, ["ping"])]
                text = await target.refused_classic(instruction(Kind.EXECUTE, steps))
                assert "no object is exported" in text or "malformed" in text
                if not isinstance(forged, str) or not forged:
                    call = (Kind.APPLY, [instruction(Value.REFERENCE, forged)])
                    text = await target.refused_classic(classic_call((Kind.GET, ["same"]), call))
                    assert "malformed reference" in text


@on_both_loops
async def test_a_reference_of_another_session_leads_nowhere() -> None:
    async with attacked("to the server") as target:
        server_side = target.raw
        answer = await server_side.execute([GET, "make"], [CALL, []])
        reference = msgpack.unpackb(answer[1].data)[0]
        assert await server_side.execute([GET, "ping"], [CALL, []], target=reference) == [
            RETURN,
            "pong",
        ]
        async with attacked("to the server") as other:
            assert await other.refused([EXECUTE, reference, [[GET, "ping"]]]) == "ReferenceNotFound"
        await server_side.send(server_side.session.open_stream(), [RELEASE, [reference, 1]])


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_an_object_given_back_while_a_call_on_it_runs_lives_until_its_end(
    direction: str,
) -> None:
    async with attacked(direction) as target:
        raw = target.raw
        answer = await raw.execute([GET, "make"], [CALL, []])
        reference = msgpack.unpackb(answer[1].data)[0]
        stream = raw.session.open_stream()
        steps = [[GET, "wait_for_it"], [CALL, [own(reference)]], [GET, "ping"], [CALL, []]]
        await raw.send(stream, [EXECUTE, None, steps])
        await raw.send(raw.session.open_stream(), [RELEASE, [reference, 1]])
        assert await target.refused([EXECUTE, reference, []]) == "ReferenceNotFound"
        target.api.waiting.set()
        assert await raw.message(stream) == [RETURN, "pong"]


RELEASES: dict[str, Any] = {
    "twice": [1, 1, 1, 1],
    "more than were lent": [1, 2],
    "by the million": [1, 1] * 100_000,
    "below zero": [1, -5],
    "none": [1, 0],
    "huge": [1, (1 << 64) - 1],
    "a big integer": [1, Ext(4, b"\x7f" * 5000)],
    "our own object": [own(0), 1],
    "a float": [1, 1.0],
    "a flag": [True, True],
    "a list": [[1], 1],
    "a map": {"a": 1},
}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", RELEASES)
@on_both_loops
async def test_who_gives_back_what_was_not_lent_is_cut_off(
    direction: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with attacked(direction) as target:
        raw = target.raw
        await raw.execute([GET, "make"], [CALL, []])
        await raw.send(raw.session.open_stream(), [RELEASE, RELEASES[name]])
        await raw.until_over()
        await target.peer.wait_closed()
        with pytest.raises(proxyables.PeerProtocolError, match=r"release of|malformed RELEASE"):
            await target.peer.root.x
        assert len(refusals(caplog)) == 1


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_classic_peers_may_lose_count_and_hurt_nobody(direction: str) -> None:
    async with attacked(direction, classic=True) as target:
        raw = target.raw
        answer = await raw.exchange(classic_call((Kind.GET, ["make"]), (Kind.APPLY, [])))
        reference = answer["data"]["data"]
        for _ in range(20):
            await raw.exchange(instruction(Kind.RELEASE, [reference]))
        text = await target.refused_classic(
            instruction(Kind.EXECUTE, [instruction(Value.REFERENCE, reference)])
        )
        assert "no object is exported" in text


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_a_flood_of_references_stops_at_the_limit(direction: str) -> None:
    limits = Limits(max_references=20)
    async with attacked(direction, limits=limits) as target:
        raw = target.raw
        flood = [EXECUTE, None, [[GET, "same"], [CALL, [[ext(1, [n, 1]) for n in range(1, 50)]]]]]
        assert await target.refused(flood) == "LimitExceeded"
        kept = []
        for _ in range(20):
            answer = await raw.execute([GET, "make"], [CALL, []])
            kept.append(msgpack.unpackb(answer[1].data)[0])
        assert await target.refused([EXECUTE, None, [[GET, "make"], [CALL, []]]]) == "LimitExceeded"
        assert target.peer.snapshot() == {"entries": 20, "retains": 20}
        counts = [number for reference in kept for number in (reference, 1)]
        await raw.send(raw.session.open_stream(), [RELEASE, counts])


# -- encoding -------------------------------------------------------------------------------------


def nested(levels: int, code: int) -> Any:
    payload = msgpack.packb(1)
    for _ in range(levels):
        payload = msgpack.packb(Ext(code, payload))
    return Ext(code, payload)


def chains(levels: int) -> Any:
    """Returns a chain in an argument of a chain in an argument …"""
    inner = chain(None, [GET, "count"])
    for _ in range(levels):
        inner = chain(None, [GET, "same"], [CALL, [inner]])
    return inner


VALUES: dict[str, Any] = {
    "nested lists": b"\x91" * 5000 + b"\x01",
    "nested maps": b"\x81\x01" * 5000 + b"\x01",
    "nested tuples": nested(200, 5),
    "nested sets": nested(200, 6),
    "nested unknown extensions": nested(200, 99),
    "nested chains": chains(200),
    "invalid UTF-8": b"\xa2\xff\xfe",
    "an unhashable key": b"\x81\x90\x01",
    "a byte of no meaning": b"\xc1",
    "a set of lists": ext(6, [[1]]),
    "a set of maps": ext(6, [{}]),
    "a tuple that is a number": ext(5, 5),
    "an extension of nothing": Ext(5, b""),
    "an extension with bytes behind": Ext(5, b"\x90\x90"),
    "a truncated extension": Ext(5, b"\x92\x01"),
    "a promise in an extension": Ext(5, b"\xdd\xff\xff\xff\xff"),
    "a timestamp out of range": b"\xc7\x0c\xff" + b"\xff" * 12,
    "a timestamp of a strange size": b"\xc7\x05\xff" + b"\xff" * 5,
    "a date that is none": ext(11, [2024, 2, 30]),
    "a year too many": ext(11, [10**6, 1, 1]),
    "a time with extra fields": ext(12, [1, 2, 3, 4, 0, None, 5]),
    "a time with missing fields": ext(12, [1, 2]),
    "a zone that is a path": ext(13, [2024, 1, 1, 0, 0, 0, 0, 0, ["../../etc/passwd", None, 3]]),
    "a zone of a day": ext(12, [1, 2, 3, 4, 0, 86_400.0]),
    "a delta beyond all": ext(14, [10**18, 0, 0]),
    "a huge decimal": ext(15, "1e999999999"),
    "a long decimal": ext(15, "1" * 200_000),
    "a decimal that is none": ext(15, "one"),
    "a fraction by zero": ext(16, [1, 0]),
    "a uuid too short": ext(17, b"1"),
    "a range without steps": ext(9, [1, 2, 0]),
    "a path of another world": ext(18, ["amiga", "x:"]),
    "a huge integer": Ext(4, b"\x7f" * 100_000),
    "an array that lies of its shape": ext(23, [1, "<f8", [10**9], b"12345678"]),
    "an array of negative shape": ext(23, [1, "<f8", [-1], b"12345678"]),
    "an array of objects": ext(23, [1, "|O", [1], b"12345678"]),
    "an array of records with objects": ext(23, [1, "<i4,O", [1], bytes(12)]),
    "an array of a strange kind": ext(23, [1, "<i4,<(1 2)i4", [1], bytes(12)]),
    "an array of nothing known": ext(23, [7, "zz", [1], b"1"]),
    "a singleton of the attacker's": ext(24, "exit"),
    "a class by name": ext(20, [5, {}]),
    "a member by number": ext(19, [5, 5, 5]),
    "a reference that is a text": ext(1, ["x", 1]),
    "a reference of a negative type": ext(1, [1, -1]),
    "a reference with too much": ext(1, [1, 1, {}, 4]),
    "a chain without steps": ext(3, [None]),
    "a chain whose steps are a map": ext(3, [None, {}]),
}


def packed(value: Any) -> bytes:
    data: bytes = value if isinstance(value, bytes) else msgpack.packb(value)
    return data


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_a_malformed_value_fails_its_call_only(
    direction: str, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"\x93\x03\xc0\x92" + msgpack.packb([GET, "same"])
    places = {
        "an argument": b"\x92\x02\x91",
        "inside of an argument": b"\x92\x02\x91\x91\x81\xa1k",
        "a keyword argument": b"\x93\x02\x90\x81\xa1k",
        "an item's key": b"\x92\x03",
    }
    async with attacked(direction) as target:
        for name, value in VALUES.items():
            for place, start in places.items():
                with about(name, place):
                    caplog.clear()
                    assert await target.refused(head + start + packed(value)) in REFUSALS
                    assert len(refusals(caplog)) == 1


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_every_truncation_waits_and_costs_nothing(direction: str) -> None:
    argument = {"k": [1, "x", ext(5, [ext(5, [2])])]}
    whole = msgpack.packb([EXECUTE, None, [[GET, "same"], [CALL, [argument]]]])
    async with attacked(direction) as target:
        raw = target.raw
        for end in range(1, len(whole)):
            stream = raw.session.open_stream()
            raw.session.send(stream, whole[:end])
            raw.session.reset(stream)
        await raw.write(b"")
        assert (await raw.exchange(whole))[0] == RETURN


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_bytes_behind_a_request_are_the_next_one(direction: str) -> None:
    async with attacked(direction) as target:
        raw = target.raw
        stream = raw.session.open_stream()
        one = msgpack.packb([EXECUTE, None, [[GET, "count"]]])
        await raw.send(stream, one + one + one[:3])
        assert await raw.message(stream) == [RETURN, 7]
        assert await raw.message(stream) == [RETURN, 7]
        await raw.send(stream, one[3:])
        assert await raw.message(stream) == [RETURN, 7]


CLASSIC_VALUES: dict[str, bytes] = {
    "nested lists": b"\x91" * 100 + b"\x01",
    "nested maps": b"\x81\xa1k" * 100 + b"\x01",
    "nested beyond the scanner": b"\x91" * 5000 + b"\x01",
    "invalid UTF-8": b"\xa2\xff\xfe",
    "an unhashable key": b"\x81\x90\x01",
    "a byte of no meaning": b"\xc1",
    "an extension": packed(Ext(5, b"\x90")),
    "a timestamp": b"\xd6\xff" + bytes(4),
    "a timestamp out of range": b"\xc7\x0c\xff" + b"\xff" * 12,
    "a reference by number": packed(instruction(Value.REFERENCE, 5)),
    "a reference without an id": packed(instruction(Value.REFERENCE)),
    "a very long reference": packed(instruction(Value.REFERENCE, "x" * 100_000)),
    "an integer that is none": packed(instruction(Value.BIGINT, "x")),
    "a huge integer": packed(instruction(Value.BIGINT, "9" * 100_000)),
}


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_a_malformed_value_fails_its_call_only_in_the_classic_dialect(
    direction: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = packed(classic_call((Kind.GET, ["same"]), (Kind.APPLY, ["HERE"])))
    async with attacked(direction, classic=True) as target:
        for name, value in CLASSIC_VALUES.items():
            with about(name):
                caplog.clear()
                await target.refused_classic(whole.replace(packed("HERE"), value))
                assert len(refusals(caplog)) == 1


@on_both_loops
async def test_duplicate_keys_are_the_last_of_them() -> None:
    async with attacked("to the server") as target:
        data = packed([EXECUTE, None, [[GET, "same"], [CALL, ["HERE"]]]])
        answer = await target.raw.exchange(data.replace(packed("HERE"), b"\x82\xa1k\x01\xa1k\x02"))
        assert answer == [RETURN, {"k": 2}]


@pytest.mark.parametrize("direction", DIRECTIONS)
@on_both_loops
async def test_promises_and_beginnings_take_no_memory(direction: str) -> None:
    async with attacked(direction) as target:
        raw = target.raw
        await raw.execute([GET, "count"])
        gc.collect()
        tracemalloc.start()
        try:
            for header in (b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9"):
                for _ in range(100):
                    stream = raw.session.open_stream()
                    raw.session.send(stream, b"\x93\x03\xc0" + header + b"\xff" * 4 + b"\x05")
                await raw.write(b"")
            await raw.execute([GET, "count"])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 << 20, "for 500 streams and 5 kB"
        for stream in list(raw.session.streams.values()):
            raw.session.reset(stream)
        await raw.write(b"")


@on_both_loops
async def test_a_million_empty_elements_are_only_elements() -> None:
    async with attacked("to the server") as target:
        data = packed([EXECUTE, None, [[GET, "same"], [CALL, ["HERE"]], [OPERATE, "len"]]])
        million = b"\xdd" + (10**6).to_bytes(4, "big") + b"\x90" * 10**6
        assert await target.raw.exchange(data.replace(packed("HERE"), million)) == [RETURN, 10**6]


# -- sessions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", [[EXECUTE, None, [[GET, "count"]]], [RELEASE, [1, 1]], [2, b"x" * 32]]
)
@on_both_loops
async def test_nothing_is_reachable_without_the_secret(message: Any) -> None:
    api = API()
    async with proxyables.serve(api, "tcp://127.0.0.1:0", token="t") as server:
        async with dialled(server.addresses[0]) as raw:
            said = await raw.greet(demands="token")
            assert said[1]["demands"] == "token"
            assert b"hunter2" not in packed(said)
            await raw.send(raw.session.streams[1], message)
            await raw.until_over()
            assert b"\x04\x07" not in b"".join(raw.received.values())
        async with dialled(server.addresses[0]) as raw:
            answer = await raw.greet(demands="")
            assert (answer[0], answer[1]["type"]) == (THROW, "AuthenticationFailed")
            await raw.until_over()
        async with proxyables.connect(server.addresses[0], token="t") as peer:
            assert await peer.root.count == 7


@on_both_loops
async def test_a_secret_is_not_evaded_by_being_classic() -> None:
    limits = Limits(handshake_timeout=0.2)
    async with proxyables.serve(API(), "tcp://127.0.0.1:0", token="t", limits=limits) as server:
        count = classic_call((Kind.GET, ["count"]))
        async with dialled(server.addresses[0]) as raw:
            for _ in range(2):
                answer = await raw.exchange(count)
                assert answer["kind"] == Kind.THROW
                assert "a token is demanded" in answer["data"]["message"]
            await raw.until_over()
        async with dialled(server.addresses[0]) as raw:
            await raw.greet(demands="token")
            stream = raw.session.open_stream()
            await raw.send(stream, count)
            await raw.until_over()
            assert stream.id not in raw.received
