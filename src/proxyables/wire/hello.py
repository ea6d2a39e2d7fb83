"""Who is there: the ping that a px peer opens with, the HELLO map, and the AUTH proofs.

Sans-I/O and without state; `proxyables.peer.handshake` drives it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import field
from typing import Any, Final

from proxyables.errors import AuthenticationFailed, HandshakeFailed
from proxyables.frozen import frozen
from proxyables.version import __version__

VERSION: Final = 1
PING: Final = 0x5058_0000 | VERSION << 8
"""Opaque value of the first frame of a px peer: "PX", the protocol version, 0 for now."""
NONCE_BYTES: Final = 32
INSPECTS: Final = "inspect"
"""The feature of a side that takes `instructions.INSPECTOR`."""
_PING_MASK = 0xFFFF_0000
_AUTH_LABEL = b"proxyables-auth-v1:"


def is_px_ping(opaque: int) -> bool:
    """Whether a ping with this opaque value says that its sender is a px peer."""
    return opaque & _PING_MASK == PING & _PING_MASK


def ping_version(opaque: int) -> int:
    """Returns the protocol version in a px ping."""
    return opaque >> 8 & 0xFF


@frozen
class Hello:
    """What one side tells of itself, and what is known of a peer (`Peer.info`).

    Attributes:
        dialect: ``"px"`` or ``"classic"``.
        version: The protocol version; 0 for a classic peer.
        software: The implementation's name and version, as far as it is known.
        language: The language that it is written in, as far as it is known.
        pid: The peer's process id on its machine, 0 if it was not told.
        instance: Random, new for each server start, so that a restart can be noticed.
        root: A name for the root object; empty if there is none.
        max_message: Bytes of the largest message that it takes.
        max_streams: Streams that may be open towards it at once.
        features: What it can do beyond the version.
        demands: The authentication that it demands: ``""`` or ``"token"``.
        nonce: 32 random bytes for the proofs of AUTH.
    """

    dialect: str = "px"
    version: int = VERSION
    software: str = f"proxyables {__version__}"
    language: str = f"python {sys.version.partition(' ')[0]}"
    pid: int = field(default_factory=os.getpid)
    instance: str = ""
    root: str = ""
    max_message: int = 0
    max_streams: int = 0
    features: tuple[str, ...] = ()
    demands: str = ""
    nonce: bytes = field(default_factory=lambda: os.urandom(NONCE_BYTES), repr=False)


_KEYS: dict[str, type] = {
    "version": int,
    "software": str,
    "language": str,
    "pid": int,
    "instance": str,
    "root": str,
    "max_message": int,
    "max_streams": int,
    "demands": str,
    "nonce": bytes,
}


def dump_hello(hello: Hello) -> dict[str, Any]:
    """Returns the map of a HELLO message."""
    told = {key: getattr(hello, key) for key in _KEYS}
    told["features"] = list(hello.features)
    return told


def load_hello(told: object) -> Hello:
    """Returns what a HELLO map tells; unknown keys are ignored.

    Raises:
        HandshakeFailed: A field is missing or malformed, or the version is another one.
    """
    if not isinstance(told, dict):
        raise _malformed(f"HELLO is malformed: {str(told)[:40]!r}")
    version = told.get("version")
    if version != VERSION:
        raise HandshakeFailed(
            f"the peer speaks protocol version {str(version)[:20]}, this side speaks {VERSION}",
            reason="version",
        )
    fields: dict[str, Any] = {}
    for key, kind in _KEYS.items():
        value = told.get(key)
        if type(value) is not kind or (isinstance(value, (str, bytes)) and len(value) > 256):
            raise _malformed(f"HELLO has a malformed {key}: {str(value)[:40]!r}")
        fields[key] = value
    if len(fields["nonce"]) != NONCE_BYTES:
        raise _malformed("HELLO has a malformed nonce")
    for key in ("max_message", "max_streams"):
        if fields[key] < 1:
            raise _malformed(f"HELLO has a malformed {key}: {fields[key]}")
    features = told.get("features")
    names = features[:64] if isinstance(features, list) else []
    fields["features"] = tuple(name[:64] for name in names if isinstance(name, str))
    return Hello(**fields)


def _malformed(what: str) -> HandshakeFailed:
    return HandshakeFailed(f"the peer's {what}", reason="malformed")


def prove(token: bytes, role: str, client_nonce: bytes, server_nonce: bytes) -> bytes:
    """Returns the proof that `role` ("client" or "server") knows `token`.

    HMAC-SHA256 over a label, the role and both nonces: neither side ever sends the secret, and
    a proof cannot be sent back to its maker, nor used in another session.
    """
    import hashlib  # where there is no token, nothing is proved
    import hmac

    text = _AUTH_LABEL + role.encode() + b":" + client_nonce + server_nonce
    return hmac.new(token, text, hashlib.sha256).digest()


def check_proof(
    proof: object, token: bytes, role: str, client_nonce: bytes, server_nonce: bytes
) -> None:
    """Compares in constant time.

    Raises:
        AuthenticationFailed: The other side does not know the secret.
    """
    import hmac

    expected = prove(token, role, client_nonce, server_nonce)
    if not isinstance(proof, bytes) or not hmac.compare_digest(proof, expected):
        raise AuthenticationFailed(f"the {role} does not know the token")
