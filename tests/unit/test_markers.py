"""What authors mark, and what the policy makes of it."""

from __future__ import annotations

import functools
import types
from typing import Any

import pytest

from proxyables.errors import AccessDenied
from proxyables.objects.markers import expose, hidden, mark_of, run_of
from proxyables.objects.policy import Policy


def refused(check: Any, *args: object) -> None:
    with pytest.raises(AccessDenied):
        check(*args)


class Marked:
    @expose
    def open(self) -> int:
        return 1

    @expose
    @property
    def shown(self) -> int:
        return 2

    @property
    @expose
    def shown_too(self) -> int:
        return 2

    @expose
    @classmethod
    def made(cls) -> None: ...

    @expose
    @staticmethod
    def free() -> None: ...

    @expose
    @functools.cached_property
    def lazy(self) -> int:
        return 3

    @expose(run="thread")
    async def later(self) -> None: ...

    def unmarked(self) -> None: ...

    @hidden
    def closed(self) -> None: ...

    @hidden
    @property
    def veiled(self) -> int:
        return 4

    @expose
    def __len__(self) -> int:
        return 1

    def __getitem__(self, key: object) -> object:
        return key

    def __call__(self) -> None: ...


class Derived(Marked):
    def open(self) -> int:
        return 2

    def closed(self) -> None: ...


class Reopened(Derived):
    @expose
    def closed(self) -> None: ...


@expose
class Exposed(Marked):
    def __init__(self) -> None:
        self.data = 1

    def own(self) -> None: ...


@hidden
class Secret:
    token = "t"


class StillSecret(Secret):
    pass


@expose
class NoSecret(Secret):
    pass


EXPOSED = ["free", "later", "lazy", "made", "open", "shown", "shown_too"]


def test_strict_shows_only_what_is_exposed() -> None:
    policy = Policy(strict=True)
    target = Marked()
    assert policy.visible_names(target) == EXPOSED
    for name in EXPOSED:
        policy.check_get(target, name)
    for name in ("unmarked", "closed", "veiled", "missing"):
        refused(policy.check_get, target, name)
        refused(policy.check_set, target, name)
    policy.check_operation("len", target)
    policy.check_operation("bool", target)  # by its length
    refused(policy.check_operation, "str", types.SimpleNamespace())  # by its own __repr__
    for check in (policy.check_item, policy.check_set_item):
        refused(check, target, 0)
    refused(policy.check_operation, "iter", target)
    policy.check_value(target)
    refused(policy.check_call, target)
    assert Marked not in policy.harmless  # as it may be a result, but not be called
    refused(policy.check_call, Marked)
    policy.check_call(Exposed)
    policy.check_call(target.open)
    policy.check_get([1], "append")
    policy.check_call(int)


def test_a_class_exposes_what_it_defines_itself() -> None:
    policy = Policy(strict=True)
    target = Exposed()
    assert policy.visible_names(target) == sorted([*EXPOSED, "data", "own"])
    refused(policy.check_get, target, "unmarked")
    refused(policy.check_get, types.SimpleNamespace(name=1), "name")


def test_a_mark_belongs_to_the_name() -> None:
    strict, default = Policy(strict=True), Policy()
    strict.check_get(Derived(), "open")
    refused(default.check_get, Derived(), "closed")
    refused(default.check_get, Marked(), "veiled")
    default.check_get(Reopened(), "closed")
    default.check_get(Marked(), "unmarked")
    assert "closed" not in default.visible_names(Derived())
    assert "closed" in default.visible_names(Reopened())


def test_a_hidden_class_is_not_lent() -> None:
    policy = Policy()
    for value in (Secret, Secret(), StillSecret, StillSecret()):
        refused(policy.check_value, value)
        holder = types.SimpleNamespace(public=value)
        assert policy.visible_names(holder) == []
    policy.check_value(NoSecret)
    policy.check_value(NoSecret())
    refused(policy.check_value, hidden(lambda: 1))


def test_marks_leave_the_object_as_it_is() -> None:
    def function() -> int:
        return 1

    assert expose(function) is function
    assert Marked().shown == 2
    assert Marked().lazy == 3
    assert Marked.free() is None
    assert mark_of(function) is not None
    assert mark_of(Marked.__dict__["unmarked"]) is None
    assert mark_of(Marked.__dict__["veiled"]).exposed is False  # type: ignore[union-attr]


def test_where_calls_run() -> None:
    @expose(run="loop")
    class Looped:
        def plain(self) -> None: ...

        @expose(run="thread")
        def slow(self) -> None: ...

        @classmethod
        def made(cls) -> None: ...

    class Child(Looped):
        def slow(self) -> None: ...

    assert run_of(Marked().later) == "thread"
    assert run_of(Marked().open) is None
    assert run_of(Looped().plain) == "loop"
    assert run_of(Looped().slow) == "thread"
    assert run_of(Looped.made) == "loop"
    assert run_of(Child().slow) == "thread"
    assert run_of(expose(lambda: 1, run="thread")) == "thread"
    assert run_of(len) is None


@pytest.mark.parametrize("obj", [1, "add", None, len, int, [], types.SimpleNamespace()])
def test_what_cannot_be_marked(obj: object) -> None:
    with pytest.raises(TypeError):
        hidden(obj)


def test_run_takes_two_words() -> None:
    with pytest.raises(ValueError, match="run takes 'loop' or 'thread', got 'process'"):
        expose(run="process")  # type: ignore[call-overload]
