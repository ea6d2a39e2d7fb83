"""Chains on real objects: each step, each malformed step, what suspends, what is passed on."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callers import Notebook
from nests import Nest
from proxyables import Policy
from proxyables.errors import AccessDenied, LimitExceeded, ProxyError, ReferenceNotFound
from proxyables.objects.executor import no_root
from proxyables.objects.markers import hidden
from proxyables.objects.outcomes import Iteration, Suspended
from proxyables.proxies.cursor import ProxyCursor
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
    LOOKUP,
    OPERATE,
    REF,
    SET,
    SETITEM,
    STREAM,
    Step,
)
from proxyables.wire.payloads import Opaque


class Later:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Any:
        return self.value
        yield


class Tree(dict[str, Any]):
    colour = "green"


class Root:
    count = 1
    _secret = "s"

    def __init__(self) -> None:
        self.items = [10, 20, 30]
        self.table = {"a": 1, "1": "one", 5: "five"}
        self.pair = (1, 2)
        self.tree = Tree(leaf=3)
        self.touched: list[str] = []

    def add(self, a: Any, b: Any = 0) -> Any:
        return a + b

    def later(self, value: Any) -> Later:
        return Later(value)

    def me(self) -> Root:
        return self

    def rows(self) -> Any:
        yield from range(3)

    def boom(self, kind: str) -> None:
        raise {"type": TypeError, "key": KeyError, "index": IndexError}[kind]("theirs")

    def __getitem__(self, key: Any) -> Any:
        self.touched.append(f"getitem {key!r}")
        return key

    def __eq__(self, other: object) -> bool:
        self.touched.append("eq")
        return True

    def __hash__(self) -> int:
        self.touched.append("hash")
        return 1

    def __repr__(self) -> str:
        self.touched.append("repr")
        return "Root(secret)"

    def keys(self) -> list[str]:
        self.touched.append("keys")
        return ["a"]


class Nested(Nest):
    """As `Nest`, with a `Root` if no other root is given."""

    def __init__(self, root: Any = None, **given: Any) -> None:
        super().__init__(Root() if root is None else root, **given)


@pytest.fixture
def made() -> Nested:
    return Nested()


# -- each step ------------------------------------------------------------------------------------

OUTCOMES: list[tuple[list[Step], Any]] = [
    (["count"], 1),
    (["add", [CALL, [1]]], 1),
    (["add", [CALL, [1], {"b": 2}]], 3),
    (["add", [CALL, [1, 2], {}]], 3),
    (["add", [CONSTRUCT, [1, 2]]], 3),
    (["me", [CALL, []], "me", [CALL, []], "count"], 1),
    (["items", [ITEM, 1]], 20),
    (["items", [ITEM, slice(1, None)]], [20, 30]),
    (["table", [ITEM, "a"]], 1),
    (["count", [OPERATE, "add", [5]]], 6),
    (["count", [OPERATE, "rsub", [5]]], 4),
    (["count", [OPERATE, "neg"]], -1),
    (["items", [OPERATE, "len", []]], 3),
    (["items", [OPERATE, "contains", [20]]], True),
    (["tree", [COPY]], {"leaf": 3}),
    (["items", [REF], [ITEM, 0]], 10),
    (["items", [REF], [OPERATE, "len"]], 3),
]


@pytest.mark.parametrize(("steps", "value"), OUTCOMES, ids=str)
def test_a_chain_gives_what_python_would(made: Nested, steps: list[Step], value: Any) -> None:
    assert made.run(*steps) == value


class Desk:
    def __init__(self) -> None:
        self.handlers = [self.secret, self.open]
        self.callback = self.secret

    @hidden
    def secret(self) -> str:
        return "secret"

    def open(self) -> str:
        return "open"

    def find(self, place: int) -> Any:
        return self.handlers[place]


@pytest.mark.parametrize(
    "steps",
    [
        ["handlers", [ITEM, 0]],
        ["handlers", [ITEM, 0], [CALL, []]],
        ["handlers", "copy", [CALL, []], "pop", [CALL, [0]], [CALL, []]],
        ["find", [CALL, [0]], [CALL, []]],
        ["callback"],
        [[GET, "callback"], [CALL, []]],
    ],
)
def test_a_hidden_method_is_not_lent_out_of_another_place(steps: list[Step]) -> None:
    made = Nested(Desk())
    for _ in range(2):
        with pytest.raises(AccessDenied):
            made.run(*steps)
    with pytest.raises(AccessDenied):
        made.tables.lend(made.root.secret)


def test_an_ordinary_method_is_lent_out_of_any_place() -> None:
    made = Nested(Desk())
    assert made.run("handlers", [ITEM, 1], [CALL, []]) == "open"
    assert made.run("find", [CALL, [1]], [CALL, []]) == "open"
    assert made.tables.lend(made.root.open) is not None


def test_setting_and_deleting(made: Nested) -> None:
    root = made.root
    assert made.run([SET, "count", 9]) is None
    assert made.run("items", [SETITEM, 0, 11]) is None
    assert made.run("items", [DELITEM, -1]) is None
    assert made.run("table", [DELITEM, "a"]) is None
    assert (root.count, root.items, list(root.table)) == (9, [11, 20], ["1", 5])
    assert made.run([DEL, "count"]) is None
    assert root.count == 1, "that of the class"


def test_copy_gives_a_plain_container_and_refuses_the_rest(made: Nested) -> None:
    assert type(made.run("tree", [COPY])) is dict
    with pytest.raises(ProxyError, match="no form that travels by value"):
        made.run("rows", [CALL, []], [COPY])


def test_ref_at_the_end_says_how_the_value_travels(made: Nested) -> None:
    result = made.run("items", [REF])
    assert type(result) is ByReference
    assert result.value is made.root.items


def test_describe_and_dir_name_nothing_that_is_hidden(made: Nested) -> None:
    names = made.run([OPERATE, "dir"])
    assert "add" in names
    assert "_secret" not in names
    told = made.run([DESCRIBE])
    assert "_secret" not in str(told)
    assert made.root.touched == []


class Shop:
    """Whatever of it runs fails the test."""

    here: Any

    class Order:
        """One order."""

    def __init__(self) -> None:
        self.here = Slotted("ada")
        self.rows = [Slotted("bob"), (Slotted("eve"),)]
        self.by_name = {"ada": self.rows, 5: Slotted("five")}
        self._own = self.here
        self.passed = asyncio.sleep

    def make(self) -> Shop:
        raise AssertionError("a method ran")

    @property
    def total(self) -> int:
        raise AssertionError("a property ran")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"__getattr__ ran for {name!r}")

    def __getitem__(self, key: object) -> Any:
        raise AssertionError("__getitem__ ran")


class Slotted:
    __slots__ = ("name", "unset")

    def __init__(self, name: str) -> None:
        self.name = name


class Overridden(list[Any]):
    def __getitem__(self, key: Any) -> Any:
        raise AssertionError("__getitem__ ran")


@pytest.mark.parametrize(
    ("path", "type_name"),
    [
        ([], "Shop"),
        (["here"], "Slotted"),
        ([[GET, "here"], "name"], "str"),
        (["rows"], "list"),
        (["rows", [ITEM, -1], [ITEM, 0]], "Slotted"),
        (["by_name", [ITEM, "ada"], [ITEM, 0], "name"], "str"),
        (["by_name", [ITEM, 5]], "Slotted"),
        (["Order"], "type"),
    ],
    ids=str,
)
def test_describe_follows_a_path_that_runs_nothing(path: list[Step], type_name: str) -> None:
    assert Nested(Shop()).run([DESCRIBE, path])["type"] == type_name


@pytest.mark.parametrize(
    "path",
    [
        ["total"],
        ["make"],
        ["passed"],
        ["nothing"],
        ["_own"],
        ["__class__"],
        ["total", "anything"],
        [[ITEM, "key"]],
        ["here", "unset"],
        ["here", [ITEM, 0]],
        ["by_name", [ITEM, "ada"], "append"],
        ["Order", "__dict__"],
    ],
    ids=str,
)
def test_describe_follows_no_other(path: list[Step]) -> None:
    with pytest.raises(AccessDenied):
        Nested(Shop()).run([DESCRIBE, path])


def test_describe_follows_items_of_builtin_containers_only() -> None:
    shop = Shop()
    shop.rows = Overridden([1])
    with pytest.raises(AccessDenied):
        Nested(shop).run([DESCRIBE, ["rows", [ITEM, 0]]])
    for path in (["by_name", [ITEM, "no"]], ["by_name", [ITEM, 5], "name", [ITEM, 0]]):
        with pytest.raises((LookupError, AccessDenied)):
            Nested(Shop()).run([DESCRIBE, path])


def test_a_path_to_describe_passes_the_same_gate() -> None:
    with pytest.raises(AccessDenied):
        Nested(Shop(), policy=Policy(deny=["here"])).run([DESCRIBE, ["here"]])
    with pytest.raises(AccessDenied):
        Nested(Shop(), policy=Policy(introspection="off")).run([DESCRIBE, ["here"]])


@pytest.mark.parametrize(
    "path",
    [
        "here",
        ["here"] * 33,
        5,
        {},
        [5],
        [[]],
        [[GET]],
        [[GET, 5]],
        [[ITEM, 1.5]],
        [[ITEM, [1]]],
        [[CALL, []]],
    ],
    ids=str,
)
def test_what_is_no_path_to_describe(path: object) -> None:
    with pytest.raises(ProxyError, match="DESCRIBE takes a path of names and items"):
        Nested(Shop()).run([DESCRIBE, path])


def test_a_path_to_describe_goes_on_where_its_object_is(made: Nested) -> None:
    owner = Notebook()
    shop = Shop()
    shop.here = owner.root
    passed_on = Nested(shop).run([DESCRIBE, ["here", "a", [ITEM, 0]]])
    assert type(passed_on) is Suspended
    assert passed_on.awaitable._steps == [[DESCRIBE, ["a", [ITEM, 0]]]]
    denying = Nested(shop, policy=Policy(deny=["a"]))
    with pytest.raises(AccessDenied):
        denying.run([DESCRIBE, ["here", "a"]])
    shop.here = owner.root.make()
    with pytest.raises(AccessDenied):
        Nested(shop).run([DESCRIBE, ["here"]])
    assert owner.asked == []


def test_where_a_chain_starts(made: Nested) -> None:
    inner = Root()
    inner.count = 77
    reference = made.tables.lend(inner)
    assert made.run("count", target=reference) == 77
    assert made.run("count", target=0) == 1
    assert made.run(target=None) is made.root


class Impostor(int):
    pass


@pytest.mark.parametrize(
    "target",
    [99, -1, "1", "root", 10**30, 10**9000, True, False, 1.0, [], {}, b"1", (1,), Impostor(1)],
    ids=lambda target: f"{type(target).__name__} {str(target)[:8]}" if target != 10**9000 else "?",
)
def test_a_forged_reference_is_not_found(made: Nested, target: Any) -> None:
    made.tables.lend(Root())
    with pytest.raises(ReferenceNotFound, match="no object is exported under the reference"):
        made.run("count", target=target)


def test_an_object_of_ours_is_no_reference_and_nothing_of_it_runs(made: Nested) -> None:
    with pytest.raises(ReferenceNotFound) as caught:
        made.run("count", target=made.root)
    assert made.root.touched == []
    assert "secret" not in str(caught.value)


def test_a_side_without_a_root() -> None:
    with pytest.raises(ReferenceNotFound, match="exports no root"):
        no_root()


# -- malformed chains -----------------------------------------------------------------------------

MALFORMED: list[Any] = [
    [],
    [None],
    [99],
    [0],
    [-1, "count"],
    [-2],
    ["1", "count"],
    [1.0],
    [[1]],
    [{}],
    [10**30],
    [10**9000],
    [GET],
    [ITEM],
    [SET],
    [SET, "count"],
    [DEL],
    [SETITEM, 1],
    [DELITEM],
    [CALL],
    [CONSTRUCT],
    [OPERATE],
    [CALL, None],
    [CALL, "args"],
    [CALL, (1,)],
    [CALL, {"a": 1}],
    [CALL, [], None],
    [CALL, [], ["a"]],
    [CALL, [], "a"],
    [OPERATE, 5],
    [OPERATE, None],
    [OPERATE, ["add"]],
    [OPERATE, b"add"],
    [OPERATE, "eval"],
    [OPERATE, "__add__"],
    [OPERATE, "add" * 10_000],
    [OPERATE, "add", None],
    [OPERATE, "add", 5],
    [STREAM, 0],
    [STREAM, -1],
    [STREAM, "1"],
    [STREAM, True],
    [STREAM, None],
    [STREAM],
    5,
    None,
    (GET, "count"),
    {0: GET, 1: "count"},
]


@pytest.mark.parametrize(
    "step", MALFORMED, ids=lambda step: ascii(step)[:30] if step != [10**9000] else "?"
)
def test_a_malformed_step_is_told_and_runs_nothing(made: Nested, step: Any) -> None:
    with pytest.raises(ProxyError, match="malformed chain") as caught:
        made.run("me", [CALL, []], step)
    assert type(caught.value) is ProxyError
    assert len(str(caught.value)) < 120
    assert made.root.touched == []


@pytest.mark.parametrize("place", range(4))
def test_objects_of_ours_in_the_place_of_parts_of_a_step_run_nothing(place: int) -> None:
    made = Nested()
    root = made.root
    step: Any = [root, [root, "count"], [OPERATE, root, []], [CALL, [], root]][place]
    with pytest.raises(ProxyError, match="malformed chain") as caught:
        made.run(step)
    assert root.touched == []
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("steps", [None, "ab", 5, {}, ("count",)], ids=str)
def test_steps_are_a_list(made: Nested, steps: Any) -> None:
    with pytest.raises(ProxyError, match="the steps are not a list"):
        made.executor.start(None, steps)


def test_a_chain_has_a_limit_which_is_checked_before_anything_runs() -> None:
    made = Nested(max_steps=3)
    made.run(*["me", [CALL, []], "count"])
    with pytest.raises(LimitExceeded, match="max_steps=3"):
        made.run([SET, "count", 9], *["count"] * 3)
    assert made.root.count == 1


@pytest.mark.parametrize(
    ("kind", "error"), [("type", TypeError), ("key", KeyError), ("index", IndexError)]
)
def test_errors_of_the_exported_code_stay_what_they_are(
    made: Nested, kind: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match="theirs"):
        made.run("boom", [CALL, [kind]])


def test_errors_of_builtins_stay_what_they_are(made: Nested) -> None:
    for steps, error in [
        (["missing"], AttributeError),
        (["items", [ITEM, 9]], IndexError),
        (["items", [ITEM, "a"]], TypeError),
        (["table", [ITEM, "x"]], KeyError),
        (["count", [OPERATE, "add", ["x"]]], TypeError),
        (["count", [OPERATE, "add", []]], TypeError),
        (["add", [CALL, []]], TypeError),
        (["count", [CALL, []]], TypeError),
    ]:
        with pytest.raises(error) as caught:
            made.run(*steps)
        assert not isinstance(caught.value, ProxyError)


@pytest.mark.parametrize(
    "step",
    [
        "_secret",
        "__class__",
        "",
        [GET, "_secret"],
        [GET, "__class__"],
        [GET, b"count"],
        [GET, 5],
        [GET, None],
        [GET, ["count"]],
        "count\0",
        [GET, "x" * 100_000],
        [SET, "_secret", 1],
        [SET, "add", 1],
        [SET, 5, 1],
        [DEL, "__class__"],
        [CALL, [], {"_x": 1}],
        [CALL, [], {5: 1}],
        [ITEM, "__class__"],
    ],
    ids=lambda step: ascii(step)[:30],
)
def test_every_step_asks_the_policy_first(made: Nested, step: Any) -> None:
    with pytest.raises(AccessDenied):
        made.run("add", step) if step[:1] == [CALL] else made.run(step)
    assert made.root.touched == []


OPERAND_METHODS = [
    "add",
    "radd",
    "rmul",
    "mul",
    "eq",
    "lt",
    "gt",
    "ge",
    "le",
    "index",
    "hash",
    "rand",
    "rpow",
    "rmod",
]


def operand(*, is_hidden: bool) -> Any:
    """Returns an object that the other side may use; perhaps but for its special methods."""

    def run(self: Any, *_: object) -> Any:
        self.has_run = True
        return 1

    method = hidden(run) if is_hidden else run
    return type("Operand", (), {f"__{name}__": method for name in OPERAND_METHODS})()


@pytest.mark.parametrize(
    "make",
    [
        lambda x: ["count", [OPERATE, "add", [x]]],
        lambda x: ["count", [OPERATE, "iadd", [x]]],
        lambda x: ["count", [OPERATE, "radd", [x]]],
        lambda x: ["count", [OPERATE, "and", [x]]],
        lambda x: ["count", [OPERATE, "pow", [x]]],
        lambda x: ["count", [OPERATE, "mod", [x]]],
        lambda x: ["count", [OPERATE, "eq", [x]]],
        lambda x: ["count", [OPERATE, "ne", [x]]],
        lambda x: ["count", [OPERATE, "lt", [x]]],
        lambda x: ["count", [OPERATE, "le", [x]]],
        lambda x: ["count", [OPERATE, "round", [x]]],
        lambda x: ["items", [ITEM, x]],
        lambda x: ["items", [SETITEM, x, 5]],
        lambda x: ["items", [DELITEM, x]],
        lambda x: ["items", [ITEM, slice(None, x)]],
        lambda x: ["items", [OPERATE, "contains", [x]]],
        lambda x: ["items", [OPERATE, "eq", [[10, x, 30]]]],
        lambda x: ["items", [OPERATE, "mul", [x]]],
        lambda x: ["pair", [OPERATE, "lt", [(1, x)]]],
        lambda x: ["table", [OPERATE, "contains", [x]]],
        lambda x: ["table", [OPERATE, "contains", [Opaque("Far", {"x": [x]})]]],
    ],
)
def test_operands_are_held_to_the_policy(make: Any) -> None:
    refused = operand(is_hidden=True)
    with pytest.raises(AccessDenied):
        Nested().run(*make(refused))
    assert not hasattr(refused, "has_run")
    lent = operand(is_hidden=False)
    Nested().run(*make(lent))
    assert lent.has_run


def test_an_operand_may_hold_itself(made: Nested) -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    assert made.run("items", [OPERATE, "eq", [endless]]) is False


def test_the_deny_list_holds_for_operands() -> None:
    with pytest.raises(AccessDenied):
        Nested(policy=Policy(deny=["__radd__"])).run(
            "count", [OPERATE, "add", [operand(is_hidden=False)]]
        )


@pytest.mark.parametrize(
    "steps",
    [
        ["template", [OPERATE, "mod", [Root()]]],
        ["template", [OPERATE, "imod", [5]]],
        ["me", [CALL, []], [OPERATE, "rmod", ["%(_secret)s"]]],
        ["add", [CALL, [b"%(_secret)s", b""]], [OPERATE, "mod", [{}]]],
    ],
)
def test_templates_read_nothing(made: Nested, steps: list[Step]) -> None:
    made.root.template = "%(_secret)s"
    with pytest.raises(AccessDenied, match="'%' of a text"):
        made.run(*steps)
    assert made.root.touched == []
    assert made.run("count", [OPERATE, "mod", [2]]) == 1


@pytest.mark.parametrize("name", ["eq", "ne", "or", "ror", "lt"])
def test_a_peers_object_is_not_handed_what_a_view_is_of(made: Nested, name: str) -> None:
    made.root.view = types.MappingProxyType(made.root.tree)
    far = Notebook()
    with pytest.raises(AccessDenied):
        made.run("view", [OPERATE, name, [far.root]])
    assert made.run("view", [OPERATE, "eq", [{"leaf": 3}]]) is True


def test_a_name_may_stand_in_its_long_form(made: Nested) -> None:
    assert made.run([GET, "me"], [CALL, []], [GET, "count"]) == made.run("me", [CALL, []], "count")
    with pytest.raises(AttributeError):
        made.run([GET, "missing"])


# -- the classic GET ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "value"),
    [
        ([[LOOKUP, "count"]], 1),
        ([[LOOKUP, "items"], [LOOKUP, 1]], 20),
        ([[LOOKUP, "items"], [LOOKUP, "1"]], 20),
        ([[LOOKUP, "items"], [LOOKUP, -1]], 30),
        ([[LOOKUP, "pair"], [LOOKUP, "0"]], 1),
        ([[LOOKUP, "table"], [LOOKUP, "a"]], 1),
        ([[LOOKUP, "table"], [LOOKUP, "1"]], "one"),
        ([[LOOKUP, "table"], [LOOKUP, 5]], "five"),
        ([[LOOKUP, "tree"], [LOOKUP, "leaf"]], 3),
        ([[LOOKUP, "tree"], [LOOKUP, "colour"]], "green"),
        ([[LOOKUP, "items"], [LOOKUP, "copy"], [CALL, []]], [10, 20, 30]),
        ([[LOOKUP, 7]], 7),
    ],
)
def test_a_classic_get_is_an_item_or_an_attribute(
    made: Nested, steps: list[Step], value: Any
) -> None:
    made.executor.speak_classic()
    assert made.run(*steps) == value


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([[LOOKUP, "missing"]], AttributeError),
        ([[LOOKUP, "_secret"]], AccessDenied),
        ([[LOOKUP, "table"], [LOOKUP, "missing"]], AttributeError),
        ([[LOOKUP, "table"], [LOOKUP, "__class__"]], AccessDenied),
        ([[LOOKUP, "table"], [LOOKUP, 77]], KeyError),
        ([[LOOKUP, "items"], [LOOKUP, "99"]], IndexError),
        ([[LOOKUP, "items"], [LOOKUP, "²"]], AccessDenied),
        ([[LOOKUP, "count"], [LOOKUP, 0]], TypeError),
        ([[LOOKUP]], ProxyError),
    ],
)
def test_a_classic_get_fails_as_each_of_them_would(
    made: Nested, steps: list[Step], error: type[Exception]
) -> None:
    made.executor.speak_classic()
    with pytest.raises(error):
        made.run(*steps)


def test_there_is_no_classic_get_in_the_px_dialect(made: Nested) -> None:
    with pytest.raises(ProxyError, match="no such step -1"):
        made.run([LOOKUP, "count"])


# -- what waits -----------------------------------------------------------------------------------


def test_an_awaitable_suspends_and_the_chain_goes_on_where_it_was(made: Nested) -> None:
    result = made.run("later", [CALL, [5]], [OPERATE, "add", [1]])
    assert type(result) is Suspended
    assert result.index == 2
    assert made.finish("later", [CALL, [5]], [OPERATE, "add", [1]]) == 6


def test_an_awaitable_of_an_awaitable_is_awaited_too(made: Nested) -> None:
    assert made.finish("later", [CALL, [Later(Later(5))]]) == 5


def test_what_was_awaited_is_checked_like_any_result(made: Nested) -> None:
    import sys

    with pytest.raises(AccessDenied):
        made.finish("later", [CALL, [sys]])


def test_a_result_that_is_not_lent_is_refused_in_mid_chain(made: Nested) -> None:
    made.root.module = pytest
    with pytest.raises(AccessDenied):
        made.run("module", "raises")


# -- streams --------------------------------------------------------------------------------------


def test_stream_gives_an_iteration_that_owns_what_the_chain_made(made: Nested) -> None:
    result = made.run("rows", [CALL, []], [STREAM, 5])
    assert type(result) is Iteration
    assert (list(result.source), result.size, result.owned) == ([0, 1, 2], 5, True)
    whole = Nested([1, 2]).run([STREAM, 10**9])
    assert (whole.source, whole.size, whole.owned) == ([1, 2], 4096, False)


def test_stream_must_be_last(made: Nested) -> None:
    with pytest.raises(ProxyError, match="STREAM must be its last step"):
        made.run("items", [STREAM, 5], "count")


# -- cursors of another connection ----------------------------------------------------------------


def test_steps_on_another_peers_cursor_are_passed_on_as_one_chain() -> None:
    far = Notebook(answer=7)
    made = Nested(far.root)
    assert made.finish("a", [CALL, [1]], [ITEM, 0]) == 7
    assert far.asked == [(None, ["a", [CALL, [1]], [ITEM, 0]])]


def test_a_path_on_another_peer_is_fetched_before_it_is_returned() -> None:
    far = Notebook(answer=7)
    made = Nested()
    made.root.path = far.root.a.b
    assert made.finish("path") == 7
    assert far.asked == [(None, ["a", "b"])]


def test_a_cursor_of_another_peer_that_was_fetched_stays_itself() -> None:
    made = Nested()
    made.root.far = cursor = Notebook().root
    assert made.run("far") is cursor


def test_our_callers_own_cursor_is_not_awaited_here() -> None:
    made = Nested()
    made.root.path = path = made.caller.root.a
    assert made.run("path") is path
    assert made.caller.asked == []


@pytest.mark.parametrize(
    "step",
    [
        "_private",
        [SET, "__class__", 1],
        [DEL, "_x"],
        [ITEM, "__class__"],
    ],
    ids=str,
)
def test_our_policy_holds_for_what_is_passed_on(step: Step) -> None:
    far = Notebook()
    made = Nested(far.root)
    for chain in ([step], ["a", step], [step, "a"]):
        with pytest.raises(AccessDenied):
            made.run(*chain)
    assert far.asked == []


@pytest.mark.parametrize(
    "step", MALFORMED[:17], ids=lambda step: ascii(step)[:30] if step != [10**9000] else "?"
)
def test_a_malformed_step_is_not_passed_on(step: Any) -> None:
    far = Notebook()
    with pytest.raises(ProxyError, match="malformed chain"):
        Nested(far.root).run("a", step)
    assert far.asked == []


def test_a_classic_get_is_passed_on_as_what_it_most_likely_means() -> None:
    far = Notebook()
    made = Nested(far.root)
    made.executor.speak_classic()
    made.finish([LOOKUP, "items"], [LOOKUP, 1])
    assert far.asked == [(None, ["items", [ITEM, 1]])]
    with pytest.raises(AccessDenied):
        made.run([LOOKUP, "_private"])


def test_a_stream_of_another_peers_items_is_passed_on() -> None:
    made = Nested(Notebook().root)
    result = made.run("rows", [STREAM, 5])
    assert type(result) is Iteration
    assert type(result.source) is ProxyCursor
    assert result.source._steps == ["rows"]
    whole = made.run([STREAM, 5])
    assert whole.source is made.root


def test_a_list_is_not_doubled_by_slices(made: Nested) -> None:
    made.root.items = [0] * 1000
    with pytest.raises(LimitExceeded, match="max_message"):
        for _ in range(30):
            made.run("items", [SETITEM, slice(0, 0), made.root.items])


def test_a_path_looks_at_what_its_methods_are_given() -> None:
    root = Root()
    root.path = Path("/srv/data.txt")  # type: ignore[attr-defined]
    nest = Nest(root)
    pattern = "[" * 2000
    for _ in range(2):  # nothing is remembered of it
        assert nest.run("path", "match", [CALL, ["*.txt"]]) is True
        assert nest.run("path", "name") == "data.txt"
        with pytest.raises(ValueError, match="a pattern takes"):
            nest.run("path", "match", [CALL, [pattern]])
        with pytest.raises(ValueError, match="a pattern takes"):
            nest.run([GET, "path"], [GET, "match"], [CALL, [pattern], {}])
    root.items = [nest.run("path", "match")]
    assert nest.run("items", [ITEM, 0], [CALL, ["*.txt"]]) is True
    with pytest.raises(ValueError, match="a pattern takes"):
        nest.run("items", [ITEM, 0], [CALL, [pattern]])
    with pytest.raises(AccessDenied):
        nest.run("path", "exists")


def test_what_a_metaclass_defines_is_no_method_of_its_instances() -> None:
    class Meta(type):
        def __reversed__(cls) -> Iterator[str]:
            return iter("classes")

        def __bytes__(cls) -> bytes:
            return b"class"

    class Hiding(metaclass=Meta):
        def __len__(self) -> int:
            return 1

        def __getitem__(self, place: int) -> str:
            return "secret"

        def __index__(self) -> int:
            return 5

    nested = Nested(Hiding(), policy=Policy(deny=["__getitem__"]))
    for name in ("reversed", "bytes"):
        assert nested.run([OPERATE, name, []]) is NotImplemented
