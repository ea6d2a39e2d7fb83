"""Who is there, step by step: which dialect the other side speaks, HELLO, and AUTH.

Sans-I/O: frames' meanings go in, messages to send come out. The first frame of a px peer is a px
ping, so the first frame that arrives decides. Until the handshake is done no request is
served, whatever it names. PROTOCOL facts: `docs/reference/protocol.md`, "Who is there".
"""

from __future__ import annotations

import enum

from proxyables.errors import (
    AuthenticationFailed,
    HandshakeFailed,
    PeerProtocolError,
    ProxyError,
    RemoteError,
)
from proxyables.wire.hello import (
    VERSION,
    Hello,
    check_proof,
    dump_hello,
    is_px_ping,
    load_hello,
    ping_version,
    prove,
)
from proxyables.wire.instructions import AUTH, HELLO, THROW, Message

from .attempts import Attempts


class Stage(enum.Enum):
    """How far the two sides know each other."""

    WAITING = "waiting for the first frame"
    HELLO = "exchanging HELLO"
    AUTH = "exchanging AUTH"
    DONE = "done"


class Handshake:
    """The handshake of one connection.

    Args:
        hello: What this side tells of itself.
        client: Whether this side dialled.
        token: The shared secret, if authentication is demanded.
        attempts: Where the side that was dialled counts failures, and looks who has to wait.
        refusal: Why the side that was dialled wants nobody more, if it does not.

    Attributes:
        source: Under what its failures are counted.
        info: What is known of the other side, once `stage` is DONE.
        refusal: With what the HELLO, or every request of a classic peer, is to be answered, if it
            is.
    """

    def __init__(
        self,
        hello: Hello,
        *,
        client: bool,
        token: bytes | None,
        attempts: Attempts | None = None,
        refusal: ProxyError | None = None,
    ) -> None:
        self._attempts = Attempts() if attempts is None else attempts
        self.source = ""
        self._hello = hello
        self._client = client
        self._token = token
        self._theirs = hello
        self.stage = Stage.WAITING
        self.info: Hello | None = None
        self.refusal = refusal

    # -- the first frame --------------------------------------------------------------------------

    def on_first_ping(self, opaque: int) -> Message | None:
        """Takes a ping as the first frame; returns HELLO if it is this side that sends it first.

        Raises:
            HandshakeFailed: It speaks another version.
        """
        if not is_px_ping(opaque):
            self.on_classic()
            return None
        if ping_version(opaque) != VERSION:
            raise HandshakeFailed(
                f"the peer speaks protocol version {ping_version(opaque)}, "
                f"this side speaks {VERSION}",
                reason="version",
            )
        self.stage = Stage.HELLO
        return [HELLO, dump_hello(self._hello)] if self._client else None

    def on_classic(self, software: str = "") -> None:
        """Notes that the other side is one of the other implementations.

        Raises:
            AuthenticationFailed: This side dialled with a token, which such a peer cannot know of.
                The side that was dialled goes on, with `refusal` set.
        """
        if self._token is not None:
            refusal = AuthenticationFailed(
                "a token is demanded, and the peer is of an implementation without "
                "authentication; both sides must be proxyables 0.1 or later"
            )
            if self._client:
                raise refusal
            self.refusal = refusal
        self._finish(Hello(dialect="classic", version=0, software=software, language="", pid=0))

    # -- messages ---------------------------------------------------------------------------------

    def on_request(self, message: Message) -> Message:
        """Takes HELLO or AUTH from the side that dialled; returns the answer.

        Raises:
            HandshakeFailed, AuthenticationFailed, LimitExceeded: The answer is to be a THROW of
                this.
            PeerProtocolError: Anything else was asked before the handshake was done.
        """
        if self._client or self.stage.value != _EXPECTED.get(message[0]):
            raise PeerProtocolError(f"message {message[0]} while {self.stage.value}")
        if self.refusal is not None:
            raise self.refusal
        if self._token is not None:
            # For AUTH again: a thousand connections may have said HELLO before the first failed.
            self._attempts.check(self.source)
        if message[0] == HELLO:
            self._theirs = load_hello(message[1])
            self._check_demands()
            return self._after_hello([HELLO, dump_hello(self._hello)])
        nonces = (self._theirs.nonce, self._hello.nonce)
        token = self._token or b""
        try:
            check_proof(message[1], token, "client", *nonces)
        except AuthenticationFailed:
            self._attempts.fail(self.source)
            raise
        self._attempts.succeed(self.source)
        self._finish(self._theirs)
        return [AUTH, prove(token, "server", *nonces)]

    def on_answer(self, message: Message) -> Message | None:
        """Takes the answer to HELLO or AUTH; returns what to send next, None if that is nothing.

        Raises:
            HandshakeFailed, AuthenticationFailed: The two sides do not get on.
        """
        if message[0] == THROW:
            raise self._refused(message[1])
        if self.stage.value != _EXPECTED.get(message[0]):
            told = f"the peer answered with message {message[0]!r}"
            raise HandshakeFailed(told, reason="malformed")
        if message[0] == HELLO:
            self._theirs = load_hello(message[1])
            self._check_demands()
            self._after_hello([])
            if self.stage is Stage.DONE:
                return None
            token = self._token or b""
            return [AUTH, prove(token, "client", self._hello.nonce, self._theirs.nonce)]
        token = self._token or b""
        check_proof(message[1], token, "server", self._hello.nonce, self._theirs.nonce)
        self._finish(self._theirs)
        return None

    def _check_demands(self) -> None:
        if self._token is None and self._theirs.demands:
            raise AuthenticationFailed("the peer demands a token, and none was given")
        if self._token is not None and self._theirs.demands != "token":
            if self._client:
                raise AuthenticationFailed("a token was given, and the peer demands none")
            raise AuthenticationFailed("a token is demanded, and none was given")
        if self._token is not None and self._theirs.nonce == self._hello.nonce:
            raise AuthenticationFailed("the peer sent this side's own nonce back")

    def _after_hello(self, answer: Message) -> Message:
        if self._token is None:
            self._finish(self._theirs)
        else:
            self.stage = Stage.AUTH
        return answer

    def _finish(self, info: Hello) -> None:
        self.stage = Stage.DONE
        self.info = info

    @staticmethod
    def _refused(error: object) -> Exception:
        name = error.type_name if isinstance(error, RemoteError) else ""
        text = error.message if isinstance(error, RemoteError) else str(error)[:200]
        if name == "AuthenticationFailed":
            return AuthenticationFailed(f"the peer refused: {text}")
        if name == "LimitExceeded":
            return HandshakeFailed(f"the peer is busy: {text}", reason="busy")
        return HandshakeFailed(f"the peer refused: {text}", reason="refused")


_EXPECTED = {HELLO: Stage.HELLO.value, AUTH: Stage.AUTH.value}
