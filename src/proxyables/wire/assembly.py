"""Whole messages out of the pieces in which a stream brings them.

Most messages arrive in one piece, and the peer decodes that piece without coming here. What is
left is put together by `Assembler`: msgpack's scanner walks the pieces as they arrive without
building anything, so that nothing is allocated for what a header merely promises, and says where
a message ends. Go peers send about 21 pieces per message, others several messages per piece.

A scanner takes 44 KiB, whatever it has seen. So that a peer cannot have thousands of them made with
a byte each, a short beginning is scanned again with each piece, and a scanner kept for long ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgpack

from proxyables.errors import LimitExceeded
from proxyables.limits import KIB

_SHORT = 4096
"""Bytes up to which scanning again costs less than keeping the scanner."""
_SCANNER = 44 * KIB


class Assembler:
    """Collects the pieces of one stream until a message is whole.

    Args:
        max_message: Bytes that one message may have.
    """

    __slots__ = ("_begun", "_max_message", "_scanner", "_start")

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message
        # One array: thousands of small pieces would take many times their size.
        self._begun = bytearray()
        self._scanner: msgpack.Unpacker | None = None
        self._start = 0  # of the message, in what the scanner was given

    @property
    def size(self) -> int:
        """Bytes collected of the message that is not whole yet."""
        return len(self._begun)

    @property
    def memory(self) -> int:
        """Bytes of memory that this takes until the message is whole."""
        return len(self._begun) + (0 if self._scanner is None else _SCANNER)

    def feed(self, piece: bytes) -> list[bytes]:
        """Returns the messages that `piece` makes whole, in order.

        Raises:
            LimitExceeded: A message is larger than allowed. None that the same piece made whole is
                returned then.
            ValueError: The bytes are not MessagePack; likewise.
        """
        if self._scanner is None:
            self._scanner = msgpack.Unpacker(max_buffer_size=0)  # what is kept is bounded here
            self._scanner.feed(self._begun)
            self._start = 0
        before = self._start + len(self._begun)
        self._scanner.feed(piece)
        whole: list[bytes] = []
        used = 0
        for end in self._ends(before):
            self._take(piece[used:end])
            whole.append(bytes(self._begun))
            self._begun = bytearray()
            self._start, used = before + end, end
        self._take(piece[used:])
        if len(self._begun) <= _SHORT:
            self._scanner = None
        return whole

    def _ends(self, before: int) -> Iterator[int]:
        """Yields where messages end, counted from `before` on."""
        assert self._scanner is not None
        while True:
            try:
                self._scanner.skip()
            except msgpack.OutOfData:
                return
            yield self._scanner.tell() - before

    def _take(self, part: bytes) -> None:
        size = len(self._begun) + len(part)
        if size > self._max_message:
            raise LimitExceeded("max_message", self._max_message, size, "message")
        self._begun += part
