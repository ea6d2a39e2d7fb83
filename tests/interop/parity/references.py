"""The scenarios about references: each is measured on a connection to the agent that lends.

The server that is asked for one has it measured on a connection of its own to itself. All cursors
on one object share its occurrences: dropping one alias keeps them, and they are given back with
the last, or by `release`.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

from proxyables import ReferenceNotFound, RemoteError, release

from .client import Client, Counts, Fault
from .objects import call_back, fail


async def share(client: Client) -> dict[str, Any]:
    """`SharedReferenceConsistency`."""
    first, second = await client.borrow_shared(2)
    return {
        "firstKind": await first.kind,
        "secondKind": await second.kind,
        "firstValue": await first.value,
        "secondValue": await second.value,
    }


async def release_explicitly(client: Client) -> dict[str, Any]:
    """`ExplicitRelease`."""
    before = await client.base()
    held = await client.borrow_shared(2)
    acquired = (await client.grown(before)).retains - before.retains
    release(held[0])
    after = await client.shrunk(before)
    return {"before": before.retains, "after": after.retains, "acquired": acquired}


async def release_aliases(client: Client) -> dict[str, Any]:
    """`AliasRetainRelease`."""
    base = await client.base()
    first, second = await client.borrow_shared(2)
    peak = await client.grown(base)
    del first
    after_first = await client.counts()
    if await second.kind != "shared":
        raise Fault("the alias that is left is of no use")
    del second
    final = await client.shrunk(base)
    return {
        "baseline": base.entries,
        "peak": peak.entries,
        "afterFirstRelease": after_first.entries,
        "final": final.entries,
        "released": final == base,
    }


async def use_after_release(client: Client) -> dict[str, Any]:
    """`UseAfterRelease`."""
    base = await client.base()
    held = await client.borrow()
    peak = await client.grown(base)
    release(held)
    error = "none"
    try:
        await held.value
    except ReferenceNotFound as refusal:
        error = "released" if "released" in str(refusal) else str(refusal)
    final = await client.shrunk(base)
    return {
        "baseline": base.entries,
        "peak": peak.entries,
        "final": final.entries,
        "released": final == base,
        "error": error,
    }


async def churn(client: Client) -> dict[str, Any]:
    """`ReferenceChurnSoak`: holds n references at once, and that twice."""
    base = await client.base()
    rounds = []
    for _ in range(2):
        held = await client.borrow_shared(client.sizes.churn)
        peak = await client.grown(base)
        del held
        rounds.append((peak, await client.shrunk(base)))
    peak, final = rounds[-1]
    return {
        "baseline": base.retains,
        "peak": peak.retains,
        "final": final.retains,
        "iterations": peak.retains - base.retains,
        "stable": rounds[0] == rounds[1],
    }


async def drop(client: Client) -> dict[str, Any]:
    """`AutomaticReleaseAfterDrop`: the last name of a reference goes."""
    base = await client.base()
    held = await client.borrow()
    peak = await client.grown(base)
    del held
    return await _eventual(client, base, peak)


async def finalise(client: Client) -> dict[str, Any]:
    """`FinalizerEventualCleanup`: the reference is in a cycle, which only the collector ends."""
    base = await client.base()
    cycle: list[Any] = [await client.borrow()]
    cycle.append(cycle)
    peak = await client.grown(base)
    del cycle
    gc.collect()
    return await _eventual(client, base, peak)


async def _eventual(client: Client, base: Counts, peak: Counts) -> dict[str, Any]:
    final = await client.shrunk(base)
    return {
        "baseline": base.entries,
        "peak": peak.entries,
        "final": final.entries,
        "released": final.entries < peak.entries,
        "eventual": final == base,
    }


async def fail_without_leak(client: Client) -> dict[str, Any]:
    """`ErrorPathNoLeak`: a call to which this side lends something fails."""
    client.need_ours()
    base = await client.base()
    held = await client.borrow_shared(2)
    peak = await client.grown(base)
    error = await fail_over_there(client)
    del held
    final, lent = await client.shrunk(base), await client.unlent()
    return {
        "baseline": base.retains,
        "peak": peak.retains,
        "final": final.retains,
        "error": error,
        "cleaned": final == base and lent == 0,
    }


async def fail_over_there(client: Client) -> str:
    """`ErrorPropagation`: what a callback of this side raises, and the server's call with it."""
    client.need_ours()
    try:
        await client.ask("CallbackRoundtrip", fail)
    except RemoteError as error:
        return error.message
    raise Fault("the call did not fail")


async def give_callbacks_back(client: Client) -> dict[str, Any]:
    """`CallbackReferenceCleanup`: two callbacks that are out at once."""
    client.need_ours()
    base, peaks = client.lent, []
    both = asyncio.Barrier(2)

    def make() -> Callable[[str], Awaitable[str]]:
        async def callback(value: str) -> str:
            await both.wait()
            peaks.append(client.lent)
            return call_back(value)

        return callback

    await asyncio.gather(*(client.ask("CallbackRoundtrip", make()) for _ in range(2)))
    final = await client.unlent()
    return {"baseline": base, "peak": max(peaks), "final": final, "released": final == base}
