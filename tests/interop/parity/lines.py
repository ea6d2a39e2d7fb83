"""The lines of JSON by which an agent tells the harness what happens."""

from __future__ import annotations

import json
from typing import Any

from .scenarios import NAMES, PROTOCOL


def tell(**line: Any) -> None:
    """Writes one line to stdout, at once."""
    print(json.dumps(line, default=repr), flush=True)


def tell_ready(mode: str, language: str, address: str) -> None:
    """Says where the agent listens."""
    port = int(address.rpartition(":")[2])
    tell(type="ready", lang=language, protocol=PROTOCOL, capabilities=NAMES, mode=mode, port=port)


def tell_outcome(kind: str, name: str, status: str, **more: Any) -> None:
    """Says what came of a scenario."""
    tell(type=kind, scenario=name, status=status, protocol=PROTOCOL, **more)


def explain(error: BaseException) -> str:
    """Returns what a ``message`` tells of an exception: never nothing."""
    name = type(error).__name__
    return f"{name}: {error}"[:400] if str(error) else name
