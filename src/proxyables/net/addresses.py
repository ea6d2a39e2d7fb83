"""Addresses: where a peer can be reached, from text to the kinds of `address_kinds`.

One grammar serves the library, the command and what they print::

    "-" | "stdio:"                               this process's stdin and stdout
    [ "tcp://" ] [HOST] ":" PORT                 no HOST is 127.0.0.1; "*" is all (listening only)
    "tls://" HOST ":" PORT [ "?" params ]        params: ca, cert, key, server_name, verify
    "unix:" PATH | PATH                          a bare PATH starts with / ./ ../ or ~/
    "unix:@NAME"                                 an abstract socket (Linux)
    "ws://" | "wss://" HOST [":" PORT] [PATH]
    "fd:" ( N | NAME )                           an inherited descriptor
    "exec:" WORDS                                a child process; POSIX word splitting, no shell
    "ssh://" [USER "@"] HOST [":" PORT] ( PATH | "/" address )
    "@" NAME                                     an alias from the configuration

`parse` understands text, ``str(address)`` gives the canonical text, and
``parse(str(address)) == address`` holds. Ports are checked here because a loop may not: uvloop
takes them modulo 65536. Every mistake is a ``ValueError`` that quotes the text and says what to
write instead.

The kinds are loaded, and known by this module's name, when there is one of them: a stdio child
does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from proxyables.errors import NotSupported
from proxyables.frozen import frozen

if TYPE_CHECKING:
    from proxyables.net.address_kinds import (
        MAX_SOCKET_PATH,
        AliasAddress,
        ExecAddress,
        FdAddress,
        HostAddress,
        SecureWebSocketAddress,
        SshAddress,
        TcpAddress,
        TlsAddress,
        UnixAddress,
        WebSocketAddress,
        is_loopback_host,
    )


@frozen
class Address:
    """One place where a peer listens, or can be dialled. Made by `parse`, and trusted after it."""

    scheme: ClassVar[str]
    can_listen: ClassVar[bool] = True
    can_open: ClassVar[bool] = True
    """Whether it can be listened on, or dialled, as it is."""

    @property
    def is_loopback(self) -> bool:
        """Whether nobody outside this machine can reach a listener on this address.

        A host name counts only if it is ``localhost``: what others resolve to is looked at when
        the socket is bound.
        """
        return True

    def check(self, *, listening: bool, text: str = "") -> None:
        """Raises `ValueError` if the address has no meaning for that side of a connection.

        Args:
            listening: Which side: to be listened on, or to be dialled.
            text: What the message quotes, if not the canonical text.
        """
        if listening and not self.can_listen:
            refuse(
                text or str(self), f"{self.scheme}: can only be dialled, nobody can listen on it"
            )


@frozen
class StdioAddress(Address):
    """This process's own stdin and stdout."""

    scheme: ClassVar[str] = "stdio"

    def __str__(self) -> str:
        return "stdio:"


def parse(text: str, *, listening: bool = False) -> Address:
    """Understands one address.

    A leading ``~/`` of a socket path is replaced by the home directory.

    Args:
        text: What the user wrote.
        listening: Whether it is to be listened on; else it is to be dialled.

    Raises:
        TypeError: ``text`` is not a string.
        ValueError: It is no address, or has no meaning on that side; the message quotes it and
            says what to write instead.
    """
    if not isinstance(text, str):
        raise TypeError(f"an address is a str, such as 'tcp://127.0.0.1:9000', got {text!r:.80}")
    if text in ("-", "stdio:"):
        address: Address = StdioAddress()
    else:
        from proxyables.net.grammar import read

        address = read(text)
    address.check(listening=listening, text=text)
    return address


def understand(address: str | Address, *, listening: bool) -> Address:
    """As `parse`, for text and for addresses that have been parsed; to be opened.

    Raises:
        NotSupported: It is of a kind that this version cannot open.
    """
    if isinstance(address, Address):
        address.check(listening=listening)
        found = address
    else:
        found = parse(address, listening=listening)
    if not found.can_open:
        raise NotSupported(
            f"{str(found)!r:.200}: this version cannot open {found.scheme} addresses; "
            "use tcp:, tls:, ws:, wss:, unix:, exec:, ssh:, fd: or stdio:"
        )
    return found


def refuse(text: str, hint: str) -> NoReturn:
    """Raises the ValueError of an address that is none: what was written, and what to write."""
    shown = repr(text) if len(text) <= 200 else repr(text[:200]) + "…"
    raise ValueError(f"{shown}: {hint}")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from proxyables.net import address_kinds

    return getattr(address_kinds, name)


__all__ = [
    "MAX_SOCKET_PATH",
    "Address",
    "AliasAddress",
    "ExecAddress",
    "FdAddress",
    "HostAddress",
    "SecureWebSocketAddress",
    "SshAddress",
    "StdioAddress",
    "TcpAddress",
    "TlsAddress",
    "UnixAddress",
    "WebSocketAddress",
    "is_loopback_host",
    "parse",
    "refuse",
    "understand",
]
