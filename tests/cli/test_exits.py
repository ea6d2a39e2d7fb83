"""Exceptions as exit codes and lines."""

from __future__ import annotations

import pytest

from proxyables import errors
from proxyables_cli.exits import Code, Failure, OutputClosed, explain, printable, report


class RemoteTimeout(errors.RemoteError, TimeoutError):
    """What a remote TimeoutError arrives as."""


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def meeting(reason: str) -> BaseException:
    """What `connect` raises when the other side is there and the two do not get on."""
    inner = errors.HandshakeFailed(reason)
    return caused(errors.HandshakeFailed(f"cannot connect to tcp://h:1: {reason}"), inner)


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
        (caused(errors.HandshakeFailed("no"), TimeoutError()), 75),
        (meeting("not a proxyables peer: it sent b'HTTP'"), 76),
        (meeting("the peer speaks protocol version 9, this side speaks 1"), 76),
        (meeting("the peer closed the connection during the handshake"), 69),
        (meeting("no answer to the hello within 10 s"), 75),
        (caused(errors.HandshakeFailed("cannot start 'x': no"), FileNotFoundError()), 127),
        (caused(errors.HandshakeFailed("cannot start 'x': no"), PermissionError()), 126),
        (caused(errors.HandshakeFailed("cannot connect: no"), FileNotFoundError()), 69),
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
