"""The file of what was typed: what is kept, for whom, and beside other sessions."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from prompt_toolkit.history import InMemoryHistory

from proxyables_cli.repl import history
from repl.processes import environment


def read(history_of_a_session: object) -> list[str]:
    """What a session that begins now finds, the newest last."""

    async def load() -> list[str]:
        return [text async for text in history_of_a_session.load()][::-1]  # type: ignore[attr-defined]

    return asyncio.run(load())


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "proxyables" / "history"


def test_what_was_typed_is_there_again(path: Path) -> None:
    texts = ["obj.add(2, 3)", "for x in y:\n    x\n", "größe = '😀\ud800'"]
    for text in texts:
        history.open_history().append_string(text)
    assert read(history.open_history()) == [*texts[:2], "größe = '😀?'"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_open_file_is_closed_to_others(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("\n# 2024\n+x = 1\n")
    path.chmod(0o644)
    assert read(history.open_history()) == ["x = 1"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        " x = 1",
        "",
        "\n",
        "token = 'abc'",
        "conn.login(password='abc')",
        "{'api_key': 'abc'}",
        'd["Secret"]="abc"',
        "API_TOKEN='abc'",
        "%secret pin",
        "%open ws://ada:abc@host",
        "secret_key = 'A'",
        "aws_secret_access_key='A'",
        "token_value = 'A'",
        "passwords = ['A']",
        "tokens: list = ['A']",
        "PASSWORD2 = 'A'",
        "credential_s = 'A'",
        "password += 'A'",
        "(token := 'A')",
        "password, x = 'A', 1",
        "x, (y, *password) = 'A', 'B'",
        "x = password = 'A'",
        "tokens['ada'] = 'A'",
        "config['password']['ada'] = 'A'",
        "conn.secrets.ada = 'A'",
        "if x:\n    y, pwd = 'A', 'B'\n",
        "%time x, token = 'A', 'B'",
        "access_key='A'",
        "f(secret_1='A')",
        "headers['Authorization'] = 'Bearer abc'",
        "x = '" + "y" * history.MAX_INPUT + "'",
    ],
)
def test_what_is_not_kept(path: Path, text: str) -> None:
    session = history.open_history()
    session.append_string(text)
    assert not session.get_strings()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "text",
    [
        "token", "obj.tokens()", "x == secret", "password == x", "1 ", "token <= x",
        "f(token, x=1)", "x = obj.tokens", "x, y = token, 1", "%time obj.tokens",
    ],
)  # fmt: skip
def test_what_is_no_secret(text: str) -> None:
    assert history.is_kept(text)


def _write(name: str, count: int) -> None:
    session = history.open_history()
    for number in range(count):
        session.append_string(f"{name} {number} {'x' * 100}")


WRITER = """
import sys
from proxyables_cli.repl import history
session = history.open_history()
for number in range(100):
    session.append_string(f"{sys.argv[1]} {number} {'x' * 100}")
"""


def test_sessions_at_the_same_time_lose_nothing(path: Path) -> None:
    words = [sys.executable, "-c", WRITER]
    state = environment(XDG_STATE_HOME=str(path.parent.parent))
    others = [subprocess.Popen([*words, name], env=state) for name in ("a", "b", "c")]
    assert [other.wait(timeout=60) for other in others] == [0, 0, 0]
    kept = read(history.open_history())
    assert len(kept) == 300
    assert [text for text in kept if text.startswith("b ")] == [
        f"b {number} {'x' * 100}" for number in range(100)
    ]


def test_a_long_file_loses_its_older_half(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_BYTES", 4000)
    _write("a", 60)
    before = path.stat().st_size
    kept = read(history.open_history())
    assert path.stat().st_size <= 2000 < before
    assert kept[-1].startswith("a 59 ")
    assert all(text.endswith("x" * 100) for text in kept)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["history"]


def test_no_place_for_a_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.write_text("in the way")
    session = history.open_history()
    assert isinstance(session, InMemoryHistory)
    for text in ("x = 1", " x = 2"):
        session.append_string(text)
    assert session.get_strings() == ["x = 1"]


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    (tmp_path / "other").write_text("theirs")
    path.symlink_to(tmp_path / "other")
    assert isinstance(history.open_history(), InMemoryHistory)
    assert (tmp_path / "other").read_text() == "theirs"


def test_a_file_that_goes_away_disturbs_nobody(path: Path) -> None:
    session = history.open_history()
    path.unlink()
    path.parent.rmdir()
    session.append_string("x = 1")
    assert session.get_strings() == ["x = 1"]
