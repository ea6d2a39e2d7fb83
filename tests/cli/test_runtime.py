"""The directory of the sockets that nobody named."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from proxyables_cli import runtime
from proxyables_cli.exits import Code, Failure


def test_it_is_made_closed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    previous = os.umask(0)
    try:
        assert runtime.socket_path("shop") == str(tmp_path / "proxyables" / "shop.sock")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "proxyables").stat().st_mode) == 0o700
    assert runtime.directory() == str(tmp_path / "proxyables")


def test_it_falls_back_to_one_of_the_user_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert runtime.directory() == str(tmp_path / f"proxyables-{os.geteuid()}")


def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Failure:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(Failure) as caught:
        runtime.directory()
    return caught.value


def test_a_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "proxyables").symlink_to(tmp_path / "elsewhere")
    failure = refusal(tmp_path, monkeypatch)
    assert failure.code is Code.REFUSED
    assert "not a directory" in failure.message


def test_one_that_others_may_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proxyables").mkdir()
    (tmp_path / "proxyables").chmod(0o755)
    failure = refusal(tmp_path, monkeypatch)
    assert failure.code is Code.REFUSED
    assert "other users may enter" in failure.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_stranger_s_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "proxyables").mkdir(mode=0o700)
    os.chown(tmp_path / "proxyables", 12345, 12345)
    assert "belongs to another user" in refusal(tmp_path, monkeypatch).message


def test_one_that_cannot_be_made_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = refusal(tmp_path / "none", monkeypatch)
    assert failure.code is Code.CANNOT_LISTEN
    assert "no such file" in failure.message


@pytest.mark.parametrize("name", ["../escape", "/etc/zz", "a/b", "..", ".", "a\n/b", "a/", "x\0y"])
def test_a_name_leads_nowhere_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(Failure, match="is no name for a socket") as caught:
        runtime.socket_path(name)
    assert caught.value.code is Code.USAGE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["shop", "my shop", "..shop", "shop:v1.2"])
def test_a_plain_name_is_that_of_a_socket(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime.socket_path(name) == str(tmp_path / "proxyables" / f"{name}.sock")
