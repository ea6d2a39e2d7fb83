"""What each step of a chain does; those that most chains consist of, `executor` does itself.

Each asks the policy first, then what it would cost, then where it is to run.
"""

from __future__ import annotations

import operator
from collections import UserString
from collections.abc import Callable, Sequence
from types import MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any

from proxyables.errors import AccessDenied, ProxyError
from proxyables.limits import Limits
from proxyables.wire.dialect import ByReference
from proxyables.wire.instructions import (
    CALL,
    CONSTRUCT,
    COPY,
    DEL,
    DELITEM,
    DESCRIBE,
    GET,
    ITEM,
    OPERATE,
    OPERATIONS,
    REF,
    SET,
    SETITEM,
    Step,
)

from .forms import chunk_size, path_in
from .inspection import find, is_array, is_path
from .operands import alone, check_conversion, check_operands
from .outcomes import Iteration, Suspended
from .placement import LOCKS, Perform, Placement
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
_NO_KEYWORDS: dict[str, Any] = {}


class Steps:
    """Carries out single steps on the objects of one connection.

    Args:
        policy, borrowed, limits, perform, noted: See `Executor`.
    """

    def __init__(
        self,
        policy: Policy,
        borrowed: Borrowed,
        limits: Limits,
        perform: Perform | None,
        noted: Callable[[str, Callable[..., Any]], Callable[..., Any]] | None,
    ) -> None:
        self._policy = policy
        self._borrowed = borrowed
        self._cursor_type = borrowed.cursor_type
        self._relay = Relay(borrowed, policy)
        self._arguments: Arguments | None = None
        self._limits = limits
        self._perform = perform
        self._noted = noted
        self._placement: Placement | None = None  # while nothing runs on workers
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

    def _get(self, value: Any, step: Step) -> Any:
        return self._read_checked(value, step[1])

    def _read_checked(self, value: Any, name: str) -> Any:
        """Reads an attribute that the policy has not let pass yet."""
        self._policy.check_get(value, name)
        found = self._read(value, name)
        if type(found) is MethodType and is_path(value):
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
        from .costs import check_assignment  # slow to import, and seldom needed

        check_assignment(value, key, new, self._limits)
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
        return self._read_checked(value, key)

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


def _check_template(left: object) -> None:
    """Refuses ``text % value``: like `str.format`, it reads items that the text names.

    Raises:
        AccessDenied: `left` is a text.
    """
    if issubclass(type(left), (str, bytes, bytearray, UserString)):
        error = AccessDenied("access to '%' of a text is denied", type_name="AccessDenied")
        error.extra["reason"] = "a template reads items and runs __str__, whatever the policy says"
        raise error


__all__ = ["Steps"]
