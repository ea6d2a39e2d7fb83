"""The px ping, the HELLO map with every field wrong in turn, and the proofs of AUTH."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from proxyables.errors import AuthenticationFailed, HandshakeFailed
from proxyables.wire.hello import (
    PING,
    Hello,
    check_proof,
    dump_hello,
    is_px_ping,
    load_hello,
    ping_version,
    prove,
)

GOOD = Hello(instance="i", root="shop", max_message=100, max_streams=5, features=("a", "b"))


def told(**changes: Any) -> dict[str, Any]:
    return dump_hello(GOOD) | changes


def test_the_ping_is_px_with_its_version() -> None:
    assert PING.to_bytes(4, "big") == b"PX\x01\x00"
    assert is_px_ping(PING)
    assert ping_version(PING) == 1
    assert is_px_ping(0x5058_0700)
    assert ping_version(0x5058_0700) == 7
    assert not any(is_px_ping(opaque) for opaque in (0, 1, 0x5057_0100, 0x6B65_6570, 2**32 - 1))


def test_a_hello_crosses_whole() -> None:
    loaded = load_hello(msgpack.unpackb(msgpack.packb(dump_hello(GOOD))))
    assert loaded == GOOD
    assert loaded.dialect == "px"


def test_each_hello_has_a_nonce_of_its_own_that_is_not_shown() -> None:
    first, second = Hello(), Hello()
    assert first.nonce != second.nonce
    assert len(first.nonce) == 32
    assert repr(first.nonce) not in repr(first)


def test_unknown_keys_are_ignored() -> None:
    assert load_hello(told(future={"x": [1]}, dialect="classic", __class__=1)) == GOOD


@pytest.mark.parametrize("key", [key for key in dump_hello(GOOD) if key != "features"])
def test_no_field_may_be_missing(key: str) -> None:
    short = told()
    del short[key]
    with pytest.raises(HandshakeFailed, match="version None" if key == "version" else key):
        load_hello(short)


@pytest.mark.parametrize("key", [key for key in dump_hello(GOOD) if key != "features"])
@pytest.mark.parametrize("value", [None, [], {}, 1.0, True, "x", b"x", 7], ids=repr)
def test_no_field_may_have_another_type(key: str, value: Any) -> None:
    fits = isinstance(value, type(told()[key])) and not isinstance(value, bool)
    if fits and key not in ("version", "nonce"):
        assert getattr(load_hello(told(**{key: value})), key) == value
        return
    with pytest.raises(HandshakeFailed):
        load_hello(told(**{key: value}))


@pytest.mark.parametrize("key", ["software", "language", "instance", "root", "demands"])
def test_texts_are_short(key: str) -> None:
    load_hello(told(**{key: "x" * 256}))
    with pytest.raises(HandshakeFailed, match=f"malformed {key}") as caught:
        load_hello(told(**{key: "x" * 1_000_000}))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("key", ["max_message", "max_streams"])
@pytest.mark.parametrize("value", [0, -1])
def test_bounds_are_positive(key: str, value: int) -> None:
    with pytest.raises(HandshakeFailed, match=f"malformed {key}: {value}"):
        load_hello(told(**{key: value}))


@pytest.mark.parametrize("nonce", [b"", bytes(31), bytes(33), bytes(1000)], ids=len)
def test_a_nonce_has_32_bytes(nonce: bytes) -> None:
    with pytest.raises(HandshakeFailed, match="nonce"):
        load_hello(told(nonce=nonce))


@pytest.mark.parametrize("version", [0, 2, -1, 2**64 - 1, "1", None, [1], "x" * 10**6], ids=str)
def test_another_version_is_named_beside_ours(version: Any) -> None:
    with pytest.raises(HandshakeFailed, match=r"protocol version .*, this side speaks 1") as caught:
        load_hello(told(version=version))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("whole", [None, 5, "hello", b"", [], [1, 2], msgpack.ExtType(2, b"\0")])
def test_what_is_no_map_is_refused(whole: Any) -> None:
    with pytest.raises(HandshakeFailed, match="HELLO is malformed"):
        load_hello(whole)


@pytest.mark.parametrize(
    ("features", "kept"),
    [
        (None, ()),
        ("text", ()),
        ({"a": 1}, ()),
        (["a", 5, None, "b"], ("a", "b")),
        (["x" * 100], ("x" * 64,)),
        ([str(n) for n in range(1000)], tuple(str(n) for n in range(64))),
    ],
)
def test_features_are_what_can_be_understood_of_them(features: Any, kept: Any) -> None:
    assert load_hello(told(features=features)).features == kept


# -- AUTH -----------------------------------------------------------------------------------------

OURS, THEIRS = bytes(32), b"\1" * 32
PROOF = prove(b"secret", "client", OURS, THEIRS)


def test_a_proof_is_accepted_by_who_knows_the_secret() -> None:
    check_proof(PROOF, b"secret", "client", OURS, THEIRS)
    assert b"secret" not in PROOF
    assert len(PROOF) == 32


@pytest.mark.parametrize(
    ("token", "role", "client", "server"),
    [
        (b"other", "client", OURS, THEIRS),
        (b"", "client", OURS, THEIRS),
        (b"secret", "server", OURS, THEIRS),
        (b"secret", "client", THEIRS, OURS),
        (b"secret", "client", OURS, OURS),
        (b"secret", "client", b"\2" * 32, THEIRS),
    ],
)
def test_a_proof_is_good_for_one_secret_role_and_session(
    token: bytes, role: str, client: bytes, server: bytes
) -> None:
    with pytest.raises(AuthenticationFailed, match=f"the {role} does not know the token"):
        check_proof(PROOF, token, role, client, server)


@pytest.mark.parametrize("proof", [None, "", b"", PROOF[:-1], PROOF + b"\0", PROOF.hex(), [PROOF]])
def test_what_is_no_proof_is_refused(proof: Any) -> None:
    with pytest.raises(AuthenticationFailed):
        check_proof(proof, b"secret", "client", OURS, THEIRS)
