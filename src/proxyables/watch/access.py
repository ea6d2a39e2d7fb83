"""The access log: one line for each call that has ended."""

from __future__ import annotations

import logging
from typing import Literal

from .tap import Measured

AccessLog = Literal["off", "calls", "args"]

log = logging.getLogger("proxyables.access")


def check_access_log(wanted: str) -> None:
    """Raises ValueError for what is no kind of access log."""
    if wanted not in ("off", "calls", "args"):
        raise ValueError(f"access_log takes 'off', 'calls' or 'args', got {wanted!r:.80}")


def write(call: Measured) -> None:
    """Logs a call that has ended: who, what, how long, how it ended.

    Paths and arguments are made to fit in a line (see `paths` and `arguments`).
    """
    told = call.told
    outcome = f"error {ascii(call.error)[1:-1]}" if call.outcome == "error" else call.outcome
    arguments = told.get("arguments", "")
    log.info(
        "#%d %s %s%s %.3fms %s",
        call.connection,
        ascii(told["peer"])[1:-1],
        told["path"],
        arguments if arguments[:1] == "(" else f" {arguments}".rstrip(),
        call.duration * 1000,
        outcome,
        extra={"proxyables_fields": _fields(call)},
    )


def _fields(call: Measured) -> dict[str, object]:
    """Returns what a line is made of, for handlers that write more than lines."""
    fields = {**call.told, "duration": round(call.duration, 6), "outcome": call.outcome}
    return fields | ({"error": call.error} if call.outcome == "error" else {})


__all__ = ["AccessLog", "check_access_log", "write"]
