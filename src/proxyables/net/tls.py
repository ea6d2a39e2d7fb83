"""TLS: whom each side trusts, how a socket gets its encryption, and why that failed.

A ``tls://`` address names files; so does nothing else, since a WebSocket's address has no room
for them: for ``wss://``, and for whatever a file cannot say, there is an `ssl.SSLContext`, which
`connect` and `serve` take as ``ssl=``. Either way it is TLS 1.2 or later, and whoever dials
checks the certificate and the host's name, unless told not to in so many words.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from proxyables.net.addresses import Address, HostAddress, TcpAddress, TlsAddress
from proxyables.net.hosts import look_up
from proxyables.net.transports import set_nodelay
from proxyables.peer.peer import Peer

# X509_V_ERR_… of OpenSSL's x509_vfy.h
_EXPIRED = 10
_NOT_YET_VALID = 9
_OTHER_HOST = (62, 64)  # a name, an IP address
_UNTRUSTED = (18, 19, 20, 21)  # self-signed, or its issuer is unknown

# What OpenSSL says when what came is no TLS record.
_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "UNKNOWN_PROTOCOL",
    "UNSUPPORTED_PROTOCOL",
    "PACKET_LENGTH_TOO_LONG",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "UNEXPECTED_MESSAGE",
    "UNEXPECTED_RECORD",
    "UNEXPECTED_EOF_WHILE_READING",
)
_CERTIFICATE_WANTED = ("CERTIFICATE_REQUIRED", "PEER_DID_NOT_RETURN_A_CERTIFICATE")
_CERTIFICATE_REFUSED = ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_EXPIRED", "ACCESS_DENIED")


class UnusableFile(ValueError):
    """A certificate, a key or an authority cannot be had from the file that was named."""


_WRITTEN = {name: f"{name}=" for name in ("cert", "key", "ca")}
"""How an address names its files; a command line has other words."""


# --- contexts ------------------------------------------------------------------------------------


def client_context(address: Address, given: ssl.SSLContext | None) -> ssl.SSLContext:
    """Returns what an address is dialled with.

    Without parameters the certificates that the system trusts are trusted (``SSL_CERT_FILE`` and
    ``SSL_CERT_DIR`` change which), and the host's name is checked.

    Raises:
        ValueError: A file cannot be used, or the parameters contradict each other.
    """
    found = _parameters(address, given)
    if given is not None:
        return given
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if found.get("verify") == "no":
        if "ca" in found:
            _refuse(address, "verify=no checks nothing, so ca= has no meaning")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "cert" not in found and "key" in found:
        _refuse(address, "key= belongs to a certificate; give cert= too")
    with _told_of(address):
        if "ca" in found:
            _load_authority(context, found, _WRITTEN)
        elif context.verify_mode is not ssl.CERT_NONE:
            context.load_default_certs()
        if "cert" in found:
            _load_certificate(context, found, _WRITTEN)
    return context


def server_context(address: Address, given: ssl.SSLContext | None) -> ssl.SSLContext:
    """Returns what an address is listened on with. With ``ca``, clients need a certificate of it.

    Raises:
        ValueError: There is no certificate, a file cannot be used, or a parameter is one for
            dialling.
    """
    found = _parameters(address, given)
    if given is not None:
        return given
    for name in ("server_name", "verify"):
        if name in found:
            _refuse(address, f"{name}= is for dialling")
    if "cert" not in found:
        how = "add ?cert=FILE&key=FILE" if isinstance(address, TlsAddress) else "give ssl="
        _refuse(address, f"listening with TLS takes a certificate; {how}")
    with _told_of(address):
        return listening_context(found)


def listening_context(
    files: Mapping[str, str], written: Mapping[str, str] = _WRITTEN
) -> ssl.SSLContext:
    """Makes what is listened with from files.

    Args:
        files: ``cert``, and perhaps its ``key``, and the ``ca`` that clients need a certificate of.
        written: What stands before each file's name where it was named.

    Raises:
        UnusableFile: One of them is of no use.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_certificate(context, files, written)
    if "ca" in files:
        _load_authority(context, files, written)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def secured(address: Address, given: ssl.SSLContext | None) -> Address:
    """The address, or the TLS one that a TCP address becomes where there is a context for it."""
    if given is not None and type(address) is TcpAddress:
        return TlsAddress(address.host, address.port)
    return address


def authenticates(context: ssl.SSLContext | None) -> bool:
    """Whether nobody gets in without a certificate that the context trusts."""
    return context is not None and context.verify_mode is ssl.CERT_REQUIRED


def _parameters(address: Address, given: ssl.SSLContext | None) -> Mapping[str, str]:
    found = dict(address.parameters) if isinstance(address, TlsAddress) else {}
    files = [name for name in found if name != "server_name"]
    if given is not None and files:
        _refuse(address, f"{files[0]}= and ssl= say the same thing twice; give one of them")
    return found


def _load_certificate(
    context: ssl.SSLContext, files: Mapping[str, str], written: Mapping[str, str]
) -> None:
    certificate = _readable("cert", files, written)
    key = _readable("key", files, written) if "key" in files else None
    shown = f"{written['cert']}{certificate}"

    def ask() -> NoReturn:
        # Without this, OpenSSL asks on the terminal, in the middle of whatever is running there.
        where = shown if key is None else f"{written['key']}{key}"
        hint = "decrypt it, or in Python give ssl=, with a context that has loaded it"
        raise UnusableFile(f"the key is encrypted in {where}; {hint}")

    try:
        context.load_cert_chain(certificate, key, password=ask)
    except ssl.SSLError as error:
        if key is not None:
            shown += f" and {written['key']}{key}"
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UnusableFile(f"the key is not that of the certificate: {shown}") from None
        told = f"no PEM certificate and key can be read from {shown}"
        if key is None:
            told += f"; if the key is in a file of its own, give {written['key'].strip()}"
        raise UnusableFile(told) from None


def _load_authority(
    context: ssl.SSLContext, files: Mapping[str, str], written: Mapping[str, str]
) -> None:
    path = _readable("ca", files, written)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        told = f"no PEM certificate can be read from {written['ca']}{path}"
        raise UnusableFile(told) from None


def _readable(name: str, files: Mapping[str, str], written: Mapping[str, str]) -> str:
    path = os.path.expanduser(files[name])
    try:
        with open(path, "rb"):
            return path
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnusableFile(f"cannot read {written[name]}{path}: {reason}") from None


@contextmanager
def _told_of(address: Address) -> Iterator[None]:
    """Has a file that is of no use told of the address that names it."""
    try:
        yield
    except UnusableFile as error:
        raise UnusableFile(f"{str(address)!r:.400}: {error}") from None


def _refuse(address: Address, reason: str) -> NoReturn:
    raise ValueError(f"{str(address)!r:.400}: {reason}")


# --- connections ---------------------------------------------------------------------------------


async def dial(
    address: HostAddress, protocol: asyncio.Protocol, context: ssl.SSLContext, *, timeout: float
) -> None:
    """Connects to the first of the host's places that takes the connection, and encrypts it.

    Args:
        address: Where to, and whom to expect there.
        protocol: What gets the connection.
        context: Whom to trust.
        timeout: Seconds for the TLS handshake.

    Raises:
        ssl.SSLError: The two do not come to terms over TLS; `explain` says why.
        TimeoutError: TLS was not there in time.
        OSError: Nobody is there.
    """
    failure: OSError | None = None
    for family, place in await look_up(address.host, address.port):
        try:
            await _dial_place(family, place, protocol, context, _expected(address), timeout)
            return
        except ssl.SSLError:
            raise
        except OSError as error:
            failure = failure or error
    assert failure is not None  # a host that is found has a place
    raise failure


async def _dial_place(
    family: int,
    place: tuple[str, int],
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    name: str,
    timeout: float,
) -> None:
    try:
        # By number and not with a socket of ours, which uvloop would close twice if cancelled.
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: protocol,
            place[0],
            place[1],
            family=family,
            ssl=context,
            server_hostname=name,
            ssl_handshake_timeout=timeout or None,
        )
    except ConnectionAbortedError as error:
        # With these words, and no type of its own, both loops say that it took too long.
        if "longer than" in str(error):
            raise TimeoutError(f"no TLS handshake within {timeout:g} s") from error
        raise
    except asyncio.CancelledError:
        # uvloop, if cancelled right after the last step, never calls it. Twice does no harm.
        protocol.connection_lost(None)
        raise
    set_nodelay(transport.get_extra_info("socket"))


def _expected(address: HostAddress) -> str:
    """Whose certificate is to come."""
    named = dict(address.parameters) if isinstance(address, TlsAddress) else {}
    return named.get("server_name", address.host)


async def accept(
    sock: socket.socket, protocol: asyncio.Protocol, context: ssl.SSLContext, *, timeout: float
) -> None:
    """Encrypts an accepted connection, and gives it to the protocol; the socket is its own then.

    Raises:
        OSError: They did not come to terms; `ssl.SSLError` is one, and a time-out is.
    """
    set_nodelay(sock)
    try:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: protocol, sock, ssl=context, ssl_handshake_timeout=timeout or None
        )
    except BaseException:
        # As above. A failure here is the end of this socket, so it may be told at once.
        protocol.connection_lost(None)
        raise


# --- failures ------------------------------------------------------------------------------------


def explain(error: ssl.SSLError, address: HostAddress) -> str:
    """Says in a line what went wrong, for whoever dialled, and what to try."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error, _expected(address))
    reason = error.reason or ""
    if any(said in reason for said in _CERTIFICATE_WANTED):
        return "the server wants a client certificate; give cert= and key="
    if "ALERT" in reason and any(said in reason for said in _CERTIFICATE_REFUSED):
        return "the server does not trust the client certificate"
    if reason in _NO_TLS:
        return "the server does not speak TLS there; if it is meant not to, dial it as tcp://"
    told = reason.replace("_", " ").lower() or error.strerror or str(error)
    return f"the TLS handshake failed: {told}"


def _explain_certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    told = error.verify_message
    if error.verify_code == _EXPIRED:
        return "the server's certificate has expired"
    if error.verify_code == _NOT_YET_VALID:
        return "the server's certificate is not valid yet; is this machine's clock right?"
    if error.verify_code in _OTHER_HOST:
        return (
            f"the server's certificate is not one for {host!r:.200}; "
            "dial the host that it names, or say server_name="
        )
    if error.verify_code in _UNTRUSTED:
        return f"the server's certificate is not trusted ({told}); say whom to trust with ca=FILE"
    return f"the server's certificate cannot be accepted: {told}"


def explain_silence(error: BaseException, peer: Peer, address: Address) -> str:
    """What to add to a handshake that ended before the other side had said anything, or nothing.

    A peer's first word is a frame of 12 bytes, and comes unasked. Who closed without it waited
    for something else: a TLS server for the beginning of TLS; and one that has our TLS, with its
    version 1.3 where the client is done first, for a certificate.
    """
    if peer.statistics()["bytes_received"] >= _FIRST_WORD:
        return ""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLError) and isinstance(address, HostAddress):
        return f": {explain(cause, address)}"
    if isinstance(address, TcpAddress):
        return f"; if it expects TLS, dial tls://{address.authority}"
    if isinstance(address, TlsAddress) and getattr(error, "reason", "closed") == "closed":
        if "cert" in dict(address.parameters):
            return "; it may not trust the client certificate"
        return "; it may want a client certificate (cert= and key=)"
    return ""


_FIRST_WORD = 12

__all__ = [
    "UnusableFile",
    "accept",
    "authenticates",
    "client_context",
    "dial",
    "explain",
    "explain_silence",
    "listening_context",
    "secured",
    "server_context",
]
