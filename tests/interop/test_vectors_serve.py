"""The recorded clients against our server: each gets what it needs for the result that it told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from interop.conduct import check_conduct, check_message
from interop.playback import Party, Playback, serving
from interop.recordings import REMOTE, Message, Recording, every_recording, lent, load_pair, plain
from interop.sample import API
from proxyables.wire.kinds import ProxyInstructionKinds as Kind

RECORDINGS = every_recording()


@pytest.mark.parametrize("recording", RECORDINGS, ids=[each.name for each in RECORDINGS])
def test_recorded_client(recording: Recording) -> None:
    asyncio.run(asyncio.wait_for(_replay(recording), 20))


async def _replay(recording: Recording) -> None:
    playback = Playback(recording, client=True)
    async with serving(API(), playback) as peer:
        await playback.play()
        said = [playback.adapted(m) for m in recording.messages() if m.from_client]
        asked = sorted((m for m in said if m.is_request), key=lambda m: m.stream)
        # Some recorded servers left requests unanswered; ours may not.
        await playback.until(lambda: len(_answers(playback)) == len(asked))
        borrowed = sorted(id_ for m in said for id_ in _lent_by(m))
        await playback.until(lambda: len(playback.releases) == len(borrowed))
        await playback.until(lambda: playback.finished(ours=False) <= playback.finished(ours=True))
        assert sorted(m.content["data"][0] for m in playback.releases) == borrowed
        playback.answer_releases()

        answers = [message.content for message in _answers(playback)]
        given = {id_ for content in answers for id_ in lent(content)}
        given -= {m.content["data"][0] for m in asked if m.content["kind"] == Kind.RELEASE}
        assert peer.snapshot() == {"entries": len(given), "retains": len(given)}
        _check_result(recording, asked, answers)
    check_conduct(playback)
    for message in [*_answers(playback), *(said for _, said in playback.heard)]:
        check_message(message)


def _answers(party: Party) -> list[Message]:
    return [message for stream in sorted(party.answers) for message in party.answers[stream]]


def _lent_by(message: Message) -> list[str]:
    """The client's objects that a message of its lends."""
    if message.content is None or message.content["kind"] == Kind.RELEASE:
        return []
    return lent(message.content)


def _check_result(recording: Recording, asked: list[Message], answers: list[Any]) -> None:
    """Asserts that the client could tell from our answers what it told of a Python server's."""
    case, client = recording.case, recording.client
    answers = [
        answer
        for request, answer in zip(asked, answers, strict=True)
        if request.content["kind"] != Kind.RELEASE
    ]
    thrown = [answer["data"]["message"] for answer in answers if answer["kind"] == Kind.THROW]
    if case in ("get_missing", "get_date", "get_symbol"):
        # The originals answer null to a name that does not exist.
        name = asked[0].content["data"][0]["data"][0]
        assert len(thrown) == 1
        assert name in thrown[0]
        return
    reference = load_pair(client, "py")[case]
    if reference.error is not None:
        assert thrown == [reference.told_error()]
        return
    assert not thrown
    values = [plain(answer["data"]) for answer in answers]
    told = reference.told()
    if case == "release_on_gc":
        values = [value for value in values if isinstance(value, str) and value[0] == "{"]
        assert [_counts(value) for value in values] == [_counts(text) for text in told]
    elif case == "get_list":  # to the original in Python, "1" is no position
        assert values == [REMOTE, 2]
    elif isinstance(told[0], str) and told[0].startswith("ProxyCursor:"):
        assert values[-1].startswith("ProxyCursor:<ProxyCursor ")
    else:
        if client == "go":  # it told the values only
            values = [value for value in values if value is not REMOTE]
        if client == "ts":  # its numbers are floats
            values = [float(value) if type(value) is int else value for value in values]
        # A client that the recorded server had failed asks no further.
        assert values == told[: len(values)]


def _counts(text: str) -> tuple[int, int]:
    told = {key.lower(): value for key, value in json.loads(text).items()}
    return told["entries"], told["retains"]
