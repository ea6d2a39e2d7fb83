"""The recorded sessions of the other implementations, as frames, messages and results."""

from __future__ import annotations

import ast
import functools
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from proxyables.wire.kinds import ProxyValueKinds as Value

DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
HEADER = struct.Struct("!BBHII")
IMPLEMENTATIONS = ("py", "go", "ts")
REMOTE = "a remote object"
"""Stands for any reference: its id is different each time."""


class Frame(NamedTuple):
    """One Yamux frame, parsed here by the specification and not by the code under test."""

    type: int
    flags: int
    stream: int
    length: int
    payload: bytes = b""

    @property
    def raw(self) -> bytes:
        return HEADER.pack(0, *self[:4]) + self.payload


class Message(NamedTuple):
    """One whole message of a recording, and the sizes of the pieces in which it travelled."""

    from_client: bool
    stream: int
    data: bytes
    pieces: tuple[int, ...]

    @property
    def content(self) -> Any:
        return unpack(self.data)

    @property
    def is_request(self) -> bool:
        return self.from_client == bool(self.stream & 1)


class Recording(NamedTuple):
    """One case between two implementations."""

    client: str
    server: str
    case: str
    frames: tuple[tuple[bool, Frame], ...]
    """Whether the client sent it, and what."""
    result: tuple[str, ...] | None
    error: str | None

    @property
    def name(self) -> str:
        return f"{self.client}-{self.server}-{self.case}"

    def steps(self) -> Iterator[tuple[bool, Frame | Message]]:
        """The session in order; a message takes the place of the frame that makes it whole."""
        partial: dict[tuple[bool, int], list[bytes]] = {}
        for from_client, frame in self.frames:
            if frame.type != DATA or not frame.length:
                yield from_client, frame
                continue
            assert not frame.flags, "no recorded implementation puts flags on payloads"
            pieces = partial.setdefault((from_client, frame.stream), [])
            pieces.append(frame.payload)
            if is_whole(b"".join(pieces)):
                del partial[from_client, frame.stream]
                sizes = tuple(map(len, pieces))
                yield from_client, Message(from_client, frame.stream, b"".join(pieces), sizes)
        assert not partial, partial

    def messages(self) -> list[Message]:
        return [step for _, step in self.steps() if isinstance(step, Message)]

    def told(self) -> list[Any]:
        """What the client printed, as values."""
        assert self.result is not None, self.error
        return [_TOLD[self.client](text) for text in self.result]

    def told_error(self) -> str:
        """The message of the exception that the client got, without its language's decoration."""
        assert self.error is not None
        return self.error.removeprefix("Exception: ").removeprefix("Object: ")


@functools.cache
def load_pair(client: str, server: str) -> dict[str, Recording]:
    """Returns the recordings of one pair by case."""
    path = Path(__file__).parent / "vectors" / f"{client}-{server}.json"
    return {
        case: Recording(
            client,
            server,
            case,
            tuple((row[0] == ">", parse_frame(row[2:])) for row in told["frames"]),
            tuple(told["result"]) if "result" in told else None,
            told.get("error"),
        )
        for case, told in json.loads(path.read_text()).items()
    }


def every_recording() -> list[Recording]:
    """Returns all recordings of all pairs."""
    return [
        recording
        for client in IMPLEMENTATIONS
        for server in IMPLEMENTATIONS
        for recording in load_pair(client, server).values()
    ]


def parse_frame(text: str) -> Frame:
    """Returns the frame in ``HEADER[ PAYLOAD]``, both in hex."""
    header, _, payload = text.partition(" ")
    version, *fields = HEADER.unpack(bytes.fromhex(header))
    assert version == 0
    return Frame(*fields, bytes.fromhex(payload))


def unpack(data: bytes) -> Any:
    """Returns the MessagePack object in `data`."""
    return msgpack.unpackb(data, strict_map_key=False)


def is_whole(data: bytes) -> bool:
    """Whether `data` is one whole MessagePack object."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(data)
    try:
        unpacker.skip()
    except msgpack.OutOfData:
        return False
    assert unpacker.tell() == len(data), "more than one message"
    return True


# -- what messages mean ---------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Returns a wrapped value without its wrapping, `REMOTE` for a reference."""
    if not isinstance(value, dict) or "kind" not in value:
        return value
    return REMOTE if value["kind"] == Value.REFERENCE else value.get("data")


def references(content: Any) -> list[str]:
    """Returns the ids of all references inside, in order."""
    if isinstance(content, list):
        return [found for item in content for found in references(item)]
    if not isinstance(content, dict):
        return []
    if content.get("kind") == Value.REFERENCE:
        return [content["data"]]
    return references(list(content.values()))


def lent(content: Any) -> list[str]:
    """Returns the ids of the sender's own objects: references, but for the target of a chain."""
    if isinstance(content, dict) and content["kind"] == Kind.EXECUTE:
        return references([step for step in content["data"] if step["kind"] != Value.REFERENCE])
    return references(content)


def chain(content: Any) -> list[Any]:
    """Returns the steps of an EXECUTE: ``"name"`` for GET, ``[kind, args]`` for the others."""
    steps: list[Any] = []
    for step in content["data"]:
        if step["kind"] == Kind.GET:
            steps.append(str(step["data"][0]))  # Go and TypeScript send positions as strings
        elif step["kind"] != Value.REFERENCE:
            steps.append([Kind(step["kind"]).name, [plain(value) for value in step["data"]]])
    return steps


# -- what the clients printed ---------------------------------------------------------------------


def _told_by_python(text: str) -> Any:
    if text.startswith("<cursor"):
        return REMOTE
    return text if text.startswith("{") else ast.literal_eval(text)


def _told_by_go(text: str) -> Any:
    if text == "<cursor>":
        return REMOTE
    if text.startswith("{"):
        return text
    kind, _, value = text.partition(":")
    if kind == "[]uint8":
        return bytes(map(int, value.strip("[]").split()))
    if kind == "string":
        return value
    if kind.removeprefix("u").startswith("int"):
        return int(value)
    return {"<nil>": None, "true": True}[value] if value in ("<nil>", "true") else float(value)


def _told_by_typescript(text: str) -> Any:
    if text.startswith("ProxyableImport("):
        return REMOTE
    if text.startswith("<Buffer "):
        return bytes.fromhex(text.removeprefix("<Buffer ").removesuffix(">"))
    if text[0] in "'\"":
        return ast.literal_eval(text)
    if text.startswith("{"):
        return text
    return {"null": None, "undefined": None, "true": True}[text] if text.isalpha() else float(text)


_TOLD = {"py": _told_by_python, "go": _told_by_go, "ts": _told_by_typescript}
