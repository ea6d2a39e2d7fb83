"""Which scenarios an agent of this make sees for itself, and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from . import endings, loads, references
from .client import Client

Measure: TypeAlias = Callable[[Client], Awaitable[Any]]

MEASURES: dict[str, Measure] = {
    "ErrorPropagation": references.fail_over_there,
    "SharedReferenceConsistency": references.share,
    "ExplicitRelease": references.release_explicitly,
    "AliasRetainRelease": references.release_aliases,
    "UseAfterRelease": references.use_after_release,
    "SessionCloseCleanup": endings.close_session,
    "ErrorPathNoLeak": references.fail_without_leak,
    "ReferenceChurnSoak": references.churn,
    "AutomaticReleaseAfterDrop": references.drop,
    "FinalizerEventualCleanup": references.finalise,
    "CallbackReferenceCleanup": references.give_callbacks_back,
    "AbruptDisconnectCleanup": endings.disconnect,
    "ServerAbortInFlight": endings.be_aborted,
    "ConcurrentSharedReference": loads.share_at_once,
    "ConcurrentCallbackFanout": loads.fan_out,
    "ReleaseUseRace": endings.race,
    "LargePayloadRoundtrip": loads.carry,
    "DeepObjectGraph": loads.walk,
    "SlowConsumerBackpressure": loads.consume_slowly,
}
