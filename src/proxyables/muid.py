"""Identifiers in the form that every implementation uses: 64 bits in base32hex, sorted by time.

41 bits of milliseconds since 1700000000000, 14 bits that name the machine, 9 bits of a counter
(TypeScript implementation's layout; measured in the recorded sessions).
"""

from __future__ import annotations

import socket
import threading
import time
from functools import cached_property

_EPOCH_MS = 1_700_000_000_000
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_MACHINE_BITS = 14
_COUNTER_BITS = 9


class MuidGenerator:
    """Makes ids that never repeat in this process; a burst runs ahead of the clock."""

    def __init__(self, machine: int | None = None) -> None:
        self._given = machine
        self._last = 0
        self._lock = threading.Lock()

    @cached_property
    def _machine(self) -> int:
        """The machine's bits, in their place."""
        machine = self._given
        if machine is None:
            import hashlib  # dear, and only the classic dialect has such ids

            digest = hashlib.sha256(socket.gethostname().encode()).digest()
            machine = int.from_bytes(digest[:2], "big")
        return (machine & (1 << _MACHINE_BITS) - 1) << _COUNTER_BITS

    def make(self) -> str:
        """Returns the next id: up to 13 characters, in ascending order."""
        now = (time.time_ns() // 1_000_000 - _EPOCH_MS) << _COUNTER_BITS
        # Time and counter are one number, so that 512 ids in a millisecond borrow from the next.
        with self._lock:
            self._last = now = max(now, self._last + 1)
        moment, counter = now >> _COUNTER_BITS, now & (1 << _COUNTER_BITS) - 1
        number = moment << (_MACHINE_BITS + _COUNTER_BITS) | self._machine | counter
        digits = []
        while number:
            digits.append(_DIGITS[number & 31])
            number >>= 5
        return "".join(reversed(digits))


make_muid = MuidGenerator().make
