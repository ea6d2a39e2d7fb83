"""The line under the prompt: the call that is being typed, and what the session is doing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from prompt_toolkit.application import get_app_or_none
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.utils import get_cwidth

from proxyables_cli.exits import printable

if TYPE_CHECKING:
    from proxyables_cli.repl.completion.completer import Completer
    from proxyables_cli.repl.completion.signatures import Help
    from proxyables_cli.repl.session import Session

MAX_PARAMETER = 60
LEAST = 12
"""Columns of the connection's name and address, however much else there is to tell."""
_VI_MODES = {
    InputMode.INSERT: "insert",
    InputMode.INSERT_MULTIPLE: "insert",
    InputMode.REPLACE: "replace",
    InputMode.REPLACE_SINGLE: "replace",
    InputMode.NAVIGATION: "normal",
}


class Toolbar:
    """Draws the line; it is called for each drawing, and waits for nothing.

    Attributes:
        completer: What knows signatures; None until the first prompt has been drawn.
    """

    def __init__(self, session: Session) -> None:
        self.completer: Completer | None = None
        self._session = session
        self._help: Help | None = None
        self._search: asyncio.Task[None] | None = None
        self._waits_since: float | None = None

    def begin(self) -> None:
        """Starts on an empty line."""
        self._help = None

    def attach(self, buffer: Buffer) -> None:
        """Watches which call is being typed."""
        buffer.on_text_changed += self._on_move
        buffer.on_cursor_position_changed += self._on_move

    def __call__(self) -> StyleAndTextTuples:
        app = get_app_or_none()
        columns = app.output.get_size().columns if app is not None else 80
        mode = _vi_mode()
        state = self._state(columns - len(mode))
        if self._help is None:
            return [("", f"{mode}{state}")]
        return [("", mode), *_fitted(_help_fragments(self._help), columns - len(mode), state)]

    @property
    def is_moving(self) -> bool:
        """Whether it shows times, which pass."""
        return self._waiting() > 0 or any(True for _ in self._session.jobs)

    def _waiting(self) -> int:
        """How many calls are in flight, without those that only ask for descriptions."""
        links = self._session.connections.by_name.values()
        calls = sum(each.peer.statistics()["calls_waiting"] for each in links)
        asking = 0 if self.completer is None else self.completer.descriptions.asking
        return max(calls - asking, 0)

    async def close(self) -> None:
        """Looks for nothing any more."""
        if self._search is not None:
            self._search.cancel()
            await asyncio.wait({self._search})

    # ---- the call

    def _on_move(self, buffer: Buffer) -> None:
        if self._search is not None:
            self._search.cancel()
        text = buffer.document.text_before_cursor
        if "(" not in text or self.completer is None:
            self._help = None
            return
        self._search = asyncio.ensure_future(self._look(self.completer, text))

    async def _look(self, completer: Completer, text: str) -> None:
        try:
            found = await completer.help(text)
        except Exception:
            found = None  # of local objects, whose own machinery may raise what it likes
        if found != self._help:
            self._help = found
            app = get_app_or_none()
            if app is not None:
                app.invalidate()

    # ---- the state

    def _state(self, columns: int) -> str:
        """All of it if that fits; else as much of the address as the rest leaves room for."""
        where, *links = self._links()
        rest = "".join(f" · {told}" for told in (*links, *self._work()))
        return _clipped(_clipped(where, max(columns - get_cwidth(rest), LEAST)) + rest, columns)

    def _links(self) -> list[str]:
        connections = self._session.connections
        current = connections.current
        if current is None:
            return ["no connection"]
        name = self._session.name
        shown = name if current.name == name else f"{name} = {current.name}"
        told = [printable(f"{shown} {current.address}")]
        told += [f"{len(connections.by_name)} connections"] * (len(connections.by_name) > 1)
        for each in connections.by_name.values():
            if each.peer.closed:
                trying = each.watch is not None and not each.watch.done()
                which = "" if each is current else f"{each.name} "
                told.append(f"{which}reconnecting" if trying else f"{which}lost")
        return told

    def _work(self) -> list[str]:
        told = []
        jobs = list(self._session.jobs)
        if jobs:
            oldest = max(job.seconds for job in jobs)
            told.append(f"{len(jobs)} {'jobs' if len(jobs) > 1 else 'job'}, {oldest:.0f}s")
        waiting = self._waiting()
        now = time.monotonic()
        if not waiting:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = now
        if self._waits_since is not None:
            seconds = now - self._waits_since
            what = "calls" if waiting > 1 else "call"
            told.append(f"{waiting} {what} in flight, {seconds:.0f}s")
        return told


def _vi_mode() -> str:
    app = get_app_or_none()
    if app is None or app.editing_mode is not EditingMode.VI:
        return ""
    return f"{_VI_MODES[app.vi_state.input_mode]} · "


def _help_fragments(told: Help) -> StyleAndTextTuples:
    fragments: StyleAndTextTuples = [("", f"{printable(told.name, clip=MAX_PARAMETER)}(")]
    kinds = ["", *(parameter.kind for parameter in told.parameters), ""]
    for at, parameter in enumerate(told.parameters):
        style = "class:parameter.current" if at == told.current else ""
        fragments += [("", ", ")] if at else []
        if parameter.kind == "keyword" and kinds[at] not in ("keyword", "many"):
            fragments.append(("", "*, "))
        fragments.append((style, printable(parameter.text, clip=MAX_PARAMETER)))
        if parameter.kind == "positional" and kinds[at + 2] != "positional":
            fragments.append(("", ", /"))
    return [*fragments, ("", ")")]


def _fitted(called: StyleAndTextTuples, columns: int, state: str) -> StyleAndTextTuples:
    """A signature that shows its current parameter in any window, and the state if that fits."""
    width = sum(get_cwidth(fragment[1]) for fragment in called)
    if width + 2 + get_cwidth(state) <= columns:
        return [*called, ("", " " * (columns - width - get_cwidth(state))), ("", state)]
    at = next((i for i, each in enumerate(called) if each[0]), None)
    if width > columns and at is not None and at > 1:
        before = sum(get_cwidth(each[1]) for each in called[: at + 1])
        if before > columns:
            return [called[0], ("", "…, "), *called[at:]]
    return called


def _clipped(text: str, columns: int) -> str:
    return text if get_cwidth(text) <= columns else f"{text[: columns - 1]}…"


__all__ = ["Toolbar"]
