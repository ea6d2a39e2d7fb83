"""What a supervising process hands to the processes that serve: listening sockets, and a line.

The child is started with the supervisor's own command line, and this, in one environment variable,
says what is different. The line is a socket; see line.py for what is said there.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Sequence

from proxyables.frozen import frozen
from proxyables_cli.exits import Code, Failure

VARIABLE = "PROXYABLES_HANDOVER"
# What concerns the supervisor alone: its supervisor, and the sockets that it was given.
_NOT_FOR_CHILDREN = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
)


@frozen
class Handover:
    """What was handed over, as the child sees it.

    Attributes:
        addresses: What the sockets are for.
        descriptors: Those of the sockets of each address, in their order.
        line: The descriptor of that to the supervisor, which stays open to the end.
        patience: Seconds of silence after which the supervisor takes this process for stuck; 0
            if it does not care.
        number: Which of the processes that serve the same this is, from 1.
        count: How many they are.
    """

    addresses: list[str]
    descriptors: list[list[int]]
    line: int
    patience: float
    number: int
    count: int

    def open_sockets(self) -> list[list[socket.socket]]:
        """Makes the sockets, which are the caller's; once."""
        return [[socket.socket(fileno=number) for number in each] for each in self.descriptors]


def environment(
    addresses: Sequence[str],
    sockets: Sequence[Sequence[socket.socket]],
    line: socket.socket,
    patience: float,
    number: int,
    count: int,
) -> dict[str, str]:
    """Returns the environment of a child that these are handed to; see `Handover`."""
    kept = {name: text for name, text in os.environ.items() if name not in _NOT_FOR_CHILDREN}
    told = {
        "from": os.getpid(),
        "addresses": list(addresses),
        "sockets": [[sock.fileno() for sock in each] for each in sockets],
        "line": line.fileno(),
        "patience": patience,
        "number": number,
        "count": count,
    }
    import json

    return kept | {VARIABLE: json.dumps(told)}


def take() -> Handover | None:
    """Takes what was handed to this process; None if nothing was.

    The variable is gone afterwards, so no child of this process finds it.

    Raises:
        Failure: The supervisor has ended already, or the variable is none of ours.
    """
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        return None
    import json  # most servers have no supervisor

    try:
        told = json.loads(text)
        if told.pop("from") != os.getppid():
            raise Failure(Code.LOST, "the process that was to supervise this one has ended")
        handed = Handover(descriptors=told.pop("sockets"), **told)
        for number in [handed.line, *itertools.chain(*handed.descriptors)]:
            os.set_inheritable(number, False)
        return handed
    except (ValueError, LookupError, TypeError, OSError) as error:
        raise Failure(Code.CONFIGURATION, f"{VARIABLE} is for our own use: {error}") from None


__all__ = ["VARIABLE", "Handover", "environment", "take"]
