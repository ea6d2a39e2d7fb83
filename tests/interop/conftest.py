"""The first Python implementation, in an environment of its own, as the other end of a wire."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.agents import listening
from interop.originals import Original

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def original_python() -> str:
    """The Python in which `stateforward-proxyables` is installed."""
    found = os.environ.get("PROXYABLES_ORIGINAL_PYTHON")
    python = Path(found) if found else _ROOT / ".venv-original" / "bin" / "python"
    if not python.exists():
        reason = (
            f"{python} is missing: the first Python implementation wants Python 3.12 and an "
            "environment of its own; run `make original`, or set PROXYABLES_ORIGINAL_PYTHON"
        )
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return str(python)


@pytest.fixture(scope="module")
def original_client(original_python: str) -> Iterator[Original]:
    """A process that imports from where it is told to."""
    process = Original(original_python, "drive")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def original_port(original_python: str) -> Iterator[int]:
    """The port on which a process of the original serves."""
    process = Original(original_python, "serve")
    yield process.read()
    process.stop()


@pytest.fixture(scope="module")
def parity_port() -> Iterator[int]:
    """Where an agent serves that calls itself "far"."""
    with listening("serve", "--lang", "far") as ready:
        yield ready["port"]


@pytest.fixture(scope="module")
def parity_bridge_port(parity_port: int) -> Iterator[int]:
    """Where an agent bridges to that one."""
    upstream = ("--upstream-host", "127.0.0.1", "--upstream-port", parity_port)
    with listening("bridge", *upstream) as ready:
        yield ready["port"]
