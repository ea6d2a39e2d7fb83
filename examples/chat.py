"""Chat between peers: everybody exports an object, and the room calls all of them."""

import asyncio
from typing import Any

import proxyables


class Room:
    """Passes on what is said in it."""

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}

    async def join(self, name: str, member: Any) -> list[str]:
        await self.say("room", f"{name} has come")
        self.members[name] = member
        return list(self.members)

    async def say(self, name: str, text: str) -> None:
        others = [member for key, member in self.members.items() if key != name]
        await asyncio.gather(*(other.hear(name, text) for other in others))

    async def leave(self, name: str) -> None:
        del self.members[name]
        await self.say("room", f"{name} has gone")


class Member:
    """One who hears."""

    def __init__(self, name: str) -> None:
        self.name = name

    def hear(self, speaker: str, text: str) -> None:
        print(f"[{self.name}] {speaker}: {text}")


async def main() -> None:
    async with proxyables.serve(Room(), "tcp://127.0.0.1:0") as server:
        address = server.addresses[0]
        async with proxyables.connect(address) as ann, proxyables.connect(address) as bob:
            await ann.root.join("ann", Member("ann"))
            print("present:", ", ".join(await bob.root.join("bob", Member("bob"))))
            await ann.root.say("ann", "hello bob")
            await bob.root.say("bob", "hello ann")
            await bob.root.leave("bob")


asyncio.run(main())
