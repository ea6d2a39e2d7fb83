"""A plugin that runs in another version of Python than its host."""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys

import proxyables


class Plugin:
    """Tells where it runs."""

    def version(self) -> tuple[int, ...]:
        return tuple(sys.version_info[:2])

    def evaluate(self, numbers: list[int]) -> dict[str, float]:
        return {"sum": sum(numbers), "mean": sum(numbers) / len(numbers)}


def find_python() -> str:
    """Returns another Python that has the library's dependency, or this one."""
    for minor in (13, 12, 11):
        found = shutil.which(f"python3.{minor}")
        if found is None or minor == sys.version_info.minor:
            continue
        if subprocess.run([found, "-c", "import msgpack"], capture_output=True).returncode == 0:
            return found
    return sys.executable


async def serve() -> None:
    async with proxyables.serve(Plugin(), "stdio:") as server:
        await server.serve_forever()


async def main() -> None:
    os.environ["PYTHONPATH"] = os.path.dirname(os.path.dirname(proxyables.__file__))
    command = shlex.join([find_python(), __file__, "--plugin"])
    async with proxyables.connect(f"exec:{command}") as peer:
        theirs, ours = await peer.root.version(), sys.version_info[:2]
        print("the plugin's Python is", "another" if theirs != ours else "the same")
        print(await peer.root.evaluate([1, 2, 3, 4]))


asyncio.run(serve() if "--plugin" in sys.argv else main())
