"""One run of the REPL, from its options to its exit code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from proxyables_cli import collector, loops
from proxyables_cli.connecting import Place
from proxyables_cli.exits import talk
from proxyables_cli.repl import failures, scripts
from proxyables_cli.repl.connections import check_name
from proxyables_cli.repl.leaving import Leaving
from proxyables_cli.repl.session import Session, is_terminal


def run(
    addresses: Sequence[str],
    *,
    code: str | None = None,
    file: str | None = None,
    arguments: Sequence[str] = (),
    startup: str | None = None,
    interactive: bool = False,
    plain: bool = False,
    vi: bool = False,
    color: str = "auto",
    auto_await: bool = True,
    name: str = "obj",
    timeout: float = 5.0,
    wait: float = 0.0,
    find: Callable[[str], Place] = Place,
    loop: str = "auto",
) -> int:
    """Connects, then reads and runs Python until its source ends; returns the exit code.

    Args:
        addresses: Each ``ADDRESS`` or ``NAME=ADDRESS``; none for the built-in demo object.
        code: Source to run in place of a prompt.
        file: A script to run in place of a prompt.
        arguments: What the code or the script finds in ``sys.argv``.
        startup: A script to run before anything else, whose names stay.
        interactive: Prompt after the code or the script, even if that failed.
        plain: Prompt with plain lines even on a terminal, and even from a pipe.
        vi: Keys at the prompt are those of vi.
        color: Whether the prompt has colours: ``auto``, ``always`` or ``never``.
        auto_await: Await remote chains where their values are wanted.
        name: What the first connection's root is called.
        timeout: Seconds that connecting may take.
        wait: Seconds that servers which are not there yet get to come up.
        find: Tells where an address leads, and with which secret.
        loop: ``auto``, ``uvloop`` or ``asyncio``.

    Raises:
        Failure: An address or a script cannot be used, or a connection could not be made.
        OutputClosed: Nobody reads the output any more.
        KeyboardInterrupt: Ctrl-C ended a script, or the connecting.
    """
    check_name(name)
    script = None
    if code is not None or file is not None or not (plain or interactive):
        script = _script(code, file, arguments)
    prompts = script is None or interactive
    session = Session(
        name=name, timeout=timeout, wait=wait, find=find, auto_await=auto_await, prompts=prompts
    )
    session.vi, session.color = vi, color
    if not addresses:
        from proxyables_cli import demo

        addresses = [demo.address()]
    try:
        cells = [] if startup is None else [session.compiled(scripts.from_file(startup, ()))]
        cells += [] if script is None else [session.compiled_script(script)]
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        talk(failures.text_of(error.with_traceback(None)).rstrip("\n"), name="")
        return 1
    collector.wake()
    work = session.main(addresses, cells, prompts=prompts, plain=plain)
    return _driven(work, loop, session.leaving, endures=prompts)


def _driven(
    work: Coroutine[Any, Any, int], loop_name: str, leaving: Leaving, *, endures: bool
) -> int:
    with loops.runner(loop_name) as runner:
        loop = runner.get_loop()
        main = loop.create_task(work)
        try:
            code = _completed(main, loop, endures=endures)
            # The runner would wait for each of them, for ever.
            if not loop.run_until_complete(leaving.tasks_ended()):
                leaving.give_up()
        finally:
            leaving.end()
    return code


def _completed(main: asyncio.Task[int], loop: asyncio.AbstractEventLoop, *, endures: bool) -> int:
    while True:
        try:
            return loop.run_until_complete(main)
        except KeyboardInterrupt:
            # Ctrl-C ended synchronous code outside of any cell, a callback for example. That stops
            # the loop; the session goes on where it was.
            if main.done() or not endures:
                raise


def _script(code: str | None, file: str | None, arguments: Sequence[str]) -> scripts.Script | None:
    if code is not None:
        return scripts.from_code(code, arguments)
    if file is not None:
        return scripts.from_file(file, arguments)
    return None if is_terminal(sys.stdin) else scripts.from_input()


__all__ = ["run"]
