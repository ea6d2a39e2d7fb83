"""Runs the chains that the other side sends, each step through the one policy gate.

Sans-I/O and without a loop: where a step gives an awaitable, `Executor` returns `Suspended`, and
whoever drives it awaits and calls `proceed` with the outcome. Only this and `steps`, which has the
rarer steps, read an attribute of a user's object.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from types import FunctionType, MethodType
from typing import Any, NoReturn, TypeAlias

from proxyables.errors import LimitExceeded, ProxyError, ReferenceNotFound
from proxyables.limits import Limits
from proxyables.wire.dialect import Reference
from proxyables.wire.instructions import CALL, LOOKUP, REF, STREAM, Step

from .forms import is_known, no_such_step
from .outcomes import Iteration, Ready, Suspended
from .placement import Perform, Placement, is_marked_for_threads
from .policy import Policy
from .relay import Borrowed
from .steps import Steps

_MAX_PLAIN_TYPES = 1024

_Quick: TypeAlias = tuple[
    set[tuple[type, str]], set[type], Callable[[Any, str], Any], Container[type]
]
"""What most steps need: the names that may be read, by type; the types of results that need no
look; what reads; and the types whose instances are called without a method of ours."""


class Executor(Steps):
    """Runs chains on the objects of one connection.

    Args:
        root: What a chain without a target starts from; `missing` if there is nothing.
        policy: The gate, already bound to the root.
        find: Returns the object that is exported under a reference, or raises.
        borrowed: Knows cursors.
        limits: This side's bounds.
        perform: Has a worker call something; see `placement.Perform`.
        on_workers: Whether workers get all synchronous code, and not only what is marked for them.
        noted: Given an operation that enters or leaves a context manager, and its name, returns one
            that notes it too.
    """

    def __init__(
        self,
        root: Callable[[], object],
        policy: Policy,
        find: Callable[[Reference], object],
        borrowed: Borrowed,
        limits: Limits,
        perform: Perform | None = None,
        *,
        on_workers: bool = False,
        noted: Callable[[str, Callable[..., Any]], Callable[..., Any]] | None = None,
    ) -> None:
        self.root = root
        self.find = find
        super().__init__(policy, borrowed, limits, perform, noted)
        self._max_steps = limits.max_steps
        self.on_workers = on_workers
        self._plain: set[type] = {type(None), bool, int, float, str, bytes, list, dict, tuple}
        self._quick: _Quick = (policy.passed, self._plain, getattr, policy.harmless)
        if perform is not None and on_workers:
            self._place(Placement(perform, everything=True))
        self._considered: set[type] = set()

    def speak_classic(self) -> None:
        """Takes LOOKUP from here on: the step that only the classic dialect has."""
        self._rare[LOOKUP] = self._look_up
        self._relay.is_classic = True

    def consider(self, value: object) -> None:
        """Looks whether a function or class that this side lends is marked for workers."""
        if self._placement is None and self._perform is not None and is_marked_for_threads(value):
            self._place(Placement(self._perform, everything=False))

    def _place(self, placement: Placement) -> None:
        """Has workers get what they are to have; each reading and each call asks, from now on."""
        self._placement = placement
        self._quick = (self._policy.passed, self._plain, self._read, ())

    def refuse(self, error: ProxyError) -> None:
        """Answers every chain from here on with `error`, whatever it names."""

        def fail(*_: object) -> NoReturn:
            raise error.with_traceback(None)  # each raising of it adds to the traceback that it has

        self.root = self.find = fail

    def start(self, target: Reference | None, steps: list[Step]) -> Any:
        """As `run`, on what a chain names as its target.

        Raises:
            ReferenceNotFound: The target is not exported.
        """
        return self.run(self.root() if target is None else self.find(target), steps)

    def run(self, value: Any, steps: list[Any]) -> Any:
        """Runs a chain on `value`; returns what it gives, or `Suspended`, or `Iteration`.

        Raises:
            AccessDenied: The policy refuses a step.
            LimitExceeded, ProxyError: The chain is too long, or malformed.
            BaseException: Whatever the exported code raises.
        """
        if type(steps) is not list or len(steps) > self._max_steps:
            self._refuse_steps(steps)
        kind = type(value)  # all that most steps need to know of it
        if kind is self._cursor_type:
            outcome = self._relay.take(value, steps, 0)
            if outcome is not None:
                return outcome
        passed, plain, read, callables = self._quick
        for place, step in enumerate(steps, 1):
            try:
                # Types first: comparing or hashing an object of ours would run its code. `is`
                # does not; where small integers are many, the table has that step again.
                form = type(step)
                if form is str:
                    if (kind, step) in passed:
                        value = read(value, step)
                    else:
                        value = self._read_checked(value, step)
                elif form is not list:
                    raise no_such_step(step)
                elif (op := step[0]) is CALL:
                    args = step[1]
                    if kind in callables and type(args) is list and len(step) == 2:
                        value = value(*args)
                    else:
                        value = self._call(value, step)
                elif type(op) is not int:
                    raise no_such_step(step)
                elif op == STREAM:
                    return self._stream(value, steps, place - 1)
                elif op != REF or place == len(steps):  # in mid-chain REF changes nothing
                    value = self._rare[op](value, step)
            except (IndexError, KeyError, TypeError):
                if is_known(step, is_classic=LOOKUP in self._rare):
                    raise  # the exported code's own
                raise no_such_step(step) from None
            kind = type(value)
            # A method that was read as an attribute has been judged by its name.
            if kind not in plain and (kind is not MethodType or form is not str):
                outcome = self._settle(value, steps, place)
                if outcome is not None:
                    return outcome
        return value

    def _refuse_steps(self, steps: list[Step]) -> NoReturn:
        if type(steps) is not list:
            raise ProxyError("malformed chain: the steps are not a list")
        raise LimitExceeded("max_steps", self._max_steps, len(steps), "chain")

    def proceed(self, value: Any, steps: list[Step], index: int) -> Any:
        """Goes on at step `index` with what a `Suspended` waited for; returns as `run` does."""
        if type(value) not in self._plain:
            outcome = self._settle(value, steps, index)
            if outcome is not None:
                return outcome
        outcome = self.run(value, steps[index:])
        if type(outcome) is Suspended:
            outcome.index += index
        elif type(outcome) is Iteration:
            outcome.owned = outcome.owned or index > 0
        return outcome

    def _settle(self, value: Any, steps: list[Step], index: int) -> Suspended | Iteration | None:
        """Checks one result; remembers types that never need checking.

        Returns:
            What the chain waits for, or becomes; None if it goes on with `value` at step `index`.
        """
        kind = type(value)
        if kind is Suspended:
            value.index = index
            return value  # type: ignore[no-any-return]
        if self._borrowed.is_relayed(value):
            return self._relay.take(value, steps, index)
        if self._borrowed.is_blocking(value):  # kept by a method that ran on a worker
            return Suspended(Ready(self._borrowed.cursor_of(value)), index)
        if self._placement is None and kind not in self._considered:
            if kind is FunctionType:  # each has a mark of its own
                self.consider(value)
            else:
                self.consider(kind)
                if len(self._considered) < _MAX_PLAIN_TYPES:
                    self._considered.add(kind)
        if self._borrowed.is_awaited(value):
            return Suspended(value, index)
        policy = self._policy
        if kind is MethodType:
            policy.check_value(value)
            return None
        if kind not in policy.harmless:
            policy.check_value(value)
        if kind in policy.harmless and not hasattr(kind, "__await__"):
            if len(self._plain) >= _MAX_PLAIN_TYPES:  # classes made by the thousand
                self._plain.intersection_update({type(None), bool, int, float, str, bytes})
            self._plain.add(kind)
        return None


def no_root() -> object:
    """The root of a side that exports nothing."""
    raise ReferenceNotFound("this peer exports no root object")
