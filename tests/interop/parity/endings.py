"""The scenarios about connections that end: each ends one beside that on which it looks."""

from __future__ import annotations

import asyncio
from typing import Any

from proxyables import ConnectionClosed, release

from .client import Client, Fault, describe_end
from .scenarios import ABORT


async def close_session(client: Client) -> dict[str, Any]:
    """`SessionCloseCleanup`: a connection is closed with two references in its hands."""
    async with client.another() as other:
        number = await other.number()
        base = await client.exports_to(number)
        held = [await other.borrow(), await other.borrow("ParityGetDeepGraph")]
        peak = await client.exports_to(number)
        await other.part()
        final = await client.exports_gone(number)
        del held
    return {"baseline": base, "peak": peak, "final": final, "cleaned": final == base}


async def disconnect(client: Client) -> dict[str, Any]:
    """`AbruptDisconnectCleanup`: a connection is torn down with a reference in its hands."""
    async with client.another() as other:
        number = await other.number()
        base = await client.exports_to(number)
        held = await other.borrow()
        peak = await client.exports_to(number)
        other.peer.abort()
        final = await client.exports_gone(number)
        del held
    return {"baseline": base, "peak": peak, "final": final, "cleaned": final == base}


async def be_aborted(client: Client) -> dict[str, Any]:
    """`ServerAbortInFlight`: the server tears down the connection whose call it serves."""
    client.need_ours()
    async with client.another() as other:
        try:
            await other.ask(ABORT)
        except ConnectionClosed as error:
            return describe_end(error)
    raise Fault("the server did not abort")


async def race(client: Client) -> dict[str, Any]:
    """`ReleaseUseRace`: one uses a reference while another gives it back, and tears all down."""
    async with client.another() as other:
        held = await other.borrow()

        async def use() -> None:
            await held.value

        async def end() -> None:
            release(held)
            other.peer.abort()

        racers = [use(), end()]
        outcome, _ = await asyncio.gather(*racers, return_exceptions=True)
    if not isinstance(outcome, ConnectionClosed):
        raise Fault(f"the use that lost the race gave {outcome!r:.200}")
    told = describe_end(outcome)
    code = told["code"]
    return {"outcome": code[0].lower() + code[1:], **told, "concurrency": len(racers)}
