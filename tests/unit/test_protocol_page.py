"""docs/reference/protocol.md says what the code does."""

from __future__ import annotations

import ast
import dataclasses
import enum
import re
from array import array
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgpack
import pytest

import proxyables
from proxyables.limits import MIB, Limits
from proxyables.objects.forms import chunk_size
from proxyables.peer import accommodations, portions
from proxyables.wire import hello, instructions, values
from proxyables.wire.classic import Classic
from proxyables.wire.compact import Compact
from proxyables.wire.dialect import Chain
from proxyables.wire.exceptions import dump_exception
from proxyables.wire.kinds import ProxyInstructionKinds, ProxyValueKinds
from proxyables.wire.payloads import NESTING
from proxyables.wire.registration import by_value
from proxyables.yamux import KEEPALIVE_OPAQUE, ROUND_TRIP_OPAQUE, frames

PAGE = (Path(__file__).parents[2] / "docs/reference/protocol.md").read_text()
LIMITS = Limits()
MESSAGES = ("HELLO", "AUTH", "EXECUTE", "RETURN", "THROW", "RELEASE", "ITEMS")


class Ext(NamedTuple):
    """An extension, in the page's notation and as the code decodes it."""

    number: int
    payload: Any


class Notes:
    """Tables of references that only note what they are asked for."""

    def borrow(self, reference: Any, kind: int, description: Any) -> Ext:
        return Ext(1, [reference, kind] if description is None else [reference, kind, description])

    def own(self, reference: Any) -> Ext:
        return Ext(2, reference)

    def lend(self, value: object) -> Any:
        raise AssertionError(f"nothing is lent on that page, {value!r} neither")

    def tell_type(self, value: object) -> list[Any]:
        raise AssertionError("nothing is lent on that page")

    def is_quiet(self, kind: type) -> bool:
        return True

    def check_key(self, value: object) -> None:
        raise AssertionError("the page has no objects of ours as keys")

    def path_to(self, value: object) -> None:
        return None


class Example(NamedTuple):
    notation: str
    data: bytes

    @property
    def value(self) -> Any:
        names = {"nil": None, "true": True, "false": False, "ext": Ext, "bin": bytes.fromhex}
        return eval(self.notation, {"__builtins__": {}}, names)


def examples() -> Iterator[Example]:
    for block in re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S):
        for paragraph in block.strip().split("\n\n"):
            notation, *lines = paragraph.splitlines()
            yield Example(notation, bytes.fromhex(" ".join(lines)))


def rows() -> Iterator[list[str]]:
    """Yields the cells of every row of every table, without the code marks."""
    for line in PAGE.splitlines():
        if line.startswith("|"):
            yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def numbers_of(module: Any) -> dict[str, int]:
    """Returns the constants that a module defines at its top, by name."""
    tree = ast.parse(Path(module.__file__).read_text())
    return {
        node.target.id: getattr(module, node.target.id)
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and type(getattr(module, node.target.id)) is int
    }


def packable(value: Any) -> Any:
    """Returns a value in which every extension is what msgpack packs."""
    if isinstance(value, Ext):
        return msgpack.ExtType(value.number, msgpack.packb(packable(value.payload)))
    if isinstance(value, list):
        return [packable(item) for item in value]
    if isinstance(value, dict):
        return {key: packable(item) for key, item in value.items()}
    return value


def plain(value: Any) -> Any:
    """Returns a decoded message in which every chain is written as the page writes it."""
    if isinstance(value, Chain):
        # It holds what it starts from, which is here what `Notes.own` makes of the reference.
        return Ext(3, [value.source.payload or None, plain(value.steps)])  # type: ignore[attr-defined]
    return [plain(item) for item in value] if type(value) is list else value


PX = [example for example in examples() if example.notation.startswith("[")]
CLASSIC = [example for example in examples() if example.notation.startswith("{")]


def test_the_page_has_its_examples() -> None:
    assert len(PX) >= 15
    assert len(CLASSIC) >= 2
    shown = {example.value[0] for example in PX}
    assert shown == {getattr(instructions, name) for name in MESSAGES} - {instructions.AUTH}


@pytest.mark.parametrize("example", [*PX, *CLASSIC], ids=lambda example: example.notation[:40])
def test_bytes_are_what_stands_above_them(example: Example) -> None:
    assert msgpack.packb(packable(example.value)).hex(" ") == example.data.hex(" ")


@pytest.mark.parametrize("example", PX, ids=lambda example: example.notation[:40])
def test_px_messages_decode_to_what_the_page_says(example: Example) -> None:
    dialect = Compact(Notes(), LIMITS)
    assert plain(dialect.decode(example.data)) == example.value


def test_requests_of_the_page_are_what_the_code_sends() -> None:
    dialect = Compact(Notes(), LIMITS)
    sent = [
        dialect.encode_request(example.value[1], example.value[2])
        for example in PX
        if example.value[0] == instructions.EXECUTE and "ext(" not in example.notation
    ]
    assert len(sent) >= 5
    assert set(sent) <= {example.data for example in PX}


def test_the_hello_of_the_page_is_understood() -> None:
    (told,) = (example.value[1] for example in PX if example.value[0] == instructions.HELLO)
    assert hello.dump_hello(hello.load_hello(told)) == told
    documented = {row[0] for row in rows() if row[1:2] in (["integer"], ["string"], ["binary"])}
    assert documented | {"features"} >= told.keys()


def test_the_throw_of_the_page_is_understood() -> None:
    (example,) = (example for example in PX if example.value[0] == instructions.THROW)
    dialect = Compact(Notes(), LIMITS)
    assert dialect.encode_throw(ValueError("no")) == example.data


def test_classic_messages_decode_to_what_the_page_says() -> None:
    dialect = Classic(Notes(), LIMITS)
    request, answer = CLASSIC
    steps = [[instructions.LOOKUP, "add"], [instructions.CALL, [2, 3]]]
    assert dialect.decode_request(request.data) == [instructions.EXECUTE, None, steps]
    assert dialect.decode_answer(answer.data) == [instructions.RETURN, 5]


def errors_of_the_page() -> list[tuple[str, str]]:
    section = PAGE.partition("**Errors of one exchange**")[2].partition("\n\nA malformed")[0]
    told = re.findall(r"^\|.*\| `(\w+)` \| `([\w.]+)` \|$", section, re.M)
    assert len(told) == section.count("\n| ") - 1  # but for the head
    return sorted(set(told))


@pytest.mark.parametrize(("name", "module"), errors_of_the_page())
def test_errors_have_the_module_that_the_page_says(name: str, module: str) -> None:
    kind = getattr(proxyables, name)
    error = kind("max_depth", 1, 2) if name == "LimitExceeded" else kind("no")
    told = dump_exception(error, LIMITS)
    assert (told["type"], told["module"]) == (name, module)


@pytest.mark.parametrize(
    "name", ["AuthenticationFailed", "HandshakeFailed", "PeerProtocolError", "LimitExceeded"]
)
def test_so_have_those_of_the_handshake(name: str) -> None:
    refusals = PAGE.partition("### AUTH")[2].partition("A client that refuses")[0]
    assert f"`{name}`" in refusals
    assert getattr(proxyables, name).__module__ in refusals


def test_every_message_and_step_number_stands_in_a_table() -> None:
    numbers = numbers_of(instructions)
    assert numbers.pop("LOOKUP") == -1
    assert numbers.pop("INSPECTOR") == -1  # a target, no message and no step
    assert len(numbers) >= 20
    told = {(row[0], row[1]) for row in rows() if len(row) > 1}
    assert {(str(number), name) for name, number in numbers.items()} <= told


def test_every_extension_number_stands_in_the_table() -> None:
    numbers = numbers_of(values)
    assert len(numbers) >= 24
    told = {(row[0], row[1]) for row in rows() if len(row) == 5}
    assert {(str(number), name) for name, number in numbers.items()} <= told


def values_of_the_page() -> list[tuple[str, str]]:
    return [(row[3], row[4]) for row in rows() if len(row) == 5 and row[0].isdigit() and row[3]]


@by_value(name="shop.Color")
class Color(enum.Enum):
    RED = 1


@by_value(name="shop.Point")
@dataclasses.dataclass
class Point:
    x: int
    y: int


@by_value(name="shop.Size")
class Size(NamedTuple):
    width: int
    height: int


@pytest.mark.parametrize(("written", "data"), values_of_the_page())
def test_values_have_the_bytes_of_the_table(written: str, data: str) -> None:
    types = (Decimal, Fraction, PurePosixPath, UUID, ZoneInfo, array)
    types += (date, datetime, time, timedelta, frozenset, range, slice)
    types += (Color, Point, Size)
    value = eval(written, {"__builtins__": {}}, {each.__name__: each for each in types})
    dialect = Compact(Notes(), LIMITS)
    message = dialect.encode_return(value)
    assert message[2:].hex(" ") == data
    loaded = dialect.decode(message)[1]
    assert loaded == value
    assert type(loaded) is type(value)


def test_every_value_with_a_row_has_an_example() -> None:
    shown = {msgpack.unpackb(bytes.fromhex(data)).code for _, data in values_of_the_page()}
    assert shown == values.LOADERS.keys() | {values.BIGINT}


def test_every_operation_is_in_the_tables_and_no_other() -> None:
    section = PAGE.partition("### Operations")[2].partition("\n### ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    told = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(told) == sorted([*instructions.OPERATIONS, "dir"])


@pytest.mark.parametrize("kind", [*ProxyInstructionKinds, *ProxyValueKinds])
def test_every_classic_kind_stands_in_a_table(kind: Any) -> None:
    assert [f"0x{kind:08x}", kind.name] in [row[:2] for row in rows()]


@pytest.mark.parametrize("role", ["client", "server"])
def test_the_proofs_of_the_page_are_right(role: str) -> None:
    nonces = bytes(range(32)), bytes(range(32, 64))
    proof = hello.prove(b"secret", role, *nonces).hex()
    assert [role, proof] in [row[:2] for row in rows()]


def test_the_constants_of_the_hello_stand_in_the_page() -> None:
    assert f"0x{hello.PING:08x}" in PAGE
    assert hello._AUTH_LABEL.decode() in PAGE
    assert f"{hello.NONCE_BYTES} random bytes" in PAGE
    assert f"the protocol version, {hello.VERSION}." in PAGE
    assert f"0x{KEEPALIVE_OPAQUE:08x}" in PAGE
    assert f"0x{ROUND_TRIP_OPAQUE:08x}" in PAGE
    assert f"0x{portions.PORTION_OPAQUE:08x}" in PAGE


def test_the_bounds_of_windows_and_portions_stand_in_the_page() -> None:
    assert f"at most {LIMITS.max_window >> 20} MiB (`max_window`)" in PAGE
    assert f"at most {LIMITS.window_budget >> 20} MiB\n  (`window_budget`)" in PAGE
    assert f"at most {portions.PORTION_BYTES >> 10} KiB together" in PAGE
    assert f"data frames of at most {portions.LARGEST_FRAME_BYTES >> 10} KiB" in PAGE
    assert f"At most {accommodations.MOST_STREAMS} calls" in PAGE
    assert f"fails after {accommodations.PATIENCE:g} s" in PAGE


def test_every_number_of_yamux_stands_in_a_table() -> None:
    numbers = numbers_of(frames)
    window = numbers.pop("INITIAL_WINDOW")
    assert f"{window // 1024} KiB (`INITIAL_WINDOW`, {window} bytes)" in PAGE
    told = {(row[0], row[1]) for row in rows() if len(row) > 1}
    inner = {name for name in numbers if name.startswith("SEND_")} | {
        "VERSION",
        "MAX_WINDOW",
        "HEADER_BYTES",
    }
    assert {(str(numbers[name]), name) for name in numbers.keys() - inner} <= told


def frames_of_the_page() -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in rows() if len(row) == 2 and "stream=" in row[1]]


@pytest.mark.parametrize(("data", "told"), frames_of_the_page())
def test_frames_are_what_stands_beside_them(data: str, told: str) -> None:
    version, kind, flags, stream, value = frames.HEADER.unpack(bytes.fromhex(data))
    name, flag, said_stream, said_value = told.split()
    assert version == frames.VERSION
    assert (kind, flags) == (getattr(frames, name), getattr(frames, flag))
    assert stream == int(said_stream.removeprefix("stream="))
    assert value == int(said_value.removeprefix("value="), 0)


def test_the_figures_are_the_defaults() -> None:
    assert f"`max_message` ({LIMITS.max_message // MIB} MiB)" in PAGE
    assert f"more than {LIMITS.max_steps} steps" in PAGE
    assert f"more than {LIMITS.max_integer_bits:,} bits" in PAGE
    assert f"more than {LIMITS.max_calls:,} calls" in PAGE
    assert f"at most {LIMITS.max_text:,} characters" in PAGE
    assert f"when {LIMITS.max_write_buffer // MIB} MiB wait" in PAGE
    assert f"nested {LIMITS.max_depth} extensions deep, and {NESTING}\n" in PAGE
    assert f"more than {LIMITS.max_depth} extensions inside one another" in PAGE
    assert f"more than {NESTING} arrays and maps inside one another" in PAGE
    assert f"or after {LIMITS.grace:g} s" in PAGE
    assert f"handshake time-out ({LIMITS.handshake_timeout:g} s)" in PAGE
    assert f"After {LIMITS.keepalive:g} s in which nothing arrived" in PAGE
    assert f"for another {LIMITS.keepalive_timeout:g} s" in PAGE
    assert f"at most {chunk_size([12, 10**9])})" in PAGE
