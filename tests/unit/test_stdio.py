"""Claiming stdin and stdout, in real processes that are started with all kinds of them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import proxyables.net.stdio

SOURCES = str(Path(proxyables.net.stdio.__file__).parents[2])

CLAIM = """
import os, subprocess, sys
print("text before", end="")                          # still in the buffer
from proxyables.net.stdio import claim_stdio
reading, writing = claim_stdio()
assert claim_stdio() == (reading, writing)
assert min(reading, writing) > 2
assert not os.get_inheritable(reading) and not os.get_inheritable(writing)
print("text after \\ud800")
os.write(1, b"raw after\\n")
subprocess.run(["sh", "-c", "echo child after; cat"], check=True)
assert sys.stdin.read() == "" and os.read(0, 1) == b""
os.write(writing, os.read(reading, 100))
"""


def start(program: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": SOURCES, "PYTHONUNBUFFERED": ""},
        timeout=30,
        check=False,
        **options,
    )


def test_nothing_but_the_wire_reaches_the_wire() -> None:
    done = start(CLAIM, input=b"the wire", capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"the wire"
    said = done.stderr.decode()
    for text in ("text before", "text after \\ud800", "raw after", "child after"):
        assert text in said


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_descriptors_are_opened_first(closed: str, tmp_path: Path) -> None:
    report = tmp_path / "report"
    program = f"""
import os, sys
from proxyables.net.stdio import claim_stdio, open_standard_descriptors
reading, writing = claim_stdio()
open_standard_descriptors()
print("nobody reads this")
assert min(reading, writing) > 2
assert all(os.get_inheritable(number) for number in (0, 1, 2))
assert all(os.fstat(number) for number in (0, 1, 2, reading, writing))
with open({str(report)!r}, "w") as file:
    assert file.fileno() > 2
    file.write(repr(os.read(reading, 100)))
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *command],
        env={**os.environ, "PYTHONPATH": SOURCES},
        input=b"in",
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert report.read_text() == ("b''" if "<&-" in closed else "b'in'")
    assert done.stdout == b""


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_descriptor_that_somebody_else_took_is_left_to_them(closed: int, tmp_path: Path) -> None:
    program = f"""
import os
kept = os.open({str(tmp_path)!r}, os.O_RDONLY)
assert kept == {closed}
from proxyables.net.stdio import claim_stdio
try:
    claim_stdio()
except ValueError as error:
    assert "descriptor {closed} was closed when this process started" in str(error)
    assert os.path.samestat(os.fstat(kept), os.stat({str(tmp_path)!r}))
    os._exit(7)
"""
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}>&-', "sh", sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": SOURCES},
        stdin=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    assert done.returncode == 7


@pytest.mark.parametrize("which", ["stdin", "stdout"])
def test_a_terminal_is_refused(which: str) -> None:
    ours, theirs = pty.openpty()
    program = "from proxyables.net.stdio import claim_stdio; claim_stdio()"
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, which: theirs}
    try:
        done = start(program, stderr=subprocess.PIPE, **streams)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 1
    assert f"ValueError: {which} is a terminal".encode() in done.stderr
    assert b"exec:COMMAND" in done.stderr


def test_it_is_taken_only_once() -> None:
    program = """
from proxyables.net.stdio import STANDARD_STREAMS, claim_stdio
claimed = claim_stdio()
assert STANDARD_STREAMS.take() == claimed
try:
    STANDARD_STREAMS.take()
except ValueError as error:
    assert "one connection" in str(error)
else:
    raise AssertionError
"""
    done = start(program, input=b"", capture_output=True)
    assert done.returncode == 0, done.stderr
