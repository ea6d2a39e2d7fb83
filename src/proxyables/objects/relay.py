"""Cursors of other connections, in the middle of a chain: whoever owns the object runs the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from proxyables.wire.instructions import (
    DEL,
    DELITEM,
    DESCRIBE,
    GET,
    ITEM,
    OPERATE,
    SET,
    SETITEM,
    STREAM,
    Step,
)

from .forms import chunk_size, is_known, no_such_step, path_in, without_lookup
from .outcomes import Iteration, Suspended
from .policy import Policy


class Borrowed(Protocol):
    """What the executor has to know of the other connections' cursors."""

    cursor_type: type
    """What only instances of can be a cursor."""

    def is_relayed(self, value: object) -> bool:
        """Whether `value` is a cursor of another connection: steps on it are passed on."""

    def relay(self, cursor: Any, steps: list[Step]) -> Any:
        """Returns the cursor that `steps` on `cursor` make."""

    def is_unfinished(self, value: object) -> bool:
        """Whether `value` is a path on another connection, whose end was not fetched yet."""

    def is_awaited(self, value: object) -> bool:
        """Whether a call's result is to be awaited over here before the chain goes on."""

    def has_form(self, value: object) -> bool:
        """Whether a value that is no container travels by value."""

    def is_value(self, kind: type) -> bool:
        """Whether what is of exactly this type travels by value, and is of no builtin type."""

    def is_blocking(self, value: object) -> bool:
        """Whether `value` is a cursor's blocking face, which cannot be used on the loop."""

    def cursor_of(self, value: Any) -> Any:
        """Returns the cursor behind a blocking face."""


class Relay:
    """Passes steps on.

    Args:
        borrowed: Knows cursors.
        policy: The gate, for what passes through here as for what stays.

    Attributes:
        is_classic: Whether the steps come from a classic peer.
    """

    def __init__(self, borrowed: Borrowed, policy: Policy) -> None:
        self._borrowed = borrowed
        self._policy = policy
        self.is_classic = False

    def take(self, cursor: Any, steps: list[Step], index: int) -> Suspended | Iteration | None:
        """Deals with a cursor that a chain has come to; None if it is the value that is wanted."""
        if index < len(steps) and self._borrowed.is_relayed(cursor):
            return self._pass_on(cursor, steps, index)
        if self._borrowed.is_unfinished(cursor):
            return Suspended(cursor, len(steps))
        return None

    def _pass_on(self, cursor: Any, steps: list[Step], index: int) -> Suspended | Iteration:
        """Passes the rest of the chain on, as one message, to the peer that owns the object."""
        rest = steps[index:]
        if self.is_classic:
            rest = [without_lookup(step) for step in rest]
        for step in rest:
            self._check(cursor, step)
        last = rest[-1]
        if type(last) is list and last[0] == STREAM:
            size = chunk_size(last)
            source = self._borrowed.relay(cursor, rest[:-1]) if len(rest) > 1 else cursor
            return Iteration(source, size, owned=True)
        return Suspended(self._borrowed.relay(cursor, rest), len(steps))

    def _check(self, cursor: Any, step: Any) -> None:
        """Holds a step that is passed on to our policy as well, as far as its form tells."""
        if not is_known(step, is_classic=self.is_classic):
            raise no_such_step(step)
        if type(step) is str:
            self._policy.check_get(cursor, step)
            return
        checks: dict[int, Callable[[Any, Any], None]] = {
            GET: self._policy.check_get,
            SET: self._policy.check_set,
            DEL: self._policy.check_delete,
            ITEM: self._policy.check_item,
            SETITEM: self._policy.check_set_item,
            DELITEM: self._policy.check_delete_item,
        }
        if step[0] in checks:
            checks[step[0]](cursor, step[1])
        elif step[0] == OPERATE:
            self._policy.check_operation(step[1], cursor)
        elif step[0] == DESCRIBE:
            for inner in path_in(step):
                self._check(cursor, inner)
