"""Our client against the recorded servers: it gets what the recorded client told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from interop.conduct import check_conduct, check_message
from interop.playback import Playback, calling
from interop.recordings import (
    REMOTE,
    RST,
    Recording,
    chain,
    every_recording,
    plain,
)
from interop.sample import CASES
from proxyables import NotSupported, ProxyCursor, RemoteError
from proxyables.wire.kinds import ProxyInstructionKinds as Kind

RECORDINGS = every_recording()
UNANSWERED = ("TIMEOUT", "context deadline exceeded")
# What the recorded clients lend, we give by value where every implementation takes it so; and the
# original in Python makes text of bytes.
ARGUMENTS_DIFFER = ("call_bytes_arg", "call_dict_arg", "call_list_arg")


@pytest.mark.parametrize("recording", RECORDINGS, ids=[each.name for each in RECORDINGS])
def test_recorded_server(recording: Recording) -> None:
    asyncio.run(asyncio.wait_for(_replay(recording), 20))


async def _replay(recording: Recording) -> None:
    playback = Playback(recording, client=False)
    async with calling(playback) as peer:
        case = asyncio.create_task(_run_case(recording, peer.root))
        if recording.case == "pass_reference_back":
            with pytest.raises(NotSupported, match="own object"):
                await _interrupted_by(case, playback)
        elif recording.error in UNANSWERED:
            await playback.play()
            case.cancel()
            with pytest.raises(asyncio.CancelledError):
                await case
            assert await peer.ping() >= 0
            assert not any(ours and frame.flags & RST for ours, frame in playback.log)
        else:
            outcome, _ = await asyncio.gather(case, playback.play())
            _check_outcome(recording, outcome)
    check_conduct(playback)
    for recorded, said in playback.heard:
        check_message(said)
        if not said.is_request:
            assert plain(said.content["data"]) in ("cb:val", "local:Ada")
        elif said.content["kind"] == Kind.EXECUTE and recording.case not in ARGUMENTS_DIFFER:
            assert chain(said.content) == chain(recorded.content)


async def _run_case(recording: Recording, root: ProxyCursor) -> list[Any] | str:
    """Returns what came, references as `REMOTE`; or the message of what was thrown."""
    try:
        values = await CASES[recording.case](root, recording.client)
    except RemoteError as error:
        return error.message
    return [REMOTE if isinstance(value, ProxyCursor) else value for value in values]


async def _interrupted_by(case: asyncio.Task[Any], playback: Playback) -> None:
    playing = asyncio.create_task(playback.play())
    try:
        await case
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)


def _check_outcome(recording: Recording, outcome: list[Any] | str) -> None:
    if recording.error is not None:
        assert outcome == recording.told_error()
        return
    assert isinstance(outcome, list), outcome
    told = recording.told()
    if recording.client == "go" and told != [REMOTE]:  # it told the values only
        outcome = [value for value in outcome if value is not REMOTE]
    if recording.client == "ts":  # its numbers are floats
        outcome = [float(value) if type(value) is int else value for value in outcome]
    if recording.case == "release_on_gc":
        assert [json.loads(text) for text in outcome] == [json.loads(text) for text in told]
    else:
        assert outcome == told
