"""From text to addresses, by the grammar of `addresses`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import NoReturn

from proxyables.net.address_kinds import (
    IPV4,
    MAX_SOCKET_PATH,
    SCHEME,
    SCHEMES,
    TLS_PARAMETERS,
    AliasAddress,
    ExecAddress,
    FdAddress,
    SecureWebSocketAddress,
    SshAddress,
    TcpAddress,
    TlsAddress,
    UnixAddress,
    WebSocketAddress,
    has_address_form,
    is_ipv6,
)
from proxyables.net.addresses import Address, StdioAddress, refuse

MAX_HOST = 253  # RFC 1035: 255 octets on the wire, two of them for lengths

_BARE_PATHS = ("/", "./", "../", "~/")
# Compiled by `re` when one is first used: most processes see an address or two.
_HOST = r"(?!-)[A-Za-z0-9_.-]+"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_NUMBER = r"[0-9]+|0[xX][0-9a-fA-F]*"
_DIGITS = r"[0-9]+"


def read(text: str) -> Address:
    """Understands one address, which may have no meaning where it is to be used.

    Raises:
        ValueError: It is none; the message quotes it and says what to write instead.
    """
    _check_characters(text)
    address = _parse(text)
    if isinstance(address, UnixAddress) and address.path.startswith("~/"):
        return _unix(text, os.path.expanduser(address.path))
    return address


def _parse(text: str) -> Address:
    if text == "-":
        return StdioAddress()
    if text.startswith("@"):
        return _parse_alias(text)
    if text.startswith(_BARE_PATHS):
        return _unix(text, text)
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in _PARSERS:
        return _PARSERS[scheme.lower()](text, rest)
    if rest.startswith("//") and re.match(SCHEME, text):
        refuse(text, f"unknown scheme {scheme!r}; known are {', '.join(SCHEMES)}")
    if "/" in text:
        refuse(text, f"write a socket path as ./{text} or unix:{text}")
    return TcpAddress(*_authority(text, text, scheme="tcp"))


def _parse_stdio(text: str, rest: str) -> Address:
    if rest:
        refuse(text, "nothing can follow stdio:")
    return StdioAddress()


def _parse_tcp(text: str, rest: str) -> Address:
    if not rest.startswith("//"):
        rest = rest.lstrip(":/") or "PORT"
        colon = "" if ":" in rest else ":"
        refuse(text, f"a scheme is never a host; write tcp://{colon}{rest}")
    return TcpAddress(*_authority(text, rest[2:], scheme="tcp"))


def _parse_tls(text: str, rest: str) -> Address:
    authority, _, query = _after_slashes(text, rest, "tls").partition("?")
    if authority.startswith(":"):
        refuse(text, f"TLS needs the host's name: tls://HOST{authority}")
    host, port = _authority(text, authority, scheme="tls")
    return TlsAddress(host, port, _tls_parameters(text, query))


def _tls_parameters(text: str, query: str) -> tuple[tuple[str, str], ...]:
    if not query:
        return ()
    from urllib.parse import unquote

    found: dict[str, str] = {}
    for item in query.split("&"):
        key, equals, value = item.partition("=")
        value = unquote(value)
        if key not in TLS_PARAMETERS or not equals or not value:
            known = ", ".join(TLS_PARAMETERS)
            refuse(text, f"{item!r:.80} is not NAME=VALUE with a NAME of {known}")
        if key in found:
            refuse(text, f"{key} is given twice")
        if not value.isprintable():
            refuse(text, f"the value of {key} holds a control character")
        if key == "verify" and value not in ("yes", "no"):
            refuse(text, f"verify is 'yes' or 'no', not {value!r:.80}")
        found[key] = value
    return tuple((key, found[key]) for key in TLS_PARAMETERS if key in found)


def _parse_websocket(text: str, rest: str) -> Address:
    scheme = text.partition(":")[0].lower()
    kind = SecureWebSocketAddress if scheme == "wss" else WebSocketAddress
    authority, slash, path = _after_slashes(text, rest, scheme).partition("/")
    if not authority or authority.startswith(":"):
        refuse(text, f"a host is missing: {scheme}://HOST{authority}{slash}{path}")
    if "#" in path:
        refuse(text, "a WebSocket's path holds no '#'")
    if authority.endswith("]") or ":" not in authority:
        authority = f"{authority}:{kind.default_port}"
    host, port = _authority(text, authority, scheme=scheme)
    return kind(host, port, "/" + path)


def _parse_unix(text: str, rest: str) -> Address:
    if rest.startswith("//") and not rest.startswith("///"):
        refuse(text, f"a path follows unix: directly; write unix:{rest[2:] or 'PATH'}")
    return _unix(text, rest)


def _unix(text: str, path: str) -> Address:
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    if path in ("", "@"):
        refuse(text, "a path is missing: unix:/run/user/1000/name.sock")
    if path.endswith("/"):
        refuse(text, "this names a directory; add the socket's file name")
    # An abstract name is stored with a NUL in front, where a path has one at its end.
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_PATH:
        refuse(text, f"a socket path has at most {MAX_SOCKET_PATH} bytes, this one has {size}")
    return UnixAddress(path)


def _parse_fd(text: str, rest: str) -> Address:
    if re.fullmatch(_DIGITS, rest):
        # No process has descriptors beyond a C int, and int() of a long text takes its time.
        if len(rest) > 9:
            refuse(text, "no descriptor has such a number")
        return FdAddress(int(rest))
    if (
        not rest
        or rest.startswith("-")
        or ":" in rest
        or " " in rest
        or len(rest) > 255
        or not rest.isascii()
    ):
        refuse(text, "write fd:3, or fd:NAME with a name from LISTEN_FDNAMES")
    return FdAddress(rest)


def _parse_exec(text: str, rest: str) -> Address:
    import shlex  # takes longer to import than this module

    try:
        words = shlex.split(rest)
    except ValueError as error:
        refuse(text, f"cannot be split into words ({str(error).lower()}); check the quotes")
    if not words or not words[0]:
        refuse(text, "a command is missing: exec:COMMAND [ARGUMENT]…")
    return ExecAddress(tuple(words))


def _parse_ssh(text: str, rest: str) -> Address:
    authority, slash, path = _after_slashes(text, rest, "ssh").partition("/")
    if not slash or not path:
        refuse(text, "say what to reach over there: ssh://HOST/run/x.sock, ssh://HOST/tcp://:9000")
    user, at, host = authority.rpartition("@")
    name = host.partition(":")[0]
    # ssh takes its destination from the command line, where a dash begins an option.
    if host.startswith("-") or user.startswith("-"):
        refuse(text, "a user or host that begins with '-' would be an option of ssh")
    if at and not re.fullmatch(_NAME, user):
        refuse(text, f"{user!r:.80} is not a user's name")
    port = 0
    _check_brackets(text, host, "ssh")
    if host.endswith("]") or ":" not in host:
        host = _host(text, host)
    else:
        host, port = _authority(text, host, scheme="ssh")
        if port == 0:
            refuse(text, "the port of ssh is a number from 1 to 65535")
    if host == "*":
        refuse(text, "name one host to reach by ssh")
    if name.lower() == host:
        host = name  # ssh's configuration tells Box from box, as no resolver does
    return SshAddress(user, host, port, _ssh_target(text, path))


def _ssh_target(text: str, path: str) -> Address:
    if path.startswith("~/"):
        return _unix(text, path)
    if not has_address_form(path):
        return _unix(text, "/" + path)
    try:
        target = _parse(path)
    except ValueError as error:
        refuse(text, f"the address over there, {error}")
    if isinstance(target, (SshAddress, StdioAddress)):
        refuse(text, f"{target.scheme}: cannot be reached through ssh; use ProxyJump for hops")
    if isinstance(target, ExecAddress) and target.words[0].startswith("-"):
        refuse(text, "a command that begins with '-' would be an option of the shell over there")
    target.check(listening=False, text=text)
    return target


def _parse_alias(text: str) -> Address:
    if not re.fullmatch(_NAME, text[1:]):
        refuse(text, "an alias is '@' and letters, digits, '_', '.' or '-'")
    return AliasAddress(text[1:])


def _after_slashes(text: str, rest: str, scheme: str) -> str:
    if not rest.startswith("//"):
        host = f"HOST:{rest}" if re.fullmatch(_DIGITS, rest) else rest.lstrip("/") or "HOST"
        refuse(text, f"a scheme is never a host; write {scheme}://{host}")
    return rest[2:]


def _authority(text: str, authority: str, *, scheme: str) -> tuple[str, int]:
    """Splits ``[HOST]:PORT``."""
    if "/" in authority:
        refuse(text, f"nothing can follow the port: {scheme}://{authority.partition('/')[0]}")
    host, colon, port = authority.rpartition(":")
    _check_brackets(text, authority, scheme)
    if not authority.startswith("[") and ":" in host:
        _refuse_colons(text, authority, scheme)
    if not colon or (authority.startswith("[") and not host.endswith("]")):
        if re.fullmatch(_DIGITS, authority):
            refuse(text, f"write a port as :{authority}, a socket path as ./{authority}")
        if authority.lower() in SCHEMES:
            refuse(text, f"{authority!r} is a scheme; what it leads to is missing")
        refuse(text, f"a port is missing: {scheme}://{authority or 'HOST'}:PORT")
    if not re.fullmatch(_DIGITS, port):
        refuse(text, f"{port!r:.80} is not a port; a number from 0 to 65535 was expected")
    if len(port) > 5 or int(port) > 65535:
        refuse(text, f"port {port:.20} is out of range; the highest is 65535")
    return _host(text, host or "127.0.0.1"), int(port)


def _check_brackets(text: str, authority: str, scheme: str) -> None:
    """Refuses brackets that stand elsewhere than around a whole host, with a port behind it."""
    bare = authority.replace("[", "").replace("]", "")
    if bare == authority or re.fullmatch(r"\[[^\[\]]*\](:.*)?", authority):
        return
    port = authority.rpartition(":")[2]
    other = f"[IPV6]:{port if re.fullmatch(_DIGITS, port) else 'PORT'}"
    meant, missing = _bracketed(bare) or other, ""
    if meant.endswith(":PORT"):
        if scheme in ("tcp", "tls"):
            missing = ", and a port is missing"
        else:  # which have one of their own
            meant = meant.removesuffix(":PORT")
    refuse(text, f"brackets stand on both sides of an IPv6 host{missing}: {scheme}://{meant}")


def _refuse_colons(text: str, authority: str, scheme: str) -> NoReturn:
    if meant := _bracketed(authority):
        refuse(text, f"put brackets around an IPv6 host: {scheme}://{meant}")
    refuse(text, f"one ':' is expected, between host and port: {scheme}://HOST:PORT")


def _bracketed(authority: str) -> str:
    """Writes an IPv6 host, and what may be its port, with brackets; empty if it is none.

    ``::1:9000`` is an IPv6 address as a whole as well, but hardly ever meant as one.
    """
    host, _, port = authority.rpartition(":")
    if is_ipv6(host) and re.fullmatch(_DIGITS, port):
        return f"[{host}]:{port}"
    return f"[{authority}]:PORT" if is_ipv6(authority) else ""


def _host(text: str, host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        return _ipv6(text, host[1:-1])
    if host == "*":
        return host
    if host.lower() in SCHEMES:
        refuse(text, f"{host!r} is a scheme, and a scheme is never a host")
    if not re.fullmatch(_HOST, host) or len(host) > MAX_HOST:
        refuse(text, f"{host!r:.80} is not a host (ASCII letters, digits, '-', '_' and '.')")
    # The resolver would also take "127.1" and "0x7f.1", which no reader expects.
    if _looks_like_ipv4(host) and not re.fullmatch(IPV4, host):
        refuse(text, f"{host!r:.80} is not an IPv4 address (four numbers from 0 to 255)")
    return host.lower()


def _ipv6(text: str, host: str) -> str:
    import ipaddress

    if not is_ipv6(host):
        refuse(text, f"{host!r:.80} is not an IPv6 address")
    return str(ipaddress.IPv6Address(host))


def _looks_like_ipv4(host: str) -> bool:
    """Whether the resolver would take the name for a number: its last label is one."""
    return bool(re.fullmatch(_NUMBER, host.rstrip(".").rpartition(".")[2]))


def _check_characters(text: str) -> None:
    if not text:
        refuse(text, "an address is missing, such as :9000 or unix:/tmp/name.sock")
    if text != text.strip():
        refuse(text, "remove the space around the address")
    program = text[:5].lower() == "exec:"
    for character in text:
        # The words of a command may span lines; nothing else can hold what does not print.
        if not (character.isprintable() or (program and character in "\n\t")):
            refuse(text, f"the character {character!r} cannot be part of an address")
    path = text.startswith(_BARE_PATHS) or text[:4].lower() in ("unix", "ssh:")
    if " " in text and not (program or path):
        refuse(text, "an address holds no space")


_PARSERS: dict[str, Callable[[str, str], Address]] = {
    "stdio": _parse_stdio,
    "tcp": _parse_tcp,
    "tls": _parse_tls,
    "unix": _parse_unix,
    "ws": _parse_websocket,
    "wss": _parse_websocket,
    "fd": _parse_fd,
    "exec": _parse_exec,
    "ssh": _parse_ssh,
}

__all__ = ["read"]
