"""What the harness names: its scenarios, and what each of them is to give."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PROTOCOL = "parity-json-v1"
LANGUAGE = "py"
ROOT_NAME = "parity"
"""What the root object of a serving agent of this make is called: so its likes know it."""

ABORT = "ParityAbortTransport"
"""Has the server abort the connection that asks. It is none of the harness's: only agents of this
make serve it, and ask for it."""
CALLBACK_TEXT = "callback:value"
_COUNTED = ("exportedEntries", "exportedRetains")
_PATTERN = "proxyables:0123456789:abcdefghijklmnopqrstuvwxyz:"


@dataclass(frozen=True)
class Sizes:
    """How much of it: references to churn, characters of a payload, callers at once."""

    churn: int = 32
    payload: int = 32768
    concurrency: int = 8


def payload(size: int) -> str:
    """Returns the payload of `size` characters, each of which is one byte."""
    return (_PATTERN * (size // len(_PATTERN) + 1))[:size]


def digest(data: bytes) -> str:
    """Returns what the harness knows a payload by."""
    return hashlib.sha256(data).hexdigest()


def _payload_report(sizes: Sizes) -> dict[str, Any]:
    data = payload(sizes.payload).encode()
    return {"bytes": len(data), "digest": digest(data), "ok": True}


def _counts(peak: int, **more: Any) -> dict[str, Any]:
    return {"baseline": 0, "peak": peak, "final": 0, **more}


_Expectation = Callable[[Sizes], Any]

_FUNCTIONAL: dict[str, _Expectation] = {
    "GetScalars": lambda _: {
        "intValue": 42,
        "boolValue": True,
        "stringValue": "hello",
        "nullValue": None,
    },
    "CallAdd": lambda _: 42,
    "NestedObjectAccess": lambda _: {"label": "nested", "pong": "pong"},
    "ConstructGreeter": lambda _: "Hello World",
    "CallbackRoundtrip": lambda _: CALLBACK_TEXT,
    "ObjectArgumentRoundtrip": lambda _: "helper:Ada",
    "ErrorPropagation": lambda _: "Boom",
    "SharedReferenceConsistency": lambda _: {
        "firstKind": "shared",
        "secondKind": "shared",
        "firstValue": "shared",
        "secondValue": "shared",
    },
}
_RELEASE: dict[str, _Expectation] = {
    "ExplicitRelease": lambda _: {"before": 0, "after": 0, "acquired": 2},
    "AliasRetainRelease": lambda _: _counts(1, afterFirstRelease=1, released=True),
    "UseAfterRelease": lambda _: _counts(1, released=True, error="released"),
    "SessionCloseCleanup": lambda _: _counts(2, cleaned=True),
    "ErrorPathNoLeak": lambda _: _counts(2, error="Boom", cleaned=True),
    "ReferenceChurnSoak": lambda sizes: _counts(sizes.churn, iterations=sizes.churn, stable=True),
    "AutomaticReleaseAfterDrop": lambda _: _counts(1, released=True, eventual=True),
    "FinalizerEventualCleanup": lambda _: _counts(1, released=True, eventual=True),
    "CallbackReferenceCleanup": lambda _: _counts(2, released=True),
    "AbruptDisconnectCleanup": lambda _: _counts(1, cleaned=True),
}
_STRESS: dict[str, _Expectation] = {
    "ServerAbortInFlight": lambda _: {
        "code": "TransportClosed",
        "message": "server aborted transport",
    },
    "ConcurrentSharedReference": lambda sizes: _counts(
        1,
        consistent=True,
        concurrency=sizes.concurrency,
        values=["shared"] * sizes.concurrency,
    ),
    "ConcurrentCallbackFanout": lambda sizes: {
        "consistent": True,
        "concurrency": sizes.concurrency,
        "values": [CALLBACK_TEXT] * sizes.concurrency,
    },
    "ReleaseUseRace": lambda _: {
        "outcome": "transportClosed",
        "code": "TransportClosed",
        "message": "transport closed",
        "concurrency": 2,
    },
    "LargePayloadRoundtrip": _payload_report,
    "DeepObjectGraph": lambda _: {"label": "deep", "answer": 42, "echo": "echo deep"},
    "SlowConsumerBackpressure": lambda sizes: {**_payload_report(sizes), "delayed": True},
}
_STATE: dict[str, _Expectation] = {
    "ParityDebugState": lambda _: None,  # JSON in a string: see `find_fault`
    "ParityResetState": lambda _: "ok",
    "ParityGetShared": lambda _: {"kind": "shared", "value": "shared"},
    "ParityGetDeepGraph": lambda _: {"label": "deep"},
    "ParityGetLargePayload": lambda sizes: payload(sizes.payload),
    "ParityTracePath": lambda _: None,  # as well
}
_EXPECTED = {**_FUNCTIONAL, **_RELEASE, **_STRESS, **_STATE}
_BY_KEY = {name.lower(): name for name in _EXPECTED}

NAMES = list(_EXPECTED)
"""Every scenario of the harness."""
PROFILES = {
    "functional": list(_FUNCTIONAL),
    "release": list(_RELEASE),
    "stress": list(_STRESS),
    "multihop": [*_FUNCTIONAL, "ParityTracePath"],
}
"""What is driven where the harness names no scenarios."""


def canonical(name: object) -> str | None:
    """Returns the name of a scenario for any spelling of it, or None if there is none of it."""
    return _BY_KEY.get(name.replace("_", "").lower()) if isinstance(name, str) else None


def fields(name: str) -> list[str]:
    """Returns the fields of a scenario's result, if that is a map."""
    expected = _EXPECTED[name](Sizes()) if name in _EXPECTED else None
    return list(expected) if isinstance(expected, dict) else []


def find_fault(name: str, actual: Any, sizes: Sizes) -> str | None:
    """Returns what is wrong with the result of a scenario; None if nothing is.

    The harness leaves some of it open: with how many references `ExplicitRelease` begins, and what
    the callback of `ConcurrentCallbackFanout` is called with.
    """
    if name in ("ParityDebugState", "ParityTracePath"):
        return _find_fault_in_text(name, actual)
    expected = _EXPECTED[name](sizes)
    if name == "ExplicitRelease" and isinstance(actual, dict):
        expected["before"] = expected["after"] = actual.get("before")
    elif name == "ConcurrentCallbackFanout" and isinstance(actual, dict):
        values = actual.get("values")
        if isinstance(values, list) and len(values) == sizes.concurrency:
            expected["values"] = values
    if actual == expected:
        return None
    return f"expected {expected!r:.200}, got {actual!r:.200}"


def _find_fault_in_text(name: str, actual: object) -> str | None:
    """Looks at a result that is JSON in a string."""
    try:
        told = json.loads(actual) if isinstance(actual, str) else None
    except ValueError:
        told = None
    if name == "ParityTracePath":
        return None if told and isinstance(told, list) else f"not a path: {actual!r:.200}"
    if isinstance(told, dict) and all(isinstance(told.get(key), int) for key in _COUNTED):
        return None
    return f"no counts: {actual!r:.200}"
