"""What each scenario of the parity agent must give, as the harness says it."""

from __future__ import annotations

from typing import Any

from interop.parity.scenarios import payload

DIGEST = "b4d3732c075315154dd99e8aae6830385c7caf136d2eb7d36b1d6ae0b8514576"
FUNCTIONAL: dict[str, Any] = {
    "GetScalars": {"intValue": 42, "boolValue": True, "stringValue": "hello", "nullValue": None},
    "CallAdd": 42,
    "NestedObjectAccess": {"label": "nested", "pong": "pong"},
    "ConstructGreeter": "Hello World",
    "CallbackRoundtrip": "callback:value",
    "ObjectArgumentRoundtrip": "helper:Ada",
    "ErrorPropagation": "Boom",
    "SharedReferenceConsistency": {
        "firstKind": "shared",
        "secondKind": "shared",
        "firstValue": "shared",
        "secondValue": "shared",
    },
}
DROPPED = {"baseline": 0, "peak": 1, "final": 0, "released": True, "eventual": True}
RELEASE: dict[str, Any] = {
    "ExplicitRelease": {"before": 0, "after": 0, "acquired": 2},
    "AliasRetainRelease": {
        "baseline": 0,
        "peak": 1,
        "afterFirstRelease": 1,
        "final": 0,
        "released": True,
    },
    "UseAfterRelease": {
        "baseline": 0,
        "peak": 1,
        "final": 0,
        "released": True,
        "error": "released",
    },
    "SessionCloseCleanup": {"baseline": 0, "peak": 2, "final": 0, "cleaned": True},
    "ErrorPathNoLeak": {"baseline": 0, "peak": 2, "final": 0, "error": "Boom", "cleaned": True},
    "ReferenceChurnSoak": {
        "baseline": 0,
        "peak": 32,
        "final": 0,
        "iterations": 32,
        "stable": True,
    },
    "AutomaticReleaseAfterDrop": DROPPED,
    "FinalizerEventualCleanup": DROPPED,
    "CallbackReferenceCleanup": {"baseline": 0, "peak": 2, "final": 0, "released": True},
    "AbruptDisconnectCleanup": {"baseline": 0, "peak": 1, "final": 0, "cleaned": True},
}
STRESS: dict[str, Any] = {
    "ServerAbortInFlight": {"code": "TransportClosed", "message": "server aborted transport"},
    "ConcurrentSharedReference": {
        "baseline": 0,
        "peak": 1,
        "final": 0,
        "consistent": True,
        "concurrency": 8,
        "values": ["shared"] * 8,
    },
    "ConcurrentCallbackFanout": {
        "consistent": True,
        "concurrency": 8,
        "values": ["callback:value"] * 8,
    },
    "ReleaseUseRace": {
        "outcome": "transportClosed",
        "code": "TransportClosed",
        "message": "transport closed",
        "concurrency": 2,
    },
    "LargePayloadRoundtrip": {"bytes": 32768, "digest": DIGEST, "ok": True},
    "DeepObjectGraph": {"label": "deep", "answer": 42, "echo": "echo deep"},
    "SlowConsumerBackpressure": {
        "bytes": 32768,
        "digest": DIGEST,
        "ok": True,
        "delayed": True,
    },
}
STATE: dict[str, Any] = {
    "ParityDebugState": '{"exportedEntries": 0, "exportedRetains": 0}',
    "ParityResetState": "ok",
    "ParityGetShared": {"kind": "shared", "value": "shared"},
    "ParityGetDeepGraph": {"label": "deep"},
    "ParityGetLargePayload": payload(32768),
}
EVERYTHING = {**FUNCTIONAL, **RELEASE, **STRESS, **STATE}
