"""Keys in any order: the session lives on, and the terminal gets its modes back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxyables import demo
from repl.processes import Terminal, command, leave, serving
from repl.prompts import prompting
from repl.prompts import serving as lending

_WORDS = (
    *("obj", ".", "s", "add(", "1, ", ")", "[", "]", "{", "'", '"', "f'{", "}", ":", "#", " ", "="),
    *(
        "def f(",
        "for x in ",
        "lambda",
        "if 1:",
        "return",
        "%",
        "%ls ",
        "%await ",
        "?",
        "??",
        "ä",
        "😀",
    ),
    *("\r", "\t", "\x1b[Z", "\x7f", "\x1b[3~", "\x1b\r", "\n"),
    *("\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[1;5C", "\x1b[1;5D"),
    *("\x01", "\x05", "\x0b", "\x15", "\x17", "\x19", "\x0c", "\x12", "\x07", "\x1f", "\x14"),
    *("\x1bb", "\x1bf", "\x1bd", "\x1b.", "\x1b_", "\x1b5", "\x00", "\x18\x18", "\x1b", "\x03"),
    *("\x1b[200~a = 1\nb\n\x1b[201~", "\x1b[200~", "\x1b[201~", "\x1b[5~", "\x1b[99~", "\x1b[M   "),
    *("0", "dw", "yy", "p", "u", "ciw", "v", "V", "gg", "/x", "3x", ":", "q1", "@1"),
)


@given(st.lists(st.sampled_from(_WORDS), max_size=40), st.booleans())
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
def test_keys_in_any_order(keys: list[str], vi: bool) -> None:
    async def work(directory: Path) -> None:
        async with (
            lending(demo.Bookshop(), directory) as address,
            prompting(address, directory, vi=vi) as prompt,
        ):
            for at in range(0, len(keys), 5):
                prompt.type("".join(keys[at : at + 5]))
                await asyncio.sleep(0)
            # Out of whatever was begun: a paste, a quoted key, a search, a cell.
            prompt.type("\x1b[201~")
            await asyncio.sleep(0.06)
            prompt.session.vi = False
            for _ in range(50):
                prompt.type("\x07\x03")
                await asyncio.sleep(0.01)
                if prompt.screen.line == ">>>":
                    break
            prompt.type("\x03\x03print('still ' + 'here')\r")
            await prompt.shows("still here")
            await prompt.at(">>>")

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(work(Path(directory)))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_leaves_the_terminal_as_it_was(address: str, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with Terminal(command(address), XDG_STATE_HOME=str(tmp_path)) as terminal:
        before = terminal.modes
        terminal.wait_prompt()
        for _ in range(20):
            terminal.type("".join(chance.choices(_WORDS, k=10)))
            terminal.poll()
        _calm(terminal)
        leave(terminal)
        assert terminal.modes == before
        for mode in (b"\x1b[?2004", b"\x1b[?1049", b"\x1b[?1000"):
            assert terminal.received.count(mode + b"h") <= terminal.received.count(mode + b"l")


def _calm(terminal: Terminal) -> None:
    """Gets out of whatever was begun: a paste, a quoted key, a search, a cell."""
    _tell(terminal, "calm", before="\x1b[201~\x07\x03")
    _tell(terminal, "done")  # a Ctrl-C that came late has come by then
    terminal.wait_prompt()


def _tell(terminal: Terminal, word: str, before: str = "") -> None:
    """Has the session say something, as often as it takes."""
    for number in range(10):
        terminal.type(before)
        terminal.type(f"print('{word}', {number})\r")
        with contextlib.suppress(AssertionError):
            terminal.wait(f"\n{word} {number}", timeout=2.0)
            return
    terminal.wait(f"\n{word}")
