"""Everything that this package raises on purpose, as one tree.

::

    ProxyError(Exception)
    ├── RemoteError                       their code raised
    │   ├── AccessDenied(PermissionError)     their policy refused
    │   └── ReferenceNotFound(LookupError)    released, or never existed
    ├── EncodingError(TypeError)          you passed what cannot cross; nothing was sent
    ├── NotSupported                      the peer has no form for this; nothing was sent
    ├── LimitExceeded(ValueError)         a bound of limits.py; nothing was sent, or it was refused
    ├── AuthenticationFailed(PermissionError)
    ├── HandshakeFailed(ConnectionError)  nobody there, or not proxyables, or another version
    ├── ConnectionClosed(ConnectionError) one of the two sides closed it
    │   └── ConnectionLost                it broke
    └── PeerProtocolError                 they broke the rules; the connection is closed

The type names the guilty party: you (EncodingError, NotSupported, LimitExceeded), the peer
(PeerProtocolError), their method (RemoteError), or the link (HandshakeFailed, ConnectionClosed).
An address that cannot be understood is a plain ``ValueError``: it never came near a peer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias


class RemoteFrame(NamedTuple):
    """One frame of a traceback on the other side."""

    file: str
    line: int
    function: str
    text: str


class ProxyError(Exception):
    """The root of everything that this package raises on purpose.

    ``message``, ``cause`` and ``extra`` are the fields that the first Python implementation gave
    to its class of this name; ``cause`` becomes ``__cause__`` where it is an exception.
    """

    def __init__(
        self, message: str = "", cause: object | None = None, extra: dict[str, object] | None = None
    ) -> None:
        # Not super(): in a class that is also a builtin exception that would be the builtin's own
        # constructor, and UnicodeDecodeError wants five arguments.
        Exception.__init__(self, message)
        self.message = message
        self.cause = cause
        self.extra = {} if extra is None else extra
        if isinstance(cause, BaseException):
            self.__cause__ = cause


class RemoteError(ProxyError):
    """The other side's code raised.

    An instance whose type is a builtin one over there is an instance of that type here as well,
    so ``except ValueError`` works; any other type keeps its name in `type_name`.

    Attributes:
        type_name: The class's name over there, as in ``"ValueError"``.
        module: The module that defines it over there, or an empty string when it was not told.
        message: ``str(exception)`` over there, clipped.
        frames: The remote traceback, outermost frame first; empty if their policy hides it, as all
            do but those with full introspection.
        code: A code that a classic peer sent beside its message, if it did.
    """

    def __init__(
        self,
        message: str = "",
        *,
        type_name: str = "RemoteError",
        module: str = "",
        frames: Sequence[RemoteFrame] = (),
        code: str | None = None,
        cause: BaseException | None = None,
    ) -> None:
        ProxyError.__init__(self, message, cause)  # not super(): see there
        self.type_name = type_name
        self.module = module
        self.frames: tuple[RemoteFrame, ...] = tuple(frames)
        self.code = code

    def __str__(self) -> str:
        if type(self) is not RemoteError or self.type_name == "RemoteError":
            return self.message  # the class itself says what it is
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


class AccessDenied(RemoteError, PermissionError):
    """Their policy refused the step. The text never says what lies behind the refused name."""


class ReferenceNotFound(RemoteError, LookupError):
    """The reference was released, or never existed in this session."""


class EncodingError(ProxyError, TypeError):
    """A value was given that cannot cross. Nothing was sent, and nothing stays exported."""


class NotSupported(ProxyError):
    """The peer has no form for this: it speaks the classic dialect, or is no server, or is older.

    Nothing was sent.
    """


class LimitExceeded(ProxyError, ValueError):
    """A bound of `proxyables.Limits` was passed.

    Where it is one of the other side's, the error is a `RemoteError` as well.

    Attributes:
        limit: The field's name in `Limits`.
        allowed: Its value.
        got: What came instead, in the same unit.
    """

    def __init__(self, limit: str, allowed: float, got: float, what: str = "") -> None:
        told = f"{what}: " if what else ""
        super().__init__(f"{told}{got} is over the limit {limit}={allowed}")
        self.limit = limit
        self.allowed = allowed
        self.got = got
        self._what = what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.limit, self.allowed, self.got, self._what), self.__dict__


class AuthenticationFailed(ProxyError, PermissionError):
    """One side could not prove that it knows the secret, or was not asked and must not be used."""


Reason: TypeAlias = Literal[
    "unreachable",
    "timeout",
    "closed",
    "not-found",
    "not-executable",
    "not-a-peer",
    "version",
    "malformed",
    "refused",
    "busy",
]
"""Why two sides did not meet; see `HandshakeFailed`."""


class HandshakeFailed(ProxyError, ConnectionError):
    """Nobody is there, or it is not a proxyables peer, or it speaks another major version.

    Attributes:
        reason: One word of a closed set: ``unreachable`` (nobody is there, or no way leads there),
            ``timeout`` (no answer in time), ``closed`` (they ended the connection first),
            ``not-found`` and ``not-executable`` (the program of an ``exec:`` address),
            ``not-a-peer`` (what they sent is no Yamux), ``version`` (another major one),
            ``malformed`` (their part of the handshake breaks the rules), ``refused`` (they do not
            want this peer), ``busy`` (they have no room for it now).
    """

    def __init__(
        self, message: str = "", cause: object | None = None, *, reason: Reason = "unreachable"
    ) -> None:
        super().__init__(message, cause)
        self.reason: Reason = reason


class ConnectionClosed(ProxyError, ConnectionError):
    """The connection was closed by one of the two sides.

    Attributes:
        local: True if this side closed it.
        maybe_executed: True if the call that got this error had left this process, so that the
            other side may have run it; False if it certainly did not run.
    """

    def __init__(
        self,
        message: str = "connection closed",
        *,
        local: bool = False,
        cause: BaseException | None = None,
        maybe_executed: bool = False,
    ) -> None:
        super().__init__(message, cause)
        self.local = local
        self.maybe_executed = maybe_executed


class ConnectionLost(ConnectionClosed):
    """The connection broke: reset, timed out, or ended in the middle of a message."""


class PeerProtocolError(ProxyError):
    """The peer broke the rules of the protocol, so the connection was closed."""


__all__ = [
    "AccessDenied",
    "AuthenticationFailed",
    "ConnectionClosed",
    "ConnectionLost",
    "EncodingError",
    "HandshakeFailed",
    "LimitExceeded",
    "NotSupported",
    "PeerProtocolError",
    "ProxyError",
    "ReferenceNotFound",
    "RemoteError",
    "RemoteFrame",
]
