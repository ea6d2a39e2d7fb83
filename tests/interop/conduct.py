"""The rules for speaking to classic peers, checked on what one of our peers has really sent.

One rule per assertion; each is there because an implementation fails without it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from interop.playback import Party
from interop.recordings import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    Frame,
    Message,
    is_whole,
)
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from proxyables.wire.kinds import ProxyValueKinds as Value

HELLO = Frame(PING, SYN, 0, 0x50580100)
LARGEST_FRAME = 64 * 1024


def check_conduct(party: Party) -> None:
    """Asserts that the side under test spoke as all classic peers can bear it."""
    assert next(frame for ours, frame in party.log if ours) == HELLO
    conduct = _Conduct(party)
    for ours, frame in party.log:
        conduct.count(frame, ours=ours)
        if ours:
            conduct.check(frame)
        elif frame.type != PING:
            conduct.note(frame)
    assert conduct.offered <= conduct.live, "Go closes the session after 75 s"
    if party.software == "py":
        own = {stream for stream in conduct.ended if not party.is_mine(stream)}
        assert own == conduct.reset, "without RST the entry stays for ever"


class _Conduct:
    """What has happened so far on the streams of one session."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._partial: dict[tuple[bool, int], bytes] = defaultdict(bytes)
        self._unanswered: dict[int, int] = defaultdict(int)
        self.offered: set[int] = set()  # by their SYN
        self.live: set[int] = set()  # by our SYN or ACK
        self.ended: set[int] = set()  # by our FIN or RST
        self.reset: set[int] = set()
        self.ended_by_them: set[int] = set()

    def count(self, frame: Frame, *, ours: bool) -> None:
        """Keeps count of the requests that wait for an answer."""
        if frame.type == DATA and frame.payload:
            stream, key = frame.stream, (ours, frame.stream)
            self._partial[key] += frame.payload
            if is_whole(self._partial[key]):
                del self._partial[key]
                is_request = ours != self._party.is_mine(stream)
                self._unanswered[stream] += 1 if is_request else -1

    def note(self, frame: Frame) -> None:
        """Takes a frame of the other implementation."""
        if frame.flags & SYN:
            self.offered.add(frame.stream)
        if frame.flags & (FIN | RST):
            self.ended_by_them.add(frame.stream)

    def check(self, frame: Frame) -> None:
        """Takes a frame of the side under test."""
        assert frame.type != GO_AWAY, "Python and Zig drop the connection"
        if frame.type == PING:
            assert frame.stream == 0
            assert frame.flags in (SYN, ACK)
            return
        if frame.type == DATA:
            assert 0 < frame.length <= LARGEST_FRAME
            assert frame.flags == 0, "TypeScript throws away what comes with SYN"
            assert frame.stream in self.live - self.ended
            assert self._unanswered[frame.stream] <= 1, "one exchange at a time"
        if frame.flags & (SYN | ACK):
            self._check_beginning(frame)
        if frame.flags & (FIN | RST):
            self._check_end(frame)

    def _check_beginning(self, frame: Frame) -> None:
        assert (frame.type, frame.length) == (WINDOW_UPDATE, 0)
        assert frame.stream not in self.live, "opened or acknowledged twice"
        if self._party.is_mine(frame.stream):
            assert frame.flags == ACK
            assert frame.stream in self.offered
        else:
            assert frame.flags == SYN
        self.live.add(frame.stream)

    def _check_end(self, frame: Frame) -> None:
        stream = frame.stream
        assert frame.type == WINDOW_UPDATE
        assert stream in self.live
        if self._party.is_mine(stream):
            assert frame.flags == FIN
            assert stream in self.ended_by_them, "not ours to end"
        else:
            assert self._unanswered[stream] == 0, "then nobody would answer"
        if frame.flags == RST:
            assert stream in self.ended, "FIN comes first"
            self.reset.add(stream)
        else:
            assert frame.flags == FIN
            assert stream not in self.ended, "ended twice"
            self.ended.add(stream)


_ID = re.compile("[0-9a-v]{12,13}")
_VALUES = frozenset(Value)
_STEPS = frozenset((Kind.GET, Kind.APPLY, Kind.CONSTRUCT))


def check_message(message: Message) -> None:
    """Asserts that all classic peers can read a message of the side under test."""
    content = message.content
    _check_instruction(content)
    kind, data = content["kind"], content["data"]
    if not message.is_request:
        assert kind in (Kind.RETURN, Kind.THROW)
        if kind == Kind.RETURN:
            _check_instruction(data)
            assert data["kind"] in _VALUES
        else:
            assert data.keys() <= {"message", "cause"}
            assert isinstance(data["message"], str)
            assert data["message"]
    elif kind == Kind.RELEASE:
        assert len(data) == 1
        assert isinstance(data[0], str)
    else:
        assert kind == Kind.EXECUTE
        for place, step in enumerate(data):
            assert step["kind"] in _STEPS or (step["kind"] == Value.REFERENCE and place == 0)


def _check_instruction(content: Any) -> None:
    """Asserts the form, of everything inside as well: Python takes no other keys."""
    if isinstance(content, list):
        for item in content:
            _check_instruction(item)
    elif isinstance(content, dict):
        if "kind" in content:
            assert list(content) == ["id", "kind", "data"]
            assert _ID.fullmatch(content["id"])
            assert content["kind"] in _VALUES | frozenset(Kind)
        for item in content.values():
            _check_instruction(item)
