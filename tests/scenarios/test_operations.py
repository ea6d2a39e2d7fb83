"""What can be done to a remote object, with Python's semantics: attributes, items, operators."""

from __future__ import annotations

import asyncio
import math
from fractions import Fraction
from typing import Any

import pytest

import proxyables
from connections import connected, on_both_loops
from proxyables import assign, contains, delete, perform
from proxyables.proxies.cursor import extend
from proxyables.wire.instructions import DEL, GET, SET


class Descriptor:
    """Keeps its value on the object, squared."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, obj: Any, owner: type) -> Any:
        return getattr(obj, self._name, 0)

    def __set__(self, obj: Any, value: int) -> None:
        setattr(obj, self._name, value * value)

    def __delete__(self, obj: Any) -> None:
        delattr(obj, self._name)


class Vector:
    """Has every operator, in a form that tells which one ran."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def _said(self, name: str, other: Any = None) -> list[Any]:
        return [name, self.x, getattr(other, "x", other)]

    def __add__(self, other: Any) -> Any:
        return self._said("add", other)

    def __radd__(self, other: Any) -> Any:
        return self._said("radd", other)

    def __rsub__(self, other: Any) -> Any:
        return self._said("rsub", other)

    def __matmul__(self, other: Any) -> Any:
        return self._said("matmul", other)

    def __rmatmul__(self, other: Any) -> Any:
        return self._said("rmatmul", other)

    def __divmod__(self, other: Any) -> Any:
        return self._said("divmod", other)

    def __rdivmod__(self, other: Any) -> Any:
        return self._said("rdivmod", other)

    def __pow__(self, other: Any) -> Any:
        return self._said("pow", other)

    def __mul__(self, other: Any) -> Any:
        return NotImplemented

    def __lt__(self, other: Any) -> Any:
        return self._said("lt", other)

    def __len__(self) -> int:
        return 3

    def __bool__(self) -> bool:
        return False

    def __contains__(self, item: Any) -> bool:
        return bool(item == self.x)

    def __getitem__(self, key: Any) -> Any:
        return ["item", key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.x = ["set", key, value]

    def __delitem__(self, key: Any) -> None:
        self.x = ["del", key]

    def __iadd__(self, other: Any) -> Vector:
        self.x = [self.x, other]
        return self

    def __format__(self, spec: str) -> str:
        return f"formatted {spec}"

    def __str__(self) -> str:
        return "a vector"

    def __repr__(self) -> str:
        return "Vector()"

    def __abs__(self) -> Any:
        return self._said("abs")

    def __round__(self, digits: int | None = None) -> Any:
        return self._said("round", digits)

    def __neg__(self) -> Any:
        return self._said("neg")

    def __invert__(self) -> Any:
        return self._said("invert")

    def __index__(self) -> int:
        return 5

    def __float__(self) -> float:
        return 2.5

    def __hash__(self) -> int:
        return 77

    def __eq__(self, other: object) -> bool:
        return other == "equal"


class Lazy:
    """Makes its attributes up."""

    def __getattr__(self, name: str) -> str:
        if name == "absent":
            raise AttributeError(name)
        return f"made up {name}"


class Store:
    kind = "store"
    Vector = Vector
    square = Descriptor()

    def __init__(self) -> None:
        self.number = 10
        self.text = "héllo wörld"
        self.items = list(range(10))
        self.table: dict[Any, Any] = {"a": 1, (1, 2): "tuple", None: "none"}
        self.vector = Vector(1)
        self.lazy = Lazy()
        self.nested = {"rows": [{"id": 1}, {"id": 2}]}
        self._secret = "hidden"

    @property
    def doubled(self) -> int:
        return self.number * 2

    @doubled.setter
    def doubled(self, value: int) -> None:
        self.number = value // 2

    @property
    def read_only(self) -> int:
        return 1

    def combine(self, a: Any, /, b: Any, *rest: Any, c: Any = None, **more: Any) -> Any:
        return [a, b, list(rest), c, more]

    def vectors(self) -> list[Vector]:
        return [Vector(1), Vector(2)]


@on_both_loops
async def test_attributes_are_read_set_and_deleted() -> None:
    store = Store()
    async with connected(store) as (client, _):
        root = client.root
        assert await root.number == 10
        assert await root.kind == "store"
        await assign(root.number, 11)
        await assign(root.fresh, [1])
        assert (store.number, store.fresh) == (11, [1])  # type: ignore[attr-defined]
        await delete(root.fresh)
        with pytest.raises(AttributeError, match="fresh"):
            await root.fresh
        with pytest.raises(AttributeError):
            await delete(root.fresh)


@on_both_loops
async def test_properties_run_over_there() -> None:
    store = Store()
    async with connected(store) as (client, _):
        assert await client.root.doubled == 20
        await assign(client.root.doubled, 30)
        assert store.number == 15
        with pytest.raises(AttributeError):
            await assign(client.root.read_only, 2)
        with pytest.raises(AttributeError):
            await delete(client.root.doubled)


@on_both_loops
async def test_descriptors_run_over_there() -> None:
    async with connected(Store()) as (client, _):
        await assign(client.root.square, 4)
        assert await client.root.square == 16
        await delete(client.root.square)
        assert await client.root.square == 0


@on_both_loops
async def test_made_up_attributes_are_asked_for() -> None:
    async with connected(Store()) as (client, _):
        assert await client.root.lazy.anything == "made up anything"
        with pytest.raises(AttributeError):
            await client.root.lazy.absent


@on_both_loops
async def test_items_are_read_set_and_deleted() -> None:
    store = Store()
    async with connected(store) as (client, _):
        root = client.root
        assert await root.items[3] == 3
        assert await root.items[-1] == 9
        assert await root.table["a"] == 1
        assert await root.table[1, 2] == "tuple"
        assert await root.table[None] == "none"
        assert await root.nested["rows"][1]["id"] == 2
        await assign(root.table[5], {"x": 1})
        assert store.table[5] == {"x": 1}
        await delete(root.table["a"])
        assert "a" not in store.table
        with pytest.raises(KeyError):
            await root.table["a"]
        with pytest.raises(IndexError):
            await root.items[99]
        with pytest.raises(TypeError):
            await root.number[0]


@on_both_loops
async def test_slices_of_every_form() -> None:
    store = Store()
    async with connected(store) as (client, _):
        items = client.root.items
        assert await items[2:5] == [2, 3, 4]
        assert await items[::-3] == [9, 6, 3, 0]
        assert await items[-2:] == [8, 9]
        assert await client.root.text[:5] == "héllo"
        assert await client.root.vector[1:2, ..., None] == ["item", (slice(1, 2), ..., None)]
        await assign(items[1:9], ["x"])
        assert store.items == [0, "x", 9]
        await delete(items[:2])
        assert store.items == [9]


@on_both_loops
async def test_calls_with_positions_and_keywords_of_every_form() -> None:
    async with connected(Store()) as (client, _):
        combine = client.root.combine
        assert await combine(1, 2) == [1, 2, [], None, {}]
        assert await combine(1, b=2, c=3, d=4) == [1, 2, [], 3, {"d": 4}]
        assert await combine(1, 2, 3, 4, e=5) == [1, 2, [3, 4], None, {"e": 5}]
        with pytest.raises(TypeError, match="missing"):
            await combine(1)
        with pytest.raises(TypeError, match="positional"):
            await combine(b=1)


@on_both_loops
async def test_arithmetic_on_numbers() -> None:
    async with connected(Store()) as (client, _):
        n = client.root.number
        paths: list[tuple[Any, Any]] = [
            (n + 1, 11),
            (n - 1, 9),
            (n * 2, 20),
            (n / 4, 2.5),
            (n // 4, 2),
            (n % 4, 2),
            (n**2, 100),
            (divmod(n, 4), (2, 2)),
            (n << 1, 20),
            (n >> 1, 5),
            (n & 3, 2),
            (n | 5, 15),
            (n ^ 3, 9),
            (-n, -10),
            (+n, 10),
            (~n, -11),
            (abs(-n), 10),
            (round(n / 3, 2), 3.33),
            (round(n / 3), 3),
            (n + Fraction(1, 2), Fraction(21, 2)),
        ]
        results = await asyncio.gather(*(path for path, _ in paths))
        assert list(results) == [expected for _, expected in paths]


@on_both_loops
async def test_arithmetic_from_the_right() -> None:
    async with connected(Store()) as (client, _):
        n = client.root.number
        paths: list[tuple[Any, Any]] = [
            (1 + n, 11),
            (1 - n, -9),
            (2 * n, 20),
            (25 / n, 2.5),
            (25 // n, 2),
            (25 % n, 5),
            (2**n, 1024),
            (divmod(25, n), (2, 5)),
            (1 << n, 1024),
            (4096 >> n, 4),
            (3 & n, 2),
            (5 | n, 15),
            (3 ^ n, 9),
        ]
        results = await asyncio.gather(*(path for path, _ in paths))
        assert list(results) == [expected for _, expected in paths]


@on_both_loops
async def test_comparisons() -> None:
    async with connected(Store()) as (client, _):
        n = client.root.number
        assert await asyncio.gather(n < 11, n <= 9, n > 9, n >= 11) == [True, False, True, False]
        assert await asyncio.gather(11 < n, 10 <= n) == [False, True]  # noqa: SIM300
        assert await perform(n, "eq", 10) is True
        assert await perform(n, "ne", 10) is False


@on_both_loops
async def test_a_power_may_have_a_modulus() -> None:
    class Count:
        def __init__(self, value: int) -> None:
            self.value = value

        def __pow__(self, exponent: int, modulus: int | None = None) -> int:
            return pow(self.value, exponent, modulus)

    async with connected(Count(7)) as (client, _):
        assert await pow(client.root, 2) == 49
        assert await pow(client.root, 2, 5) == 4
        assert await pow(client.root.value, 2, 5) == 4


@on_both_loops
async def test_operators_of_an_objects_own() -> None:
    async with connected(Store()) as (client, _):
        vector = await client.root.vector
        assert await (vector + 5) == ["add", 1, 5]
        assert await (5 + vector) == ["radd", 1, 5]
        assert await (5 - vector) == ["rsub", 1, 5]
        assert await (vector @ "m") == ["matmul", 1, "m"]
        assert await ("m" @ vector) == ["rmatmul", 1, "m"]
        assert await divmod(vector, 2) == ["divmod", 1, 2]
        assert await divmod(2, vector) == ["rdivmod", 1, 2]
        assert await (vector < 4) == ["lt", 1, 4]
        assert await (-vector) == ["neg", 1, None]
        assert await (~vector) == ["invert", 1, None]
        assert await abs(vector) == ["abs", 1, None]
        assert await round(vector, 2) == ["round", 1, 2]


@on_both_loops
async def test_operators_between_two_remote_objects() -> None:
    async with connected(Store()) as (client, _):
        one, two = await client.root.vectors()
        assert await (one + two) == ["add", 1, 2]
        assert await (one < two) == ["lt", 1, 2]


@on_both_loops
async def test_an_operator_that_gives_up_is_reflected_over_there() -> None:
    class Right:
        def __rmul__(self, other: Any) -> str:
            return "rmul"

    async with connected({"vector": Vector(1), "right": Right()}) as (client, _):
        root = client.root
        assert await (root["vector"] * root["right"]) == "rmul"
        with pytest.raises(TypeError, match="unsupported operand"):
            await (root["vector"] * 5)


@on_both_loops
async def test_an_operator_on_an_object_of_ours_is_reflected_back_to_us() -> None:
    async with connected(Store()) as (client, _):
        mine = Vector("mine")
        assert await proxyables.perform(client.root.number, "add", mine) == ["radd", "mine", 10]
        with pytest.raises(TypeError, match="unsupported operand"):
            await proxyables.perform(client.root.number, "mul", mine)
        assert await client.root.number == 10


@pytest.mark.parametrize("threads", [0, 1])
@on_both_loops
async def test_what_nobody_has_an_answer_to_is_not_asked_for_ever(threads: int) -> None:
    async with connected(Store(), client={"threads": threads}, server={"threads": threads}) as (
        client,
        _,
    ):
        number, mine = client.root.number, Store()
        assert await perform(number, "eq", mine) is False
        assert await perform(number, "ne", mine) is True
        for wrong in (number < mine, number >= mine, number - mine, mine - number):
            with pytest.raises(TypeError):
                await wrong


@on_both_loops
async def test_len_bool_contains_and_conversions() -> None:
    async with connected(Store()) as (client, _):
        vector = client.root.vector
        assert await perform(vector, "len") == 3
        assert await perform(vector, "bool") is False
        assert await contains(vector, 1) is True
        assert await contains(client.root.table, "zzz") is False
        assert await contains(client.root.text, "wör") is True
        assert await perform(vector, "int") == 5
        assert await perform(vector, "index") == 5
        assert await perform(vector, "float") == 2.5
        assert await perform(vector, "hash") == 77


@on_both_loops
async def test_text_of_an_object() -> None:
    async with connected(Store()) as (client, _):
        vector = client.root.vector
        assert await perform(vector, "str") == "a vector"
        assert await perform(vector, "repr") == "Vector()"
        assert await perform(vector, "format", ">10") == "formatted >10"
        assert await perform(client.root.number, "format", "05d") == "00010"


@on_both_loops
async def test_equality_over_there_is_asked_for_and_equality_here_is_not() -> None:
    async with connected(Store()) as (client, _):
        vector = await client.root.vector
        assert await perform(vector, "eq", "equal") is True
        assert vector != "equal"
        before = client.statistics()["calls_made"]
        assert vector == await client.root.vector
        assert client.statistics()["calls_made"] == before + 1
        root = await proxyables.ref(client.root)
        assert root == await proxyables.ref(client.root)
        assert root != client.root


@on_both_loops
async def test_in_place_operators_change_the_object() -> None:
    async with connected(Store()) as (client, _):
        vector = await client.root.vector
        assert await perform(vector, "iadd", 5) is vector
        assert await vector.x == [1, 5]


@on_both_loops
async def test_items_of_an_objects_own() -> None:
    async with connected(Store()) as (client, _):
        vector = await client.root.vector
        assert await vector["any"] == ["item", "any"]
        await assign(vector["k"], 2)
        assert await vector.x == ["set", "k", 2]
        await delete(vector["k"])
        assert await vector.x == ["del", "k"]


@on_both_loops
async def test_dir_lists_what_may_be_used() -> None:
    async with connected(Store()) as (client, _):
        names = await perform(client.root, "dir")
        assert {"number", "doubled", "combine", "Vector"} <= set(names)
        assert "_secret" not in names


@on_both_loops
async def test_describe_runs_nothing() -> None:
    class Traps:
        """Springs if it is touched."""

        @property
        def trap(self) -> int:
            raise AssertionError("sprung")

        def method(self, a: int, *, b: str = "x") -> bool:
            """Does it."""
            raise AssertionError("sprung")

    async with connected(Traps()) as (client, _):
        told = await proxyables.describe(client.root)
        assert "Springs if it is touched" in repr(told)
        assert "trap" in repr(told)
        assert "b: str = 'x'" in repr(told) or "b: 'str' = 'x'" in repr(told)


@on_both_loops
async def test_construction_with_arguments_of_every_form() -> None:
    async with connected(Store()) as (client, _):
        made = await client.root.Vector(x=[1])
        assert await made.x == [1]
        assert await client.root.Vector(math.pi).x == math.pi
        assert await proxyables.construct(client.root.Vector, x=3).x == 3
        with pytest.raises(TypeError):
            await client.root.Vector()


@on_both_loops
async def test_private_names_are_refused_in_every_operation() -> None:
    async with connected(Store()) as (client, _):
        root = client.root
        with pytest.raises(AttributeError):
            root._secret
        for name in ("_secret", "__class__", "__dict__"):
            for step in ([GET, name], [SET, name, 1], [DEL, name]):
                with pytest.raises(proxyables.AccessDenied):
                    await extend(root, step)


@on_both_loops
async def test_what_is_not_there_is_told_as_over_there() -> None:
    async with connected(Store()) as (client, _):
        with pytest.raises(AttributeError, match="numbr"):
            await client.root.numbr
        with pytest.raises(TypeError, match="not callable"):
            await client.root.number()
        with pytest.raises(TypeError, match="len"):
            await perform(client.root.number, "len")


@on_both_loops
async def test_an_unknown_operation_is_refused() -> None:
    async with connected(Store()) as (client, _):
        with pytest.raises(proxyables.ProxyError, match="no such operation: 'eval'"):
            await perform(client.root, "eval", "1")


@on_both_loops
async def test_statements_that_cannot_wait_say_what_to_write_instead() -> None:
    async with connected(Store()) as (client, _):
        root = client.root
        with pytest.raises(TypeError, match=r"assign\(cursor\.number"):
            root.number = 1
        with pytest.raises(TypeError, match=r"delete\(cursor\.number"):
            del root.number
        with pytest.raises(TypeError, match=r"assign\(cursor\['a'\]"):
            root.table["a"] = 1
        with pytest.raises(TypeError, match=r"delete\(cursor\['a'\]"):
            del root.table["a"]
        with pytest.raises(TypeError, match="contains"):
            assert 1 in root.items
        with pytest.raises(TypeError, match="async for"):
            list(root.items)
        with pytest.raises(TypeError, match=r"root\.number«lt» .* await it first"):
            assert root.number < 0
        with pytest.raises(TypeError, match="await it first"):
            sorted([root.number, root.items])
        with pytest.raises(TypeError, match="attribute or an item"):
            await assign(root, 1)
        with pytest.raises(TypeError, match="cursor"):
            await delete("not one")  # type: ignore[arg-type]
