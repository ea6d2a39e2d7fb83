"""Exceptions as exit codes and lines."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from proxyables import errors
from proxyables_cli import exits
from proxyables_cli.exits import Code, Failure, OutputClosed, explain, printable, report


class RemoteTimeout(errors.RemoteError, TimeoutError):
    """What a remote TimeoutError arrives as."""


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def meeting(reason: errors.Reason) -> BaseException:
    """What `connect` raises when two sides do not meet."""
    return errors.HandshakeFailed("cannot connect to tcp://h:1: no", reason=reason)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RemoteError("no", type_name="ValueError"), 1),
        (RemoteTimeout("late", type_name="TimeoutError"), 1),
        (errors.AccessDenied("no"), 1),
        (errors.ReferenceNotFound("no"), 1),
        (Failure(Code.USAGE, "no"), 2),
        (errors.EncodingError("no"), 65),
        (errors.LimitExceeded("max_message", 1, 2), 65),
        (errors.HandshakeFailed("no"), 69),
        (caused(errors.HandshakeFailed("no"), ConnectionRefusedError()), 69),
        (meeting("unreachable"), 69),
        (meeting("closed"), 69),
        (meeting("timeout"), 75),
        (meeting("not-a-peer"), 76),
        (meeting("version"), 76),
        (meeting("malformed"), 76),
        (meeting("refused"), 76),
        (meeting("busy"), 69),
        (meeting("not-found"), 127),
        (meeting("not-executable"), 126),
        (errors.ConnectionClosed("no"), 74),
        (errors.ConnectionLost("no"), 74),
        (TimeoutError(), 75),
        (errors.PeerProtocolError("no"), 76),
        (errors.NotSupported("no"), 76),
        (errors.AuthenticationFailed("no"), 77),
        (KeyboardInterrupt(), 130),
        (OutputClosed(), 141),
        (errors.ProxyError("no"), 70),
        (RuntimeError("no"), 70),
    ],
)
def test_each_error_has_its_code(error: BaseException, code: int) -> None:
    assert explain(error)[0] == code


def test_every_reason_has_its_code() -> None:
    assert exits._BY_REASON.keys() == set(get_args(errors.Reason))


def test_only_who_found_nobody_is_told_to_start_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    advice = "; start a server with 'proxyables serve'"
    nobody = caused(errors.HandshakeFailed("no", reason="unreachable"), ConnectionRefusedError())
    assert explain(nobody) == (69, f"no{advice}")
    no_program = caused(errors.HandshakeFailed("no", reason="not-found"), FileNotFoundError())
    assert explain(no_program) == (127, "no")
    assert explain(meeting("unreachable")) == (69, "cannot connect to tcp://h:1: no")


def test_lines_name_the_type_of_what_they_raised() -> None:
    known = RemoteTimeout("late", type_name="TimeoutError")
    assert explain(known)[1] == "TimeoutError: late"
    assert explain(errors.RemoteError("x", type_name="Odd"))[1] == "Odd: x"
    assert explain(errors.RemoteError("", type_name="Odd"))[1] == "Odd"
    assert explain(RuntimeError("x"))[1] == "unexpected RuntimeError: x; --debug shows where"
    assert explain(KeyboardInterrupt())[1] == ""


def test_a_line_is_one_line_that_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    code = report(errors.RemoteError("a\nb\x1b[31m\x9b\u202e" + "x" * 5000), debug=False)
    shown = capsys.readouterr().err
    assert code == 1
    assert shown.startswith("proxyables: RemoteError: a b\\x1b[31m\\x9b\\u202exx")
    assert shown.count("\n") == 1
    assert len(shown) < 700


def test_debug_shows_the_traceback_first(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise RuntimeError("here")
    except RuntimeError as error:
        report(error, debug=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("proxyables: unexpected RuntimeError")


def test_lone_surrogates_can_be_printed() -> None:
    assert printable("\udcff").encode() == b"\\udcff"
