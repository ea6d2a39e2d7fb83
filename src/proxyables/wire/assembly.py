"""Whole messages out of the pieces in which a stream brings them.

Most messages arrive in one piece, and the peer decodes that piece without coming here. What is
left is put together by `Assembler`: msgpack's scanner walks the pieces as they arrive without
building anything, so that nothing is allocated for what a header merely promises, and says where
a message ends. Go peers send about 21 pieces per message, others several messages per piece.
"""

from __future__ import annotations

import msgpack

from proxyables.errors import LimitExceeded


class Assembler:
    """Collects the pieces of one stream until a message is whole.

    Args:
        max_message: Bytes that one message may have.
    """

    __slots__ = ("_max_message", "_pieces", "_scanner", "size")

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message
        self._pieces: list[bytes] = []
        self._scanner = self._make_scanner()
        self.size = 0
        """Bytes collected of the message that is not whole yet."""

    def _make_scanner(self) -> msgpack.Unpacker:
        return msgpack.Unpacker(max_buffer_size=self._max_message)

    def feed(self, piece: bytes) -> list[bytes]:
        """Returns the messages that `piece` makes whole, in order.

        Raises:
            LimitExceeded: The message would be larger than allowed.
            ValueError: The bytes are not MessagePack.
        """
        whole: list[bytes] = []
        while piece:
            allowed = self._max_message - self.size
            self._scanner.feed(piece if len(piece) <= allowed else piece[:allowed])
            try:
                self._scanner.skip()
            except msgpack.OutOfData:
                if len(piece) > allowed:
                    got = self.size + len(piece)
                    raise LimitExceeded("max_message", self._max_message, got, "message") from None
                self._pieces.append(piece)
                self.size += len(piece)
                break
            end = self._scanner.tell() - self.size
            self._pieces.append(piece[:end])
            whole.append(b"".join(self._pieces))
            piece = piece[end:]
            self._pieces, self.size, self._scanner = [], 0, self._make_scanner()
        return whole
