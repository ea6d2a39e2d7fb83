"""What a blocking proxy asks the other side for, and what it does not."""

from __future__ import annotations

import copy
import inspect
import math
import operator
import pickle
import pydoc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyables.errors import RemoteError
from proxyables.objects.imports import Imports, Reference
from proxyables.proxies import blocking
from proxyables.proxies import blocking_functions as functions
from proxyables.proxies.blocking import BlockingMethod, BlockingProxy
from proxyables.proxies.containers import with_proxies
from proxyables.proxies.cursor import ProxyCursor
from proxyables.proxies.signatures import parse_signature
from proxyables.wire.dialect import ByReference
from proxyables.wire.instructions import (
    CALL,
    COPY,
    DEL,
    DELITEM,
    DESCRIBE,
    ITEM,
    OPERATE,
    OPERATIONS,
    REF,
    SET,
    SETITEM,
    STREAM,
    Step,
)

LIVE = [REF, True]


class Peer:
    """The asynchronous side, as far as a cursor knows it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.address = "unix:/tmp/x"

    def request(self, reference: Any, steps: list[Step]) -> Any:
        raise AssertionError("nothing is awaited here")

    iterate = request


class Desk:
    """A desk that notes what is asked, and answers with what it was given."""

    def __init__(self, *answers: Any) -> None:
        self.peer = Peer(self)
        self.is_classic = self.is_closed = False
        self.root = BlockingProxy(self, None, [])
        self.asked: list[tuple[Reference | None, list[Step]]] = []
        self.answers = list(answers)

    def request(self, reference: Reference | None, steps: list[Step]) -> Any:
        self.asked.append((reference, steps))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    call = request

    def know_root(self, reference: Reference) -> None:
        self.known_root = reference

    def iterate(
        self, reference: Reference | None, steps: list[Step], keep: object
    ) -> Iterator[Any]:
        yield from self.request(reference, steps)

    def proxy(self, reference: Reference | None, steps: list[Step]) -> BlockingProxy:
        return BlockingProxy(self, reference, steps)

    def methods_of(self, described: object) -> frozenset[str]:
        return frozenset(described["methods"] if isinstance(described, dict) else ())

    def take(self) -> list[Step]:
        """Returns the steps of the only request so far."""
        ((_, steps),) = self.asked
        self.asked.clear()
        return steps


TYPE = {"name": "Shop", "methods": ["add"], "sized": False}
IMPORTS = Imports(lambda: None, limit=10)
REFERENCE = Reference(IMPORTS, 5, TYPE)


def shop(*answers: Any) -> tuple[Any, Desk]:
    desk = Desk(*answers)
    return BlockingProxy(desk, REFERENCE, []), desk


def plain(*answers: Any) -> tuple[Any, Desk]:
    """A proxy on an object of which nothing is known."""
    desk = Desk(*answers)
    return BlockingProxy(desk, Reference(IMPORTS, 6, None), []), desk


def test_a_method_is_read_without_asking() -> None:
    proxy, desk = shop(5)
    method = proxy.add
    assert type(method) is BlockingMethod
    assert desk.asked == []
    assert method.__name__ == "add"
    assert method(2, b=3) == 5
    assert desk.take() == ["add", [CALL, [2], {"b": 3}]]


def test_the_root_is_fetched_once_for_its_description() -> None:
    proxy, desk = shop()
    root: Any = desk.root
    desk.answers = [proxy]
    assert type(root.add) is BlockingMethod
    assert desk.asked == [(None, [[REF]])]
    assert type(root.add) is BlockingMethod
    assert len(desk.asked) == 1


def test_attributes_and_items_stay_live() -> None:
    proxy, desk = shop(1)
    assert proxy.count == 1
    assert desk.take() == ["count", LIVE]
    proxy["key"]
    assert desk.take() == [[ITEM, "key"], LIVE]
    proxy[1:2]
    assert desk.take() == [[ITEM, slice(1, 2)], LIVE]
    desk.is_classic = True
    proxy["key"]
    assert desk.take() == [[ITEM, "key"]]


def test_changes() -> None:
    proxy, desk = shop()
    proxy.count = 5
    assert desk.take() == [[SET, "count", 5]]
    del proxy.count
    assert desk.take() == [[DEL, "count"]]
    proxy["k"] = 5
    assert desk.take() == [[SETITEM, "k", 5]]
    del proxy["k"]
    assert desk.take() == [[DELITEM, "k"]]


def test_adding_to_an_attribute_reads_and_sets_it() -> None:
    proxy, desk = shop(3)
    proxy.count += 1
    assert [steps for _, steps in desk.asked] == [["count", LIVE], [[SET, "count", 4]]]


BINARY = [
    "add",
    "sub",
    "mul",
    "matmul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "lshift",
    "rshift",
    "and_",
    "or_",
    "xor",
]


@pytest.mark.parametrize("name", BINARY)
def test_operators(name: str) -> None:
    word = name.rstrip("_")
    proxy, desk = shop("answer", "answer", "answer")
    function = getattr(operator, name)
    assert function(proxy, 2) == "answer"
    assert desk.take() == [[OPERATE, word, [2]]]
    assert function(2, proxy) == "answer"
    assert desk.take() == [[OPERATE, f"r{word}", [2]]]
    assert getattr(operator, f"i{word}")(proxy, 2) == "answer"
    assert desk.take() == [[OPERATE, f"i{word}", [2]], LIVE]


@pytest.mark.parametrize(
    ("function", "answer", "step"),
    [
        (lambda p: divmod(p, 2), (1, 2), ["divmod", [2]]),
        (lambda p: divmod(2, p), (1, 2), ["rdivmod", [2]]),
        (lambda p: pow(p, 2, 3), 1, ["pow", [2, 3]]),
        (lambda p: p < 2, True, ["lt", [2]]),
        (lambda p: p <= 2, True, ["le", [2]]),
        (lambda p: p > 2, True, ["gt", [2]]),
        (lambda p: p >= 2, True, ["ge", [2]]),
        (lambda p: p == 2, True, ["eq", [2]]),
        (lambda p: p != 2, True, ["ne", [2]]),
        (operator.neg, 1, ["neg", []]),
        (operator.pos, 1, ["pos", []]),
        (operator.invert, 1, ["invert", []]),
        (abs, 1, ["abs", []]),
        (round, 1, ["round", []]),
        (lambda p: round(p, 2), 1.5, ["round", [2]]),
        (int, 1, ["int", []]),
        (float, 1.5, ["float", []]),
        (operator.index, 1, ["index", []]),
        (complex, 1j, ["complex", []]),
        (math.floor, 1, ["floor", []]),
        (math.ceil, 1, ["ceil", []]),
        (math.trunc, 1, ["trunc", []]),
        (bytes, b"x", ["bytes", []]),
        (bool, True, ["bool", []]),
        (str, "text", ["str", []]),
        (lambda p: f"{p:>5}", "text", ["format", [">5"]]),
        (hash, 5, ["hash", []]),
        (len, 3, ["len", []]),
        (lambda p: 2 in p, True, ["contains", [2]]),
        (dir, ["a"], ["dir", []]),
        (next, 1, ["next", []]),
    ],
)
def test_what_python_asks_of_an_object(function: Any, answer: Any, step: Any) -> None:
    proxy, desk = plain(answer)
    assert function(proxy) == answer
    assert desk.take() == [[OPERATE, *step]]
    assert step[0] in OPERATIONS or step[0] == "dir"


def test_an_object_known_to_have_no_length_is_not_asked_for_it() -> None:
    proxy, desk = shop([1, 2])
    with pytest.raises(TypeError, match="object of type 'Shop' has no len"):
        len(proxy)
    assert list(proxy) == [1, 2]
    assert desk.take() == [[STREAM, 1024]]


def test_the_end_of_an_iterator() -> None:
    proxy, _ = plain(RemoteError(type_name="StopIteration"), RemoteError("x", type_name="Other"))
    with pytest.raises(StopIteration):
        next(proxy)
    with pytest.raises(RemoteError, match="x"):
        next(proxy)


def test_managers_get_the_real_exception() -> None:
    proxy, desk = plain("entered", False)
    error = ValueError("x")
    with pytest.raises(ValueError, match="x"), proxy as entered:
        assert entered == "entered"
        raise error
    assert [steps for _, steps in desk.asked] == [
        [[OPERATE, "aenter", []]],
        [[OPERATE, "aexit", [error]]],
    ]


def test_what_stays_local() -> None:
    proxy, desk = shop()
    other = BlockingProxy(desk, REFERENCE, [])
    assert repr(proxy) == "<BlockingProxy Shop#5 at unix:/tmp/x>"
    assert repr(proxy.add) == "<BlockingMethod Shop#5.add at unix:/tmp/x>"
    assert proxy == other
    assert (proxy != other) is False
    assert proxy.add == other.add
    assert copy.copy(proxy) is proxy
    assert copy.deepcopy(proxy) is proxy
    assert isinstance(proxy, BlockingProxy)
    assert callable(proxy)
    for name in ("_private", "__array__", "__fspath__", "__wrapped__"):
        assert not hasattr(proxy, name)
    with pytest.raises(AttributeError, match="'_x' cannot be changed"):
        proxy._x = 1
    with pytest.raises(AttributeError, match="'_x' cannot be changed"):
        del proxy._x
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(proxy)
    assert desk.asked == []


def test_signatures_documents_and_help() -> None:
    told = {"signature": "(a, b: int = 1) -> str", "doc": "Adds."}
    proxy, desk = shop(*[told] * 9)
    assert str(inspect.signature(proxy.add)) == "(a, b: 'int' = 1) -> 'str'"
    assert proxy.add.__doc__ == "Adds."
    assert "add(a, b: 'int' = 1) -> 'str'" in pydoc.render_doc(proxy.add, renderer=pydoc.plaintext)
    assert proxy.__doc__ == "Adds."
    assert {steps[-1][0] for _, steps in desk.asked} == {DESCRIBE}
    assert (BlockingProxy.__doc__ or "").startswith("A remote object")
    assert inspect.isclass(BlockingProxy)
    broken, _ = shop(RemoteError("x"), RuntimeError("x"), "nonsense")
    assert [broken.__doc__ for _ in range(3)] == [None, None, None]


@pytest.mark.parametrize(
    "text",
    [
        "()",
        "(a, /, b, *, c)",
        "(*args, **kwargs)",
        "(a=1, b='x', *c, d=None, **e)",
        "(a, b=-1.5, c=(1, 2))",
    ],
)
def test_signatures_as_they_are(text: str) -> None:
    assert str(parse_signature(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(a=print('x'))", "(a=Ellipsis)"),
        ("(a=...)", "(a=Ellipsis)"),
        ("(a=inf)", "(a=Ellipsis)"),
        ("(a: __import__('os') = 1)", "(a: \"__import__('os')\" = 1)"),
    ],
)
def test_nothing_in_a_signature_is_evaluated(text: str, expected: str) -> None:
    assert str(parse_signature(text)) == expected


@pytest.mark.parametrize(
    "text",
    [None, 5, b"()", "", "(", "(a", "(a, a)", "(): 1\nimport os\ndef g()", "(a…)", "(" * 900],
)
def test_what_is_no_signature(text: Any) -> None:
    assert parse_signature(text) is None


@given(st.text(alphabet="()[]{}abc=,*/:-> '\"\n\\0", max_size=40))
def test_any_text_is_a_signature_or_none(text: str) -> None:
    signature = parse_signature(f"({text})")
    assert signature is None or isinstance(signature, inspect.Signature)


def test_functions_instead_of_methods() -> None:
    proxy, desk = shop("copied", {"kind": "object"}, "kept")
    assert functions.copy(proxy) == "copied"
    assert desk.take() == [[COPY]]
    assert functions.describe(proxy) == {"kind": "object"}
    assert desk.take() == [[DESCRIBE]]
    assert functions.ref(proxy) is proxy
    assert desk.asked == []
    assert functions.ref(proxy.add) == "kept"
    assert desk.take() == ["add", [REF]]
    assert type(functions.ref([1])) is ByReference
    proxy, desk = shop("'told'")
    assert functions.perform(proxy, "repr") == "'told'"
    assert desk.take() == [[OPERATE, "repr", []]]
    with pytest.raises(TypeError, match="perform takes a blocking proxy, got a list"):
        functions.perform([], "repr")
    for function in (
        functions.copy,
        functions.describe,
        functions.release,
    ):
        with pytest.raises(TypeError, match="takes a blocking proxy, got a list"):
            function([])  # type: ignore[arg-type]


def test_releasing() -> None:
    imports = Imports(lambda: None, limit=10)
    desk = Desk()
    reference = imports.receive(7, 1, None)
    functions.release(BlockingProxy(desk, reference, []))
    functions.release(desk.root)
    assert reference.released
    assert imports.take_dropped() == [(7, 1)]


def test_the_cursor_behind_a_proxy_is_always_the_same() -> None:
    desk = Desk()
    proxy = BlockingProxy(desk, Reference(IMPORTS, 8, None), [])
    cursor = blocking.cursor_of(proxy)
    assert type(cursor) is ProxyCursor
    assert blocking.cursor_of(proxy) is cursor
    assert blocking.is_blocking(proxy)
    assert not blocking.is_blocking(cursor)


def is_never_ours(value: object) -> bool:
    return False


def test_cursors_become_proxies_deep_inside() -> None:
    desk = Desk()
    cursor = ProxyCursor(desk.peer, REFERENCE, [])  # type: ignore[arg-type]
    assert type(with_proxies(cursor, is_never_ours)) is BlockingProxy
    value = {"a": [1, (cursor,)], "b": {"c": frozenset({1})}}
    got = with_proxies(value, is_never_ours)
    assert type(got["a"][1][0]) is BlockingProxy
    assert got["b"] is value["b"]  # what holds none is not rebuilt
    assert list(got) == ["a", "b"]
    assert type(value["a"][1][0]) is ProxyCursor  # type: ignore[index]


def test_our_own_containers_stay_what_they_are() -> None:
    desk = Desk()
    cursor = ProxyCursor(desk.peer, REFERENCE, [])  # type: ignore[arg-type]
    ours = [cursor]
    assert with_proxies(ours, lambda value: value is ours) is ours
    assert with_proxies([ours], lambda value: value is ours)[0] is ours
    circle: list[Any] = [1]
    circle += [circle, circle]
    assert with_proxies(circle, is_never_ours) is circle


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=2), inner, max_size=3)
            | st.tuples(inner, inner)
        ),
        max_leaves=10,
    )
)
def test_plain_values_are_not_touched(value: Any) -> None:
    assert with_proxies(value, is_never_ours) is value
