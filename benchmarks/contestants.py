"""Contestants as the one who measures sees them: two child processes each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .cases import Case

_ROOT = Path(__file__).parent.parent
ORIGINAL_PYTHON = "PROXYABLES_ORIGINAL_PYTHON"
"""The environment variable that names an interpreter which has the PyPI original."""


class Contestant:
    """A server and a client process, ready to be measured.

    Args:
        name: Of the contestant, as the table shows it; its module is called alike.
        python: The interpreter that runs both.
    """

    def __init__(self, name: str, python: str) -> None:
        self.name = name
        self._python = python
        self._children = ExitStack()
        try:
            facts = _hear(self._spawn("serve"))
            self.python: str = facts["python"]
            self.loop: str = facts["loop"]
            self._client = self._spawn("drive", str(facts["port"]))
            facts = _hear(self._client)
            self._operations: list[str] = facts["operations"]
            self._is_blocking: bool = facts["blocking"]
        except BaseException:
            self.close()
            raise

    def _spawn(self, *role: str) -> subprocess.Popen[str]:
        environment = dict(os.environ)
        if self._python != sys.executable:
            environment.pop("PYTHONPATH", None)  # it would find our `proxyables` there
        module = self.name.replace(" ", "_")
        return self._children.enter_context(
            _child([self._python, "-m", "benchmarks.worker", module, *role], environment)
        )

    def can_run(self, case: Case) -> bool:
        """Whether this contestant has the operation, and tasks if more than one is wanted."""
        is_known = case.operation in self._operations
        return is_known and (case.tasks == 1 or not self._is_blocking)

    def measure(self, case: Case, seconds: float) -> float:
        """Returns calls per second."""
        assert self._client.stdin is not None
        self._client.stdin.write(json.dumps([case.operation, case.tasks, seconds]) + "\n")
        self._client.stdin.flush()
        rate: float = _hear(self._client)["rate"]
        return rate

    def close(self) -> None:
        """Ends both processes."""
        self._children.close()


@contextmanager
def _child(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    child = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, cwd=_ROOT, env=environment
    )
    with child:  # which closes its stdin, and waits
        try:
            yield child
        except BaseException:
            child.kill()
            raise


def _hear(child: subprocess.Popen[str]) -> dict[str, Any]:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise ChildProcessError(f"{child.args!r} ended with {child.wait()}")
    facts: dict[str, Any] = json.loads(line)
    return facts


def find_original() -> str | None:
    """Returns an interpreter for the PyPI original, if there is one."""
    python = os.environ.get(ORIGINAL_PYTHON)
    if python is None and (_ROOT / ".venv-original/bin/python").exists():
        python = str(_ROOT / ".venv-original/bin/python")
    return python
