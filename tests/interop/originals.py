"""A process of the first Python implementation."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

_PROGRAM = Path(__file__).with_name("original_peer.py")


class Original:
    """A process of the original: one JSON line in for each line out."""

    def __init__(self, python: str, role: str) -> None:
        # -I: the package of this project must not be found in place of the other.
        self._process = subprocess.Popen(
            [python, "-I", str(_PROGRAM), role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self) -> Any:
        """Returns the next thing that it tells."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the original ended with the code {self._process.wait()}"
        return json.loads(line)

    async def run(self, port: int, scenario: str) -> Any:
        """Returns what the scenario gives, as a client of `port`."""
        assert self._process.stdin is not None
        print(json.dumps([port, scenario]), file=self._process.stdin, flush=True)
        return await asyncio.to_thread(self.read)

    def stop(self) -> None:
        """Ends it; its stdin is what it lives by."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=10)
