"""The scenarios about much at once: large values, deep ones, many callers, slow readers."""

from __future__ import annotations

import asyncio
from typing import Any

from .client import Client, Fault, Unmeasured
from .objects import call_back
from .scenarios import digest, payload

DELAY = 0.005
"""Seconds that a slow consumer takes for each chunk."""


async def carry(client: Client) -> dict[str, Any]:
    """`LargePayloadRoundtrip`: the payload comes; to an agent of this make it goes back as well."""
    size = client.sizes.payload
    found = await client.ask("ParityGetLargePayload", size)
    data = found.encode() if isinstance(found, str) else found
    if not isinstance(data, bytes):
        raise Unmeasured("ParityGetLargePayload gave no payload")
    came_back = found
    if client.is_ours:
        came_back = await client.ask("CallbackRoundtrip", lambda _: found)
    is_whole = data == payload(size).encode() and came_back == found
    return {"bytes": len(data), "digest": digest(data), "ok": is_whole}


async def walk(client: Client) -> dict[str, Any]:
    """`DeepObjectGraph`."""
    client.need_ours()  # nobody says of what shape those of others are
    graph = await client.borrow("ParityGetDeepGraph")
    label = await graph.label
    return {
        "label": label,
        "answer": await graph.branch.leaf.answer,
        "echo": await graph.echo(label),
    }


async def share_at_once(client: Client) -> dict[str, Any]:
    """`ConcurrentSharedReference`."""
    base = await client.base()
    held = await client.borrow_shared(client.sizes.concurrency)
    peak = await client.grown(base)
    values = await asyncio.gather(*(each.value for each in held))
    is_consistent = all(value == values[0] for value in values)
    concurrency = peak.retains - base.retains
    del held
    final = await client.shrunk(base)
    return {
        "baseline": base.entries,
        "peak": peak.entries,
        "final": final.entries,
        "consistent": is_consistent,
        "concurrency": concurrency,
        "values": values,
    }


async def fan_out(client: Client) -> dict[str, Any]:
    """`ConcurrentCallbackFanout`: no callback returns before all of them have been called."""
    client.need_ours()
    count = client.sizes.concurrency
    together = asyncio.Barrier(count)

    async def callback(value: str) -> str:
        await together.wait()
        return call_back(value)

    told = await client.fetch("ConcurrentCallbackFanout", count, callback)
    if not isinstance(told, dict):
        raise Fault(f"the fan-out gave {told!r:.200}")
    return told


async def consume_slowly(client: Client) -> dict[str, Any]:
    """`SlowConsumerBackpressure`: chunk by chunk, and each waits for the one before it."""
    client.need_ours()
    chunks: list[str] = []
    is_busy = is_overrun = False

    async def consume(chunk: str) -> int:
        nonlocal is_busy, is_overrun
        is_overrun |= is_busy
        is_busy = True
        chunks.append(chunk)
        await asyncio.sleep(DELAY)  # the slowness itself
        is_busy = False
        return len(chunk)

    size = client.sizes.payload
    told = await client.fetch("SlowConsumerBackpressure", size, consume)
    data = "".join(chunks).encode()
    return {
        "bytes": len(data),
        "digest": digest(data),
        "ok": bool(told["ok"]) and data == payload(size).encode(),
        "delayed": bool(told["delayed"]) and not is_overrun,
    }
