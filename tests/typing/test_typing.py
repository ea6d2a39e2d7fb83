"""Type checkers see what is promised: no more complaints, and no fewer, than the files here say.

A line that a checker must refuse ends with what it calls it: ``# mypy: arg-type; pyright: …``. On
all other lines neither may say anything, `assert_type` included.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs/how-to/typed-objects.md"
EXAMPLE = ROOT / "examples/typed_service.py"
FILES = ["apis.py", "awaited.py", "blocking.py", "mistakes.py"]
PATIENCE = 100

Complaint = tuple[str, int, str]
"""In which file, on which line, called what."""


def expected(checker: str) -> set[Complaint]:
    """Returns what the comments of the files announce for a checker."""
    found = set()
    for name in FILES:
        for number, line in enumerate((HERE / name).read_text().splitlines(), 1):
            told = re.search(rf"# .*\b{checker}: ([\w, -]+)(;|$)", line)
            if told and not line.startswith("#"):
                found |= {(name, number, code) for code in told[1].split(", ")}
    return found


def run(*words: str, code: int = 1) -> str:
    """Returns what a checker prints; it finds the package as `make check` does.

    Args:
        words: The checker's module, and its arguments.
        code: With what it must exit: 1 is for complaints, 0 for none, and 2 for a crash.
    """
    ran = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == code, ran.stderr + ran.stdout
    return ran.stdout


def test_the_comments_are_found() -> None:
    for checker in ("mypy", "pyright"):
        assert len({line for _, line, _ in expected(checker)}) > 25


with_mypy = pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")


@with_mypy
def test_mypy_sees_what_is_promised() -> None:
    printed = run("mypy", "--no-pretty", *(str(HERE / name) for name in FILES))
    complaints = re.findall(r"^(.+?):(\d+): error: .*\[([\w-]+)\]$", printed, re.M)
    told = {(Path(path), int(line), code) for path, line, code in complaints}
    here = {(path.name, *rest) for path, *rest in told if (ROOT / path).parent == HERE}
    assert here == expected("mypy")


@with_mypy
def test_the_page_and_the_example_are_typed(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert len(blocks) >= 5
    for name, text in blocks:
        (tmp_path / name).write_text(text)
    written = [str(tmp_path / name) for name, _ in blocks]
    run("mypy", "--follow-imports=silent", *written, str(EXAMPLE), code=0)


@pytest.mark.skipif(
    find_spec("pyright") is None or shutil.which("node") is None,
    reason="pyright, or the Node that runs it, is not installed",
)
def test_pyright_sees_what_is_promised() -> None:
    told = json.loads(run("pyright", "--outputjson", "-p", str(HERE)))["generalDiagnostics"]
    complaints = {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["rule"]) for each in told
    }
    assert complaints == expected("pyright")
