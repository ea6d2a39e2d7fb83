"""Bytes from which fuzzing begins: what our own encoders write, and what others were heard to."""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import pathlib
import uuid
from typing import Any

from lenders import Lender, Path
from proxyables import Limits
from proxyables.wire.classic import Classic
from proxyables.wire.compact import Compact
from proxyables.wire.hello import PING, Hello, dump_hello
from proxyables.wire.instructions import CALL, COPY, GET, HELLO, ITEM, OPERATE, SET, STREAM
from proxyables.yamux import Session

_VECTORS = pathlib.Path(__file__).parent / "interop" / "vectors"
_ZONE = datetime.timezone(datetime.timedelta(hours=2))
_VALUES: list[Any] = [
    None,
    [True, 1.5, "é", b"x", {"k": [1, {2: 3}]}],
    (1, (2, {3}), frozenset({4}), 1 << 100, 1j, range(3), slice(1, None, 2)),
    [datetime.date(2024, 2, 29), datetime.time(1, 2, 3, 4, _ZONE), datetime.timedelta(1, 2, 3)],
    [
        datetime.datetime(2024, 1, 1, tzinfo=_ZONE),
        decimal.Decimal("1.50"),
        fractions.Fraction(1, 3),
    ],
    [uuid.UUID(int=1), pathlib.PurePosixPath("a/b"), ..., NotImplemented, memoryview(b"abc")],
    [ValueError("told", 1), object(), Path(1, []), Path(None, ["a", [CALL, [1]]])],
]


def _failed() -> BaseException:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ExceptionGroup("both", [ValueError("a"), OSError(2, "b", "c")]) from error
    except ExceptionGroup as error:
        error.add_note("a note")
        return error


def px_messages() -> list[bytes]:
    """Returns messages of each kind in the px dialect."""
    codec = Compact(Lender(), Limits())
    steps: list[Any] = ["a", [GET, "b"], [ITEM, "k"], [SET, "b", 1], [OPERATE, "add", [1]]]
    return [
        codec.encode_plain([HELLO, dump_hello(Hello(instance="x", root="r"))]),
        codec.encode_request(None, [*steps, [COPY]]),
        codec.encode_request(7, ["f", [CALL, [1, Path(None, steps)], {"k": 2}]], {"t": 1}),
        codec.encode_request(None, ["rows", [STREAM, 10]]),
        codec.encode_items([1, "x", (2,)]),
        codec.encode_throw(_failed()),
        *codec.encode_release([(1, 2), (3, 4)]),
        *(codec.encode_return(value) for value in _VALUES),
    ]


def classic_messages() -> list[bytes]:
    """Returns messages of each kind in the classic dialect."""
    codec = Classic(Lender(), Limits())
    return [
        codec.encode_request("r", ["f", [CALL, [1, "x", None, [1.5], {"k": b"y"}, len]]]),
        codec.encode_request(None, ["a", [ITEM, 1]]),
        codec.encode_throw(_failed()),
        *codec.encode_release([("r", 2)]),
        *(codec.encode_return(value) for value in (None, True, 5, 1.5, "é", b"x", [1], object())),
    ]


def recorded() -> list[bytes]:
    """Returns what the other implementations sent in the recorded sessions: whole conversations,
    one for each direction."""
    heard: dict[bytes, None] = {}
    for file in sorted(_VECTORS.glob("*.json")):
        for case in json.loads(file.read_text()).values():
            for side in "><":
                lines = (line for line in case["frames"] if line.startswith(side))
                heard[b"".join(bytes.fromhex(line[1:].replace(" ", "")) for line in lines)] = None
    return [data for data in heard if data]


def sessions() -> list[bytes]:
    """Returns conversations as `invariants.check_session` takes them."""
    ours = Session(client=True)
    ours.ping(PING)
    for message in px_messages()[:6]:
        stream = ours.open_stream()
        ours.send(stream, message)
        ours.finish(stream)
    ours.reset(ours.open_stream())
    ours.go_away()
    small = [data for data in recorded() if len(data) < 2000]
    talks = [b"".join(ours.data_to_send()), *small[:: max(1, len(small) // 40)]]
    return [bytes([side, 6]) + talk for side in (0, 1) for talk in talks]


def messages() -> list[bytes]:
    """Returns messages of both dialects; those of others have their frames' heads taken away."""
    heard = [data[12:] for data in recorded() if 24 < len(data) < 2000]
    return px_messages() + classic_messages() + heard[:: max(1, len(heard) // 40)]
