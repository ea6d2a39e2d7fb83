"""Every bound of a connection, with its unit and what it stops.

A bound is checked before the memory or the attribute access that it guards is spent.
"""

from __future__ import annotations

import math
from dataclasses import fields

from proxyables.frozen import frozen

KIB = 1024
MIB = 1024 * KIB
_MOST_DEPTH = 64


@frozen
class Limits:
    """The bounds that one side of a connection keeps, whatever the other side sends.

    Attributes:
        max_message: Bytes of one message, either way (a length that promises gigabytes).
        max_depth: Nesting of values that MessagePack lacks, such as tuples, inside one another
            (recursion until the stack ends). At the most 64: decoding takes 40 KiB of the thread's
            own stack for each level. Lists and dicts are not counted; they have a bound of theirs.
        max_containers: Lists, maps and extensions of one message that is received (a megabyte of
            empty lists, which are 64 bytes each).
        max_steps: Steps of one chain (an instruction list of 100,000 steps).
        max_name: Characters of an attribute or keyword name.
        max_integer_bits: Bits of one integer (arithmetic that takes minutes).
        max_streams: Streams that the other side may have open at once (a flood of SYNs).
        max_window: Bytes that the other side may send on one stream ahead of its reader, when the
            link is long and fat: windows begin with 256 KiB and grow no further than this (a
            reader that stalls).
        window_budget: Bytes by which all windows together may grow (readers that stall when their
            windows are large).
        max_calls: Calls of the other side that may be running at once.
        max_references: Objects exported to, and imported from, the other side, each.
        max_text: Characters of an exception's message that are sent (a 10 MB message).
        max_read_buffer: Bytes of messages that have begun to arrive and are not whole (one byte
            short of a message on each of thousands of streams); over it the connection is cut.
            As many again of requests whose calls run (large arguments to a method that waits);
            over it further calls are refused.
        max_write_buffer: Bytes waiting for a peer that does not read; over it the connection
            is cut.
        handshake_timeout: Seconds until the other side must have said who it is.
        keepalive: Seconds of silence after which a ping is sent; 0 sends none.
        keepalive_timeout: Seconds within which that ping must be answered.
        stall_timeout: Seconds within which a message, or a frame, that has begun to arrive goes on,
            by a kilobyte at the least; else the connection is cut (drops that never end). 0 waits
            for ever.
        idle_timeout: Seconds without a call in either direction after which the connection is
            closed, whatever references are held; 0 closes none.
        call_timeout: Seconds that a call of the other side may take, a stream of items up to its
            end; then it is cancelled and fails with TimeoutError. Synchronous code on a worker
            goes on, unheard; on the event loop nothing can end it. 0 sets no end.
        grace: Seconds that calls in flight get to end when the connection is closed.
    """

    max_message: int = 16 * MIB
    max_depth: int = 32
    max_containers: int = 1 << 20
    max_steps: int = 256
    max_name: int = 256
    max_integer_bits: int = 65_536
    max_streams: int = 16_384
    max_window: int = 16 * MIB
    window_budget: int = 64 * MIB
    max_calls: int = 16_384
    max_references: int = 1_000_000
    max_text: int = 16_384
    max_read_buffer: int = 256 * MIB
    max_write_buffer: int = 256 * MIB
    handshake_timeout: float = 10.0
    keepalive: float = 30.0
    keepalive_timeout: float = 30.0
    stall_timeout: float = 60.0
    idle_timeout: float = 0.0
    call_timeout: float = 0.0
    grace: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            whole = field.type == "int"
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                kind = "a whole number" if whole else "a number"
                raise TypeError(f"{field.name} takes {kind}, got {value!r}")
            if math.isnan(value) or value < 0 or (whole and value == 0):
                raise ValueError(f"{field.name} takes a positive number, got {value!r}")
        if self.max_depth > _MOST_DEPTH:
            raise ValueError(f"max_depth takes at most {_MOST_DEPTH}, got {self.max_depth!r}")


__all__ = ["Limits"]
