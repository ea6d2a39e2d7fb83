"""The kinds of addresses, as frozen values, but for the one that `addresses` has itself."""

from __future__ import annotations

import re
from typing import ClassVar

from proxyables.frozen import frozen
from proxyables.net.addresses import Address, refuse

SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*):"
# sun_path holds 108 bytes on Linux, the last of them a NUL.
MAX_SOCKET_PATH = 107
TLS_PARAMETERS = ("ca", "cert", "key", "server_name", "verify")
SCHEMES = ("stdio", "tcp", "tls", "unix", "ws", "wss", "fd", "exec", "ssh")
_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = rf"({_BYTE}\.){{3}}{_BYTE}"


@frozen
class HostAddress(Address):
    """What the schemes with a host and a port share. An IPv6 host is stored without brackets."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        return is_loopback_host(self.host)

    @property
    def authority(self) -> str:
        """``HOST:PORT``, with brackets around an IPv6 host."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    def check(self, *, listening: bool, text: str = "") -> None:
        if listening:
            return
        if self.host == "*":
            refuse(
                text or str(self), "'*' means every interface, for listening; name the host to dial"
            )
        if self.port == 0:
            refuse(
                text or str(self),
                "port 0 means any free port, for listening; name the port to dial",
            )


@frozen
class TcpAddress(HostAddress):
    """A TCP socket."""

    scheme: ClassVar[str] = "tcp"


@frozen
class TlsAddress(HostAddress):
    """A TLS socket. ``parameters`` are (name, value) pairs in the order of `TLS_PARAMETERS`."""

    scheme: ClassVar[str] = "tls"
    parameters: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        text = f"tls://{self.authority}"
        if not self.parameters:
            return text
        from urllib.parse import quote

        return text + "?" + "&".join(f"{k}={quote(v, safe='/:~')}" for k, v in self.parameters)


@frozen
class WebSocketAddress(HostAddress):
    """A WebSocket."""

    scheme: ClassVar[str] = "ws"
    default_port: ClassVar[int] = 80
    path: str = "/"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


@frozen
class SecureWebSocketAddress(WebSocketAddress):
    """A WebSocket over TLS."""

    scheme: ClassVar[str] = "wss"
    default_port: ClassVar[int] = 443


@frozen
class UnixAddress(Address):
    """A Unix socket: a path, or ``@NAME`` in the abstract name space when ``is_abstract``."""

    scheme: ClassVar[str] = "unix"
    path: str

    @property
    def is_abstract(self) -> bool:
        return self.path.startswith("@")

    @property
    def target(self) -> str:
        """What ``bind`` and ``connect`` take: abstract names begin with a NUL there."""
        return "\0" + self.path[1:] if self.is_abstract else self.path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@frozen
class FdAddress(Address):
    """An inherited socket: its number, or the name that the service manager gave it."""

    scheme: ClassVar[str] = "fd"
    descriptor: int | str

    def __str__(self) -> str:
        return f"fd:{self.descriptor}"


@frozen
class ExecAddress(Address):
    """A child process whose stdin and stdout are the wire."""

    scheme: ClassVar[str] = "exec"
    can_listen: ClassVar[bool] = False
    words: tuple[str, ...]

    def __str__(self) -> str:
        import shlex  # as dear as the rest of this module; so are the other imports in functions

        return f"exec:{shlex.join(self.words)}"


@frozen
class SshAddress(Address):
    """An address that is dialled from another machine, through ssh. ``port`` 0 is ssh's own.

    A ``~/`` in the target is the home over there, so it stays as it is.
    """

    scheme: ClassVar[str] = "ssh"
    can_listen: ClassVar[bool] = False
    user: str
    host: str
    port: int
    target: Address

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        target = str(self.target)
        if isinstance(self.target, UnixAddress):
            path = self.target.path
            home = path.startswith("~/")
            if home or (path.startswith("/") and not has_address_form(path[1:])):
                target = path if home else path[1:]
        return f"ssh://{user}{host}{port}/{target}"


@frozen
class AliasAddress(Address):
    """A name that the configuration replaces by an address."""

    scheme: ClassVar[str] = "@"
    can_open: ClassVar[bool] = False
    name: str

    @property
    def is_loopback(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"@{self.name}"


def is_loopback_host(host: str) -> bool:
    """Whether a host, given as a name or as an IP address, is this machine and only it."""
    if ":" not in host:
        return host == "localhost" or bool(re.fullmatch(IPV4, host) and host.startswith("127."))
    if not is_ipv6(host):
        return False
    import ipaddress

    address = ipaddress.IPv6Address(host)
    # ::ffff:127.0.0.1 is the IPv4 loopback address, but is_loopback says so from 3.13 on only.
    return (address.ipv4_mapped or address).is_loopback


def is_ipv6(host: str) -> bool:
    """Whether a host, without brackets, is an IPv6 address."""
    import ipaddress

    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def has_address_form(path: str) -> bool:
    """Whether what follows ``ssh://HOST/`` is another address, rather than a path's rest."""
    match = re.match(SCHEME, path)
    return path.startswith((":", "[", "@")) or bool(match and match[1].lower() in SCHEMES)
