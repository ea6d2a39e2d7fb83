"""TCP's own keep-alive, for peers that are sent no pings: the system notices that one is gone."""

from __future__ import annotations

import contextlib
import socket

from proxyables.limits import Limits

_PROBES = 3
_MOST = 32_767  # seconds that Linux takes


def have_probed(sock: socket.socket | None, limits: Limits) -> None:
    """Has the system end a connection over TCP whose other side is silent, in the usual times.

    It finds machines and networks that are gone. A process that hangs still answers.

    Args:
        sock: None, or of another family: nothing is done, as the system knows who is there.
        limits: `keepalive` and `keepalive_timeout` count.
    """
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    if not limits.keepalive:
        return
    total = limits.keepalive + limits.keepalive_timeout
    options = {
        "TCP_KEEPIDLE": _seconds(limits.keepalive),
        "TCP_KEEPALIVE": _seconds(limits.keepalive),  # as macOS calls it
        "TCP_KEEPINTVL": _seconds(limits.keepalive_timeout / _PROBES),
        "TCP_KEEPCNT": _PROBES,
        "TCP_USER_TIMEOUT": 1000 * _seconds(total),  # for what was sent and not acknowledged
    }
    with contextlib.suppress(OSError):  # reset in the meantime; reading it says so
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _seconds(wanted: float) -> int:
    return int(min(max(wanted, 1), _MOST))
