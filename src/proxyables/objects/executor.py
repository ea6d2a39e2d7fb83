"""Runs the chains that the other side sends, each step through the one policy gate.

Sans-I/O and without a loop: where a step gives an awaitable, `Executor` returns `Suspended`, and
whoever drives it awaits and calls `proceed` with the outcome. Nothing else in this package reads
an attribute of a user's object.
"""

from __future__ import annotations

import operator
from collections import UserString
from collections.abc import Callable, Container, Sequence
from types import FunctionType, MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from proxyables.errors import AccessDenied, LimitExceeded, ProxyError, ReferenceNotFound
from proxyables.limits import Limits
from proxyables.wire.dialect import ByReference, Reference
from proxyables.wire.instructions import (
    CALL,
    CONSTRUCT,
    COPY,
    DEL,
    DELITEM,
    DESCRIBE,
    GET,
    ITEM,
    LOOKUP,
    OPERATE,
    OPERATIONS,
    REF,
    SET,
    SETITEM,
    STREAM,
    Step,
)

from .forms import chunk_size, is_known, no_such_step, path_in
from .inspection import find, is_array, is_path
from .operands import alone, check_conversion, check_operands
from .outcomes import Iteration, Ready, Suspended
from .placement import LOCKS, Perform, Placement, is_marked_for_threads
from .policy import Policy, denied
from .relay import Borrowed, Relay

if TYPE_CHECKING:
    from .arguments import Arguments

_COPIED: tuple[type[Any], ...] = (
    dict,
    list,
    tuple,
    set,
    frozenset,
    bytearray,
    bytes,
    str,
    bool,
    int,
    float,
    complex,
)
# What changes in place, and would otherwise travel by value.
_CHANGEABLE = frozenset({list, dict, set, bytearray})
_FORMATTING = frozenset({"mod", "imod", "rmod"})
_MANAGING = frozenset({"enter", "aenter", "exit", "aexit"})
_LEAVING = frozenset({"exit", "aexit"})
_MAX_PLAIN_TYPES = 1024
_NO_KEYWORDS: dict[str, Any] = {}

_Quick: TypeAlias = tuple[
    set[tuple[type, str]], set[type], Callable[[Any, str], Any], Container[type]
]
"""What most steps need: the names that may be read, by type; the types of results that need no
look; what reads; and the types whose instances are called without a method of ours."""


def _check_template(left: object) -> None:
    """Refuses ``text % value``: like `str.format`, it reads items that the text names.

    Raises:
        AccessDenied: `left` is a text.
    """
    if issubclass(type(left), (str, bytes, bytearray, UserString)):
        error = AccessDenied("access to '%' of a text is denied", type_name="AccessDenied")
        error.extra["reason"] = "a template reads items and runs __str__, whatever the policy says"
        raise error


class Executor:
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
        self._policy = policy
        self._borrowed = borrowed
        self._cursor_type = borrowed.cursor_type
        self._relay = Relay(borrowed, policy)
        self._arguments: Arguments | None = None
        self._limits = limits
        self._max_steps = limits.max_steps
        self._perform = perform
        self._noted = noted
        self.on_workers = on_workers
        self._plain: set[type] = {type(None), bool, int, float, str, bytes, list, dict, tuple}
        self._placement: Placement | None = None  # while nothing runs on workers
        self._quick: _Quick = (policy.passed, self._plain, getattr, policy.harmless)
        if perform is not None and on_workers:
            self._place(Placement(perform, everything=True))
        self._considered: set[type] = set()
        self._rare: dict[int, Callable[[Any, Step], Any]] = {
            GET: self._get,
            CALL: self._call,
            CONSTRUCT: self._call,
            ITEM: self._item,
            SET: self._set,
            DEL: self._delete,
            SETITEM: self._set_item,
            DELITEM: self._delete_item,
            OPERATE: self._operate,
            COPY: self._copy,
            REF: self._refer,
            DESCRIBE: self._describe,
        }

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
                        value = self._judge(value, step)
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

    # -- the rarer steps --------------------------------------------------------------------------

    def _get(self, value: Any, step: Step) -> Any:
        return self._judge(value, step[1])

    def _judge(self, value: Any, name: str) -> Any:
        """Reads an attribute of which it is not known yet that it passes."""
        self._policy.check_get(value, name)
        found = self._read(value, name)
        if is_path(value):
            from .paths import guarded  # as paths themselves: few connections have any

            return guarded(found)
        return found

    def _read(self, value: Any, name: str) -> Any:
        """Reads an attribute that the policy has let pass."""
        if self._placement is not None and self._placement.wants_get(value, name):
            return self._suspend(getattr, (value, name))
        return getattr(value, name)

    def _call(self, value: Any, step: Step) -> Any:
        args = step[1]
        if type(args) is not list:
            raise ProxyError("malformed chain: CALL takes a list of arguments")
        policy = self._policy
        if type(value) not in policy.harmless:
            policy.check_call(value)
        if len(step) > 2:
            keywords = step[2]
            if type(keywords) is not dict:  # an object of ours would be asked for its keys
                raise ProxyError("malformed chain: CALL takes a map of keyword arguments")
            policy.check_keywords(keywords)
            if policy.may_refuse_methods():
                self._given().check_call(value, args, keywords)
            if type(value) not in policy.harmless:
                self._check_cost(value, args, keywords)
            if self._placement is not None and self._placement.wants_call(value):
                return self._suspend(value, (), args, keywords)
            return value(*args, **keywords)
        if policy.may_refuse_methods():
            self._given().check_call(value, args, _NO_KEYWORDS)
        if type(value) not in policy.harmless:
            self._check_cost(value, args, _NO_KEYWORDS)
        if self._placement is not None and self._placement.wants_call(value):
            return self._suspend(value, (), args)
        return value(*args)

    def _given(self) -> Arguments:
        """Returns what judges the arguments of builtins, under a policy that refuses methods."""
        if self._arguments is None:
            from .arguments import Arguments  # most policies refuse none

            self._arguments = Arguments(self._policy, self._borrowed.is_value)
        return self._arguments

    def _check_cost(self, function: Any, args: list[Any], keywords: dict[str, Any]) -> None:
        """Refuses a call of a builtin that no message could pay for, or that bares raw memory."""
        from .costs import check_call_cost  # slow to import: an author's own methods need none
        from .memory import check_memory

        check_call_cost(function, args, keywords, self._limits)
        check_memory(function, args, keywords)

    def _act(self, function: Callable[..., Any], target: Any, *args: Any) -> Any:
        """Runs an operation that may run the exported code, here or on a worker."""
        if self._placement is not None and self._placement.everything:
            return self._suspend(function, (target,), args)
        return function(target, *args)

    def _suspend(
        self,
        function: Callable[..., Any],
        fixed: tuple[Any, ...],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Suspended:
        assert self._perform is not None
        return Suspended(self._perform(function, fixed, args, kwargs or {}), 0)

    def _item(self, value: Any, step: Step) -> Any:
        self._policy.check_item(value, step[1])
        self._check_key(value, step[1])
        return self._act(operator.getitem, value, step[1])

    def _check_key(self, value: Any, key: object) -> None:
        if type(key) is not str and type(key) is not int:
            check_operands(self._policy, "item", [key])
            if self._policy.may_refuse_methods():
                self._given().check_item(value, key)
            if is_array(value):
                from .arrays import check_index  # slow to import, and seldom needed

                check_index(value, key, self._limits)

    def _set(self, value: Any, step: Step) -> Any:
        name, new = step[1], step[2]
        self._policy.check_set(value, name)
        placement = self._placement
        if placement is not None and (
            placement.wants_change(value, name, "__setattr__")
            or placement.wants_assignment(value, new)
        ):
            return self._suspend(setattr, (value, name), (new,))
        setattr(value, name, new)
        return None

    def _delete(self, value: Any, step: Step) -> Any:
        name = step[1]
        self._policy.check_delete(value, name)
        if self._placement is not None and self._placement.wants_change(value, name, "__delattr__"):
            return self._suspend(delattr, (value, name))
        delattr(value, name)
        return None

    def _set_item(self, value: Any, step: Step) -> Any:
        key, new = step[1], step[2]
        self._policy.check_set_item(value, key)
        self._check_key(value, key)
        if self._policy.may_refuse_methods():
            self._given().check_item(value, key, new)
        from .costs import check_filling, check_growth  # slow to import, and seldom needed

        check_filling(new, self._limits)
        if type(key) is slice:
            check_growth(value, new, self._limits)
        return self._act(operator.setitem, value, key, new)

    def _delete_item(self, value: Any, step: Step) -> Any:
        self._policy.check_delete_item(value, step[1])
        self._check_key(value, step[1])
        return self._act(operator.delitem, value, step[1])

    def _operate(self, value: Any, step: Step) -> Any:
        name = step[1]
        args = step[2] if len(step) > 2 else []
        if type(name) is not str or type(args) is not list:
            raise ProxyError("malformed chain: OPERATE takes a name and a list of arguments")
        if name == "dir" and not args:
            self._policy.check_description()
            return self._policy.visible_names(value)
        operation = OPERATIONS.get(name)
        if operation is None:
            raise ProxyError(f"malformed chain: no such operation: {name[:40]!r}")
        self._policy.check_operation(name, value)
        check_operands(self._policy, name, args)
        if self._policy.may_refuse_methods():
            self._given().check_operation(name, value, args)
        from .costs import check_cost  # as above

        check_cost(name, value, args, self._limits)
        if len(args) == 1 and type(args[0]) is self._cursor_type:
            if type(value) is MappingProxyType:
                raise denied(name, "it would have the operand compute with what it is a view of")
            is_final = len(step) < 4 or step[3] is not True
            operation = alone(name, is_final=is_final) or operation
        if name in _FORMATTING:
            _check_template(args[0] if name == "rmod" and args else value)
        elif name in _MANAGING and self._noted is not None:
            operation = self._noted(name, operation)
            if name in _LEAVING and type(value) in LOCKS:  # for which all workers may be waiting
                return operation(value, *args)
        return self._act(operation, value, *args)

    def _look_up(self, value: Any, step: Step) -> Any:
        """The classic GET: an item of a container, else an attribute."""
        key = step[1]
        if issubclass(type(value), dict) and self._holds(value, key):
            return self._item(value, step)
        if issubclass(type(value), (list, tuple)) and (type(key) is int or key.isdecimal()):
            return self._item(value, [ITEM, int(key)])
        if type(key) is int:
            return self._item(value, step)
        if (type(value), key) in self._policy.passed:
            return self._read(value, key)
        return self._judge(value, key)

    def _holds(self, table: dict[Any, Any], key: object) -> bool:
        """Whether an item is there; none is where the policy does not let anybody ask."""
        found = find(type(table), "__contains__")
        if found is not None and found.owner is not dict:
            try:
                self._policy.check_method("__contains__", table)
            except AccessDenied:
                return False
        return key in table

    def _copy(self, value: Any, step: Step) -> Any:
        """Gives containers of any make as the plain ones that travel by value."""
        if self._borrowed.has_form(value):
            return value
        self._policy.check_operation("iter", value)
        for kind in _COPIED:
            if issubclass(type(value), kind):  # isinstance would ask the object itself
                check_conversion(self._policy, kind, value)
                return self._act(kind, value)
        raise ProxyError(f"copy: a {type(value).__name__} has no form that travels by value")

    def _refer(self, value: Any, step: Step) -> Any:
        """Keeps the value here; with a true second element, only a container that can change."""
        if len(step) > 1 and step[1] is True and type(value) not in _CHANGEABLE:
            return value
        return ByReference(value)

    def _describe(self, value: Any, step: Step) -> Any:
        from .description import describe, peek  # many connections never ask

        policy, path = self._policy, path_in(step)
        policy.check_description()
        for place, inner in enumerate(path, 1):
            value = peek(value, inner, policy)
            if self._borrowed.is_unfinished(value) or self._borrowed.is_blocking(value):
                raise denied(None, "fetching what it is a path to runs code")
            if self._borrowed.is_relayed(value):
                return self._relay.take(value, [[DESCRIBE, path[place:]]], 0)
        return describe(value, policy)

    def _stream(self, value: Any, steps: list[Step], place: int) -> Iteration:
        if place != len(steps) - 1:
            raise ProxyError("malformed chain: STREAM must be its last step")
        self._policy.check_operation("iter", value)
        on_worker = self._placement is not None and self._placement.wants_iteration(value)
        size = chunk_size(steps[place])
        return Iteration(value, size, owned=place > 0, on_worker=on_worker)


def no_root() -> object:
    """The root of a side that exports nothing."""
    raise ReferenceNotFound("this peer exports no root object")
