"""What the harness says on the command line.

``--lang`` and ``--scenario-timeout`` are flags of this agent's own.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from .client import Settings
from .scenarios import LANGUAGE, PROFILES, Sizes


@dataclass(frozen=True)
class Options:
    """What one run of an agent does.

    Attributes:
        address: The agent that is driven.
        upstream_address: The agent behind a bridge.
        patience: Seconds for what a scenario does, beside cleaning up and disconnecting.
    """

    language: str
    address: str
    upstream_address: str
    upstream_language: str
    scenarios: list[str]
    settings: Settings
    iterations: int
    warmup: int
    patience: float


def parse(words: Sequence[str]) -> Options:
    """Returns what the words after the mode say; those that nobody knows are passed over.

    Raises:
        SystemExit: A value makes no sense.
    """
    found, _ = _parser().parse_known_args(words)
    scenarios = [each.strip() for each in found.scenarios.split(",") if each.strip()]
    churn = found.stress_iterations if found.profile == "stress" else found.soak_iterations
    return Options(
        language=found.lang,
        address=_address(found.host, found.port),
        upstream_address=_address(found.upstream_host, found.upstream_port),
        upstream_language=found.upstream_lang,
        scenarios=scenarios or PROFILES.get(found.profile, PROFILES["functional"]),
        settings=Settings(
            Sizes(churn, found.payload_bytes, found.concurrency),
            found.cleanup_timeout,
            found.disconnect_timeout,
        ),
        iterations=found.iterations,
        warmup=found.warmup,
        patience=found.scenario_timeout,
    )


def _parser() -> argparse.ArgumentParser:
    # A flag that nobody knows must not be taken for another, and stdout is for JSON only.
    parser = argparse.ArgumentParser(prog="parity_agent.py", allow_abbrev=False, add_help=False)
    add = parser.add_argument
    add("--lang", default=LANGUAGE)
    for side in ("", "upstream-"):
        add(f"--{side}host", default="127.0.0.1")
        add(f"--{side}port", type=_count, default=0)
    add("--upstream-lang", default="unknown")
    add("--scenarios", default="")
    add("--profile", default="functional")
    add("--soak-iterations", type=_count, default=Sizes.churn)
    add("--stress-iterations", type=_count, default=128)
    add("--payload-bytes", type=_count, default=Sizes.payload)
    add("--concurrency", type=_count, default=Sizes.concurrency)
    add("--cleanup-timeout", type=_seconds, default=Settings.cleanup_timeout)
    add("--disconnect-timeout", type=_seconds, default=Settings.disconnect_timeout)
    add("--scenario-timeout", type=_seconds, default=25.0)
    add("--iterations", type=_count, default=1000)
    add("--warmup", type=_warmup, default=100)
    return parser


def _address(host: str, port: int) -> str:
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


def _warmup(text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    if not (number := float(text)) >= 0:
        raise ValueError
    return number
