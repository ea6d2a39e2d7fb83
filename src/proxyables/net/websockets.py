"""WebSockets as a transport: binary messages carry the stream, and where one ends means nothing.

The rules of RFC 6455 are those of the `websockets` library, of which only the part without I/O is
used. A `WebSocket` stands between the socket's transport and the peer, a protocol to the one and a
transport to the other: nothing is copied into queues between the two, so backpressure goes through
in both directions. Keeping the connection alive is left to Yamux, which does so on every transport.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from proxyables.errors import ConnectionLost, NotSupported, PeerProtocolError
from proxyables.net import tls
from proxyables.net.addresses import WebSocketAddress
from proxyables.net.transports import drive_socket

if TYPE_CHECKING:
    from websockets.client import ClientProtocol
    from websockets.http11 import Request
    from websockets.server import ServerProtocol

# Bytes of one message: what is sent at most, and the bounds of what is taken. A message is whole
# before any of it is seen, so this is what somebody unknown can have kept here.
SENT_MESSAGE = 64 * 1024
LARGEST_MESSAGE = 1024 * 1024
# Seconds until a connection ends whose other side does not take part in closing it.
CLOSE_TIMEOUT = 5.0
# Bytes of answers to pings that may wait for somebody who does not read.
_MOST_ANSWERS = 64 * 1024

_CLEAN = (1000, 1001)  # closed normally, going away
_UNSUPPORTED_DATA = 1003


def require_library(address: WebSocketAddress) -> None:
    """Raises `NotSupported` where the `websockets` library is missing."""
    try:
        import websockets  # noqa: F401
    except ImportError:
        raise NotSupported(
            f"{str(address)!r:.200}: WebSockets need another library; pip install 'proxyables[ws]'"
        ) from None


Check: TypeAlias = "Callable[[Request, WebSocket], tuple[int, str] | None]"


class Refused(ConnectionError):
    """One of the two sides does not want the WebSocket; the text says why."""


class WebSocket(asyncio.Transport, asyncio.Protocol):
    """One connection, from the HTTP request on.

    Args:
        rules: The library's side of it.
        protocol: What gets the bytes; hears of the connection once it is a WebSocket.
        check: Whether to take a request, for the side that listens: returns a status and the
            reason for a refusal, or None.

    Attributes:
        opened: Done when the connection is a WebSocket, or has failed to become one.
    """

    def __init__(
        self,
        rules: ClientProtocol | ServerProtocol,
        protocol: asyncio.Protocol,
        check: Check | None = None,
    ) -> None:
        super().__init__()
        self._rules = rules
        self._protocol = protocol
        self._check = check
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self._below: asyncio.Transport | None = None
        self._is_open = False
        self._is_closing = False
        self._is_write_paused = False
        self._answer_bytes = 0  # written since the other side last read, and not asked for by us
        self._error: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None

    # -- what the protocol above calls ----------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or not self._can_send():
            return
        view = memoryview(data).cast("B")
        for start in range(0, len(view), SENT_MESSAGE):
            self._rules.send_binary(view[start : start + SENT_MESSAGE])
        self._flush()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if self._is_closing or self._below is None:
            return
        self._is_closing = True
        if not self._is_open:
            self._below.close()
            return
        if self._can_send():
            self._rules.send_close(_CLEAN[0])
        self._flush()

    def abort(self) -> None:
        self._is_closing = True
        if self._below is not None:
            self._below.abort()

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self._get_below().pause_reading()

    def resume_reading(self) -> None:
        self._get_below().resume_reading()

    def is_reading(self) -> bool:
        return self._get_below().is_reading()

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self._get_below().get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._get_below().get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._get_below().set_write_buffer_limits(high, low)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._get_below().get_extra_info(name, default)

    def _can_send(self) -> bool:
        # The rules are ahead of us by one read: the other side's farewell may be in it, while we
        # still hand on what came before.
        return self._is_open and self._rules.state.name == "OPEN"

    def _get_below(self) -> asyncio.Transport:
        assert self._below is not None  # nobody has this transport before connection_made
        return self._below

    # -- what the loop calls --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = transport  # type: ignore[assignment]
        if self._check is None:
            rules: Any = self._rules
            rules.send_request(rules.connect())
            self._flush()

    def data_received(self, data: bytes) -> None:
        self._rules.receive_data(data)
        for event in self._rules.events_received():
            if self._is_open:
                self._on_frame(event)
            else:
                self._on_greeting(event)
        broken = self._rules.parser_exc
        if broken is not None and not isinstance(broken, EOFError):
            self._fail(str(broken) or type(broken).__name__)
        self._answer()

    def eof_received(self) -> None:
        self._rules.receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        self._is_write_paused = True
        if self._is_open:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._is_write_paused = False
        self._answer_bytes = 0
        if self._is_open:
            self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._is_open:
            self._is_open = False
            self._protocol.connection_lost(self._error or self._explain_close() or exc)
        elif not self.opened.done():
            is_refused = self._rules.handshake_exc is not None
            kind = Refused if is_refused else ConnectionError
            self.opened.set_exception(exc or kind(self._explain_refusal()))
            self.opened.exception()  # whoever waits gets it; it is no news if nobody does

    # -- what comes ------------------------------------------------------------------------------

    def _on_greeting(self, event: Any) -> None:
        """Takes the request, or the answer to ours."""
        if self._is_closing:
            return  # refused: what was sent behind it is not looked at
        if self._check is not None:
            self._answer_request(event)
        if self._rules.handshake_exc is not None:
            self._is_closing = True
            return
        self._is_open = True
        if not self.opened.done():
            self.opened.set_result(None)
        self._flush()
        self._protocol.connection_made(self)
        if self._is_write_paused:
            self._protocol.pause_writing()

    def _answer_request(self, request: Request) -> None:
        rules: Any = self._rules
        assert self._check is not None
        refusal = self._check(request, self)
        if refusal is None:
            response = rules.accept(request)  # which checks Origin
        else:
            status, reason = refusal
            response = rules.reject(status, f"{reason}\n")
            rules.handshake_exc = ConnectionError(reason)
        rules.send_response(response)

    def _on_frame(self, frame: Any) -> None:
        if self._is_closing:
            return
        if frame.opcode in (frame.opcode.BINARY, frame.opcode.CONT):
            if frame.data:
                self._protocol.data_received(bytes(frame.data))
        elif frame.opcode is frame.opcode.TEXT:
            self._fail("it sent text, and only binary messages are taken", _UNSUPPORTED_DATA)
        elif frame.opcode is frame.opcode.CLOSE:
            self._is_closing = True

    def _fail(self, reason: str, code: int | None = None) -> None:
        """Ends the connection over what the other side sent."""
        if self._error is None:
            self._error = PeerProtocolError(f"the WebSocket broke the rules: {reason}")
        if code is not None:
            self._rules.fail(code, reason)
        self._is_closing = True

    def _answer(self) -> None:
        """Sends what receiving has made necessary, as long as the other side reads at all."""
        if self._is_write_paused:
            self._answer_bytes += sum(map(len, self._rules.writes))
            if self._answer_bytes > _MOST_ANSWERS:
                self._fail("it sends pings, and does not read the answers")
                self.abort()
        self._flush()

    def _flush(self) -> None:
        below = self._below
        if below is None:
            return
        parts = self._rules.data_to_send()
        data = [part for part in parts if part]
        if data and not below.is_closing():
            # Not writelines(): in Python 3.12.1 and 3.13.0 asyncio's never pauses the protocol.
            below.write(data[0] if len(data) == 1 else b"".join(data))
        if b"" in parts or self._error is not None:
            # Nothing is the library's sign for the end of what is sent: the server closes first
            # (RFC 6455, section 7.1.1). Who broke the rules is not waited for either. What is
            # queued still leaves.
            self._is_closing = True
            below.close()
        if self._timer is None and self._rules.close_expected():
            self._timer = self._loop.call_later(CLOSE_TIMEOUT, self.abort)

    # -- how it ended ---------------------------------------------------------------------------

    def _explain_close(self) -> ConnectionLost | None:
        close = self._rules.close_rcvd
        if close is None or close.code in _CLEAN:
            return None
        told = f": {close.reason!r:.200}" if close.reason else ""
        return ConnectionLost(f"the WebSocket was closed with code {close.code}{told}")

    def _explain_refusal(self) -> str:
        error = self._rules.handshake_exc
        response = getattr(error, "response", None)
        if response is not None:
            body = bytes(response.body or b"")[:200].decode("ascii", "replace").strip()
            told = f": {body}" if body.isprintable() and body else ""
            return f"the server refused the WebSocket with HTTP {response.status_code}{told}"
        if error is not None and self._check is not None:
            return f"a WebSocket was refused: {error}"
        return "the server does not speak WebSocket there"


# --- connections ---------------------------------------------------------------------------------


async def dial(
    address: WebSocketAddress,
    protocol: asyncio.Protocol,
    *,
    find_socket: Callable[[], Awaitable[socket.socket]],
    context: ssl.SSLContext | None,
    timeout: float,
    max_message: int,
) -> None:
    """Connects, and gives the protocol the WebSocket.

    Args:
        address: Where to, and what to ask for.
        protocol: What gets the bytes.
        find_socket: Connects a socket, where there is no TLS.
        context: Whom to trust, for ``wss://``.
        timeout: Seconds for the TLS handshake.
        max_message: Bytes of the largest message of the protocol.

    Raises:
        OSError: Nobody is there, or it is no WebSocket, or it was refused; the text says which.
    """
    from websockets.client import ClientProtocol
    from websockets.uri import parse_uri

    rules = ClientProtocol(parse_uri(str(address)), max_size=largest(max_message))
    made = WebSocket(rules, protocol)
    try:
        if context is None:
            await drive_socket(await find_socket(), made)
        else:
            await tls.dial(address, made, context, timeout=timeout)
        await made.opened
    except BaseException:
        made.abort()
        raise


def largest(max_message: int) -> int:
    """Returns the bytes of one WebSocket message that are taken."""
    return max(SENT_MESSAGE, min(LARGEST_MESSAGE, max_message))


__all__ = ["Refused", "WebSocket", "dial", "largest", "require_library"]
