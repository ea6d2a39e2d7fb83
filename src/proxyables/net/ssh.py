"""``ssh://`` addresses: a child ssh whose remote command is the other end of the wire.

An ``exec:`` address over there is that command itself. For everything else it is ``proxyables
bridge``, which relays between its stdin and stdout and the address. How ssh gets there (keys,
jumps, names) is its own business, and its configuration applies.

Nothing of an address can become an option, or reach a shell unquoted. The destination follows
``--``; ssh goes on looking for options after it, so the remote command is one word that begins with
``exec``. Its parts are quoted, since the login shell over there splits them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from proxyables.errors import HandshakeFailed, Reason
from proxyables.net.addresses import ExecAddress, SshAddress
from proxyables.net.programs import EXIT_REASONS

PROGRAM = "PROXYABLES_SSH"
"""The environment variable that names another ssh, or options for it: ``ssh -i key -F none``.

They come first, and ssh takes the first value that it is given: they win over those below.
"""

# What scp and sftp set as well: a configuration made for logins may hold what disturbs a wire.
# There is no terminal to ask on (see processes.py), so ssh is not to try.
_OPTIONS = (
    *("-T", "-x"),
    *("-o", "BatchMode=yes"),
    *("-o", "ClearAllForwardings=yes"),
    *("-o", "PermitLocalCommand=no"),
    *("-o", "RemoteCommand=none"),
)

# ssh ends with the status of the remote command, or with 255 if it did not come to that: ssh(1).
SSH_REASONS: Mapping[int, Reason] = {**EXIT_REASONS, 255: "unreachable"}


def ssh_words(address: SshAddress) -> tuple[str, ...]:
    """The program and its arguments that reach an address through ssh.

    Raises:
        HandshakeFailed: ``PROXYABLES_SSH`` is not a command.
    """
    words = [*_program(), *_OPTIONS]
    if address.port:
        words += ["-p", str(address.port)]
    if address.user:
        words += ["-l", address.user]
    return (*words, "--", address.host, f"exec {shlex.join(_remote_words(address))}")


def ssh_advice(address: SshAddress, status: int | None) -> str:
    """What to try when ssh has ended with this status; empty if its own words will do."""
    if status != 127 or isinstance(address.target, ExecAddress):
        return ""
    words = ("/PATH/TO/proxyables", *_remote_words(address)[1:])
    there = SshAddress(address.user, address.host, address.port, ExecAddress(words))
    return f"; install proxyables over there, or say where it is: {str(there)!r:.200}"


def _program() -> list[str]:
    text = os.environ.get(PROGRAM, "ssh")
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if not words:
        raise HandshakeFailed(
            f"cannot start ssh: {PROGRAM}={text!r:.200} is no command, such as 'ssh -i KEY'",
            reason="not-executable",
        )
    return words


def _remote_words(address: SshAddress) -> tuple[str, ...]:
    target = address.target
    if isinstance(target, ExecAddress):
        return target.words
    return ("proxyables", "bridge", str(target))


__all__ = ["PROGRAM", "SSH_REASONS", "ssh_advice", "ssh_words"]
