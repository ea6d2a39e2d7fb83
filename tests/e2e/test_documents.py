"""The README and the tutorial do what they say: every block of theirs is run, in order.

A `python` block is a file, whose name its first line gives. A `console` block holds commands and
what they print; `proxyables serve`, `proxyables bridge -l` and what ends in `&` go on in the
background. `pycon` blocks, up to the next of another kind, are typed at one prompt of the REPL on
the last server. How long something took, and how many bytes that was, may differ.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import proxyables_cli

ROOT = Path(__file__).parents[2]
SOURCE = Path(proxyables_cli.__file__).parents[1]
DOCUMENTS = (
    "README.md",
    "docs/tutorial/first-session.md",
    "docs/tutorial/repl.md",
    "docs/how-to/typed-objects.md",
    "docs/how-to/run-a-server.md",
    "docs/how-to/look-inside.md",
    "docs/how-to/bridges.md",
    "docs/how-to/live-process.md",
    "docs/how-to/plugins.md",
    "docs/how-to/values.md",
    "docs/how-to/let-others-in.md",
    "docs/how-to/other-languages.md",
    "docs/how-to/coming-from.md",
    "docs/reference/configuration.md",
    "docs/reference/transports.md",
)
PAGES = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```(python|console|pycon)\n(.*?)^```$", re.M | re.S)
PORT = 9000
SERVERS = ("proxyables serve", "proxyables bridge -l")
PATIENCE = 60


class Reader:
    """Does what a reader of the page would do, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        programs = directory / "bin"
        programs.mkdir()
        for name, words in (("proxyables", "-m proxyables_cli"), ("python", "")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words} "$@"\n')
            program.chmod(0o755)
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        self._environment = kept | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(SOURCE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "XDG_CONFIG_HOME": str(directory),
            "XDG_RUNTIME_DIR": str(directory),
        }
        self._servers: list[subprocess.Popen[str]] = []
        self._programs: list[subprocess.Popen[bytes]] = []
        self._port = PORT

    def python(self, text: str) -> None:
        name = text.partition("\n")[0].removeprefix("# ")
        (self._directory / name).write_text(text.replace(f":{PORT}", f":{self._port}"))

    def console(self, text: str) -> None:
        for entry in re.split(r"^\$ ", text, flags=re.M)[1:]:
            command, _, expected = entry.partition("\n")
            if command.endswith(" &"):
                printed = self._start(command.removesuffix(" &"))
            elif command.startswith(SERVERS):
                printed = self._serve(command, lines=expected.count("\n"))
            else:
                printed = self._run(command)
            assert printed == expected, command

    def pycon(self, text: str) -> None:
        typed, expected = [], ""
        in_block = False
        for line in text.splitlines(keepends=True):
            prompt, rest = line[:4], line[4:]
            if in_block and prompt != "... ":  # which a blank line ends
                typed.append("\n")
                expected += "... "
            in_block = prompt == "... " or (in_block and not rest)
            if prompt in (">>> ", "... "):
                typed.append(rest)
                expected += prompt
            else:
                expected += line
        printed = self._run(f"proxyables repl --plain :{PORT}", "".join(typed))
        assert _alike(printed) == _alike(f"{expected}>>> \n")

    def close(self) -> None:
        for program in self._programs:
            assert program.poll() is None, program.args  # it runs until somebody ends it
            program.terminate()
            program.wait(PATIENCE)
        for server in self._servers:
            server.send_signal(signal.SIGINT)
            assert server.wait(PATIENCE) == 0
            assert server.stderr is not None
            server.stderr.close()

    def _start(self, command: str) -> str:
        words = shlex.split(command)
        program = subprocess.Popen(words, cwd=self._directory, env=self._environment)
        self._programs.append(program)
        return ""

    def _serve(self, command: str, lines: int) -> str:
        """Starts a server; returns as many lines of what it prints as the page shows."""
        # Port 0 is any that is free; the page's number stands for it from here on.
        words = shlex.split(command.replace(f":{PORT}", ":0"))
        server = subprocess.Popen(
            words, cwd=self._directory, env=self._environment, stderr=subprocess.PIPE, text=True
        )
        self._servers.append(server)
        assert server.stderr is not None
        printed = [server.stderr.readline() for _ in range(max(lines, 1))]
        found = re.search(r":(\d+)( to .*)?$", printed[0])
        assert found, printed
        self._port = int(found[1])
        return self._shown("".join(printed[:lines]))

    def _run(self, command: str, typed: str = "") -> str:
        """Runs a command, or a REPL on what was typed; returns its output, and its last words."""
        ran = subprocess.run(
            shlex.split(command.replace(f":{PORT}", f":{self._port}")),
            input=typed.replace(f":{PORT}", f":{self._port}"),
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if typed else subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        told = ran.stderr or ""
        return self._shown(ran.stdout + told if ran.returncode else ran.stdout)

    def _shown(self, printed: str) -> str:
        return printed.replace(f":{self._port}", f":{PORT}")


def _alike(text: str) -> str:
    """A text without what differs from one run to the next, or from one Python to the next."""
    text = re.sub(r"^ +[~^]+\n", "", text, flags=re.M)  # 3.13 marks the place in more lines
    text = re.sub(r"[\d.]+ ?(µs|ms|s)\b", "N ms", text)
    text = re.sub(r"\d+ bytes out, \d+ in", "N bytes", text)
    return text.replace(str(SOURCE), "/srv")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    found = Reader(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_line_works(reader: Reader, document: str) -> None:
    blocks = BLOCK.findall((ROOT / document).read_text())
    assert len(blocks) >= 2
    for language, group in itertools.groupby(blocks, key=lambda block: block[0]):
        texts = [text for _, text in group]
        for text in ["".join(texts)] if language == "pycon" else texts:
            getattr(reader, language)(text)


def test_no_page_with_code_is_left_out() -> None:
    elsewhere = {"docs/reference/limits.md"}  # by tests/unit/test_limits_page.py
    with_code = {page for page in PAGES if BLOCK.search((ROOT / page).read_text())}
    assert with_code - elsewhere <= {*DOCUMENTS}


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *PAGES])
def test_links_lead_somewhere(document: str) -> None:
    page = ROOT / document
    links = [
        link.partition("#")[0]
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text())
        if "://" not in link
    ]
    assert [link for link in links if not (page.parent / link).exists()] == []
