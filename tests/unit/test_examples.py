"""Every example runs by itself, ends by itself, is short, and prints what a reader expects."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import proxyables

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = Path(proxyables.__file__).parents[1]
PRINTED = {
    "callbacks": r"it is 18\.5 °C\nit is 21\.0 °C\n1 listener was told\n0 and 100 °C are",
    "chat": r"bob has come\npresent: ann, bob\n\[bob\] ann: hello bob\n\[ann\] bob: hello",
    "counter": r"exit codes: \[0, 0, 0\]\ncounted: 750\n",
    "dataframe": r"totals: \{'Oslo': \d+, 'Rome': \d+\}|pandas is not installed",
    "other_python": r"the plugin's Python is (another|the same)\n\{'sum': 10, 'mean': 2\.5\}\n",
    "plugin": r"HELLO!\n2 lines in the document now\nnot by this process: True\nthe plugin",
    "progress": r"25 %\n.* 50 %\n.* 75 %\n\[####\] 100 %\nbuilt in 4 steps\n(.*\n)*too slow",
    "streaming": r"'square': 4\}\nthe archive was closed\ntotals: \[1, 5, 14, 30, 55\]\n",
    "sync_script": r"apples left: 3\nkinds: 3 plums too: True\nsold: 3\nno sale: not enough pears",
    "typed_service": r"10 nuts cost 13\.500\nout of stock: bolts\n",
}


def run(example: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{example}.py"],
        env=kept | {"PYTHONPATH": str(SOURCE), "PYTHONIOENCODING": "utf-8"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("example", PRINTED)
def test_it_prints_what_a_reader_expects_and_ends(example: str) -> None:
    ran = run(example)
    assert ran.returncode == 0, ran.stderr
    assert re.search(PRINTED[example], ran.stdout), ran.stdout
    assert "Traceback" not in ran.stderr
    assert "Warning" not in ran.stderr


@pytest.mark.parametrize("example", PRINTED)
def test_it_is_short_and_says_what_it_shows(example: str) -> None:
    text = (EXAMPLES / f"{example}.py").read_text()
    assert len(text.splitlines()) <= 50
    assert text.startswith('"""')


def test_every_example_is_tested() -> None:
    elsewhere = {"demo_session"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} - elsewhere == PRINTED.keys()
