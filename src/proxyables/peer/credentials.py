"""Who is at the other end, as this machine's kernel and a checked certificate tell it."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from proxyables.frozen import frozen

# struct ucred of unix(7): pid, uid, gid. Linux alone has SO_PEERCRED in this form.
_UCRED = struct.Struct("=iII")
_SO_PEERCRED: int | None = getattr(socket, "SO_PEERCRED", None)
_IPV6_PREFIX = 64  # bits: who has one address of such a network has them all


@frozen
class Credentials:
    """What is known of a peer without believing it: nothing here was told by the peer itself.

    What cannot be known is None, or empty: so a method that lets in only whom it knows compares
    with what it wants, and never asks what is missing.

    Attributes:
        host: The remote IP address; None where the connection is not over IP.
        pid: The process that connected to, or made, the Unix socket. It may have ended since, and
            its number may be another's: good for logs, not for decisions.
        uid: The user that this process ran as.
        gid: Its group.
        subject: The subject of the certificate that TLS has checked, such as
            ``"CN=alice, O=Example"``; None without one.
        names: The certificate's alternative names, such as ``"DNS:alice.example"``.
    """

    host: str | None = None
    pid: int | None = None
    uid: int | None = None
    gid: int | None = None
    subject: str | None = None
    names: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """What failed attempts are counted by; the same for addresses that one party has."""
        if self.host is None:
            return "" if self.uid is None else f"uid {self.uid}"
        import ipaddress  # where there is no token, nobody asks

        try:
            address = ipaddress.ip_address(self.host.partition("%")[0])
        except ValueError:
            return self.host
        if isinstance(address, ipaddress.IPv4Address):
            return self.host
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))


def read_credentials(transport: asyncio.BaseTransport) -> Credentials:
    """Asks the kernel, and TLS, who is at the other end of a transport. Never raises."""
    sock = transport.get_extra_info("socket")
    family = getattr(sock, "family", None)
    pid = uid = gid = host = None
    if family == getattr(socket, "AF_UNIX", -1):
        pid, uid, gid = _process_behind(sock)
    elif family in (socket.AF_INET, socket.AF_INET6):
        name = transport.get_extra_info("peername")
        host = str(name[0]) if name else None
    # Empty for a certificate that came and was not checked.
    certificate: dict[str, Any] = transport.get_extra_info("peercert") or {}
    return Credentials(host, pid, uid, gid, _subject(certificate), _names(certificate))


def _process_behind(sock: Any) -> tuple[int | None, int | None, int | None]:
    if _SO_PEERCRED is None:
        return None, None, None
    try:
        pid, uid, gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_PEERCRED, _UCRED.size))
    except OSError:
        return None, None, None
    return pid or None, uid, gid  # 0: a process outside of this one's name space


def _subject(certificate: dict[str, Any]) -> str | None:
    pairs = [pair for group in certificate.get("subject", ()) for pair in group]
    if not certificate:
        return None
    # The most particular part first, as RFC 4514 writes them; certificates have it last.
    return ", ".join(f"{_SHORT.get(name, name)}={_escaped(text)}" for name, text in reversed(pairs))


def _escaped(text: str) -> str:
    # RFC 4514, section 2.4, so that no common name can pretend to be two parts.
    escaped = "".join(f"\\{each}" if each in ',+"\\<>;=' else each for each in text)
    if escaped[:1] in (" ", "#"):
        escaped = f"\\{escaped}"
    return f"{escaped[:-1]}\\ " if len(escaped) > 1 and escaped.endswith(" ") else escaped


def _names(certificate: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        f"{kind}:{name}"
        for kind, name in certificate.get("subjectAltName", ())
        if isinstance(name, str)
    )


_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "domainComponent": "DC",
    "userId": "UID",
}

__all__ = ["Credentials", "read_credentials"]
