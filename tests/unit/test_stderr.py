"""A child's stderr as lines of the log: what is kept, what is cut, and that nobody waits for it."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyables.net import stderr
from proxyables.net.stderr import Stderr, escape


class Heard(logging.Handler):
    """Keeps the lines that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert record.levelno == logging.WARNING
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def hearing() -> Iterator[list[str]]:
    handler = Heard()
    stderr.log.addHandler(handler)
    try:
        yield handler.lines
    finally:
        stderr.log.removeHandler(handler)


def said(*parts: bytes) -> tuple[list[str], str]:
    """Writes the parts one by one; returns the lines of the log and the last words."""
    with hearing() as lines:
        reader = Stderr()
        writing = os.dup(reader.writing)
        reader.start("sh[1]")
        for part in parts:
            assert os.write(writing, part) == len(part)
        os.close(writing)
        reader.finish()
    return lines, reader.last_words()


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\n\nthree", ["one", "", "three"]),
        (b"dos\r\n", ["dos"]),
        (b"50%\r100%\n", ["50%\\r100%"]),
        (b"\x1b[31mred\x07\tx\n", ["\\x1b[31mred\\x07\tx"]),
        ("é \u202eevil\n".encode(), ["é \\u202eevil"]),
        (b"\xff\xfe\n", ["\\xff\\xfe"]),
        (b"%s %d\n", ["%s %d"]),
    ],
)
def test_lines_are_told_with_the_name_before_them(data: bytes, lines: list[str]) -> None:
    assert said(data)[0] == [f"sh[1]: {line}" for line in lines]


def test_a_long_line_is_cut_and_the_next_one_is_whole() -> None:
    limit = stderr.MAX_LINE_BYTES
    exact, longer = b"x" * limit, b"y" * (limit + 1)
    lines, _ = said(exact + b"\n" + longer + b"\nnext\n", longer * 5 + b"\nlast")
    assert lines == [
        f"sh[1]: {exact.decode()}",
        f"sh[1]: {'y' * limit} …",
        "sh[1]: next",
        f"sh[1]: {'y' * limit} …",
        "sh[1]: last",
    ]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=12))
@settings(max_examples=30, deadline=None)
def test_chunking_never_matters(parts: list[bytes]) -> None:
    assert said(*parts) == said(b"".join(parts) or b"")


def test_the_last_words_are_few_and_short() -> None:
    assert said()[1] == ""
    assert said(b"  one\n\n two \n")[1] == "one | two"
    many = said(b"".join(b"%d\n" % number for number in range(100)))[1]
    assert many == " | ".join(map(str, range(100 - stderr.LAST_LINES, 100)))
    long = said(b"a" * 4000 + b"the end\n")[1]
    assert long.startswith("… a")
    assert long.endswith("the end")
    assert len(long) <= stderr.LAST_CHARACTERS + 2


def test_somebody_who_keeps_the_pipe_is_not_waited_for() -> None:
    with hearing() as lines:
        reader = Stderr()
        kept = os.dup(reader.writing)
        reader.start("sh[1]")
        os.write(kept, b"said before\nand half")
        reader.finish()
        assert lines == ["sh[1]: said before", "sh[1]: and half"]
        with pytest.raises(BrokenPipeError):
            os.write(kept, b"too late")
        os.close(kept)


def test_a_handler_that_blocks_does_not_hold_the_end_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stderr, "PATIENCE", 0.05)
    blocked, release = threading.Event(), threading.Event()

    class Blocking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            blocked.set()
            release.wait(10)

    handler = Blocking()
    stderr.log.addHandler(handler)
    try:
        reader = Stderr()
        os.write(reader.writing, b"line\n")
        reader.start("sh[1]")
        assert blocked.wait(10)
        reader.finish()
        assert reader._thread.is_alive()
    finally:
        release.set()
        reader._thread.join(10)
        stderr.log.removeHandler(handler)


def test_without_logging_the_lines_go_to_stderr() -> None:
    program = """
import logging, os
from proxyables.net.stderr import Stderr
import proxyables.peer.peer  # the library's own handler does nothing, and counts for nothing
def say(text):
    reader = Stderr()
    os.write(reader.writing, text)
    reader.start("sh[1]")
    reader.finish()
say(b"unheard\\n")
logging.basicConfig(format="%(name)s %(levelname)s %(message)s")
say(b"heard\\n")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == "sh[1]: unheard\nproxyables.child WARNING sh[1]: heard\n"


def test_discarding_closes_everything() -> None:
    before = set(os.listdir("/proc/self/fd"))
    Stderr().discard()
    assert set(os.listdir("/proc/self/fd")) == before


def test_escaping_leaves_text_alone() -> None:
    assert escape("täst\t'\"\\ 漢字") == "täst\t'\"\\ 漢字"
    assert escape("a\u2028b\x9b1m\x00") == "a\\u2028b\\x9b1m\\x00"
