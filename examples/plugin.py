"""A plugin in a child process: it cannot crash its host, and both share one protocol, stdio."""

import asyncio
import os
import shlex
import sys
from typing import Any

import proxyables


class Plugin:
    """What the child exports."""

    def shout(self, text: str) -> str:
        print("the plugin's own output does not disturb the connection")
        return text.upper() + "!"

    async def decorate(self, document: Any) -> int:
        await document.append(f"decorated by process {os.getpid()}")
        lines: int = await proxyables.perform(document, "len")
        return lines

    def crash(self) -> None:
        os._exit(3)


async def serve() -> None:
    async with proxyables.serve(Plugin(), "stdio:") as server:
        await server.serve_forever()


async def main() -> None:
    child = shlex.join([sys.executable, __file__, "--plugin"])
    async with proxyables.connect(f"exec:{child}") as peer:
        print(await peer.root.shout("hello"))
        document = ["first line"]
        print(await peer.root.decorate(proxyables.ref(document)), "lines in the document now")
        print("not by this process:", str(os.getpid()) not in document[-1])
        try:
            await peer.root.crash()
        except proxyables.ConnectionClosed:
            print("the plugin crashed; its host did not")


asyncio.run(serve() if "--plugin" in sys.argv else main())
