"""The bounds and intervals of a session."""

from __future__ import annotations

import math

from proxyables.yamux.frames import INITIAL_WINDOW, MAX_WINDOW


class Config:
    """What one side of a session allows and does.

    Attributes:
        initial_window: Bytes that the peer may send on a stream ahead of its reader. Not less than
            256 KiB, which every peer assumes; what is more is announced when a stream opens.
        max_window: Bytes that a window may grow to while its stream fills it within a round trip,
            if the session has a clock. Not larger than `initial_window`: windows do not grow.
        window_budget: Bytes by which all windows together may be larger than at first: what
            readers that stall can cost beside one initial window each.
        max_frame_payload: Bytes of one data frame that is sent, so that one stream cannot hold
            the link.
        max_frame_payload_received: Bytes of one data frame that is received where no window bounds
            it: on a stream that has ended, and from a peer that ignores windows.
        max_streams: Streams that the peer may have open at once; one more is refused.
        accept_backlog: Streams of ours that may wait for their ACK; see `Session.unacked`.
        max_answers_queued: Frames that the peer's own frames have caused (ACKs, answers to pings,
            refusals, window updates) and that nobody has fetched yet: a peer that floods and does
            not read is stopped here. One read of 256 KiB cannot hold causes for more than 21,845.
        keepalive: Seconds of silence after which a ping is sent; 0 sends none.
        keepalive_timeout: Seconds within which something must arrive after that ping.
    """

    __slots__ = (
        "accept_backlog",
        "initial_window",
        "keepalive",
        "keepalive_timeout",
        "max_answers_queued",
        "max_frame_payload",
        "max_frame_payload_received",
        "max_streams",
        "max_window",
        "window_budget",
    )

    def __init__(
        self,
        *,
        initial_window: int = INITIAL_WINDOW,
        max_window: int = INITIAL_WINDOW,
        window_budget: int = 0,
        max_frame_payload: int = 64 * 1024,
        max_frame_payload_received: int = 16 * 1024 * 1024,
        max_streams: int = 16_384,
        accept_backlog: int = 256,
        max_answers_queued: int = 65_536,
        keepalive: float = 30.0,
        keepalive_timeout: float = 30.0,
    ) -> None:
        self.initial_window = initial_window
        self.max_window = max_window
        self.window_budget = window_budget
        self.max_frame_payload = max_frame_payload
        self.max_frame_payload_received = max_frame_payload_received
        self.max_streams = max_streams
        self.accept_backlog = accept_backlog
        self.max_answers_queued = max_answers_queued
        self.keepalive = keepalive
        self.keepalive_timeout = keepalive_timeout
        self._check("initial_window", INITIAL_WINDOW, MAX_WINDOW)
        self._check("max_window", 0, MAX_WINDOW)
        self._check("window_budget", 0, math.inf)
        self._check("max_frame_payload", 1, MAX_WINDOW)
        self._check("max_frame_payload_received", self.initial_window, math.inf)
        self._check("max_streams", 1, MAX_WINDOW)
        self._check("accept_backlog", 1, MAX_WINDOW)
        self._check("max_answers_queued", 1, MAX_WINDOW)
        self._check("keepalive", 0, math.inf)
        self._check("keepalive_timeout", 0, math.inf)

    def _check(self, name: str, low: int, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise ValueError(f"{name} takes a number from {low} to {high}, got {value!r}")
