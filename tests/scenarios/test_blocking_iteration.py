"""Loops, files and streams across the boundary, without an event loop."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest

import proxyables.sync
from proxyables import RemoteError
from workshop import Running, eventually


def produced_until_it_waits(shop: Any) -> int:
    """Waits until the generator over there stands still; returns how many items it has made."""
    seen: list[int] = []

    def stands_still() -> bool:
        seen.append(shop.produced)
        return seen[-3:] == [seen[-1]] * 3

    assert eventually(stands_still)
    return seen[-1]


def test_loops_over_containers(shop: Any) -> None:
    assert [name.upper() for name in shop.names] == ["A", "B", "C", "D", "E"]
    assert sorted(shop.stock) == ["nails", "saws"]
    assert {key: value for key, value in shop.stock.items()} == {"nails": 100, "saws": 3}  # noqa: C416
    assert {**shop.stock, "glue": 1}["nails"] == 100
    assert list(shop.stock.values()) == [100, 3]
    first, *rest = shop.names
    assert (first, len(rest)) == ("a", 4)
    assert list(zip(shop.names, reversed(shop.names), strict=True))[1] == ("b", "d")
    assert dict(enumerate(shop.names))[4] == "e"


def test_rows_come_in_chunks(shop: Any, peer: proxyables.sync.Peer) -> None:
    assert [row["index"] for row in shop.rows(3000)] == list(range(3000))
    made = peer.statistics()["calls_made"]
    assert sum(row["index"] for row in shop.rows(3000)) == 3000 * 2999 // 2
    assert peer.statistics()["calls_made"] - made < 5


def test_a_loop_that_is_left_closes_the_generator_over_there(shop: Any) -> None:
    for row in shop.rows(10_000_000):
        if row["index"] == 100:
            break
    assert eventually(lambda: list(shop.log) == ["closed"])
    assert shop.produced < 1_000_000


def test_a_slow_reader_holds_the_producer_back(shop: Any) -> None:
    rows = iter(shop.rows(10_000_000))
    assert next(rows)["index"] == 0
    assert produced_until_it_waits(shop) < 1_000_000
    assert next(rows)["index"] == 1
    rows.close()  # type: ignore[attr-defined]
    assert eventually(lambda: list(shop.log) == ["closed"])


def test_big_items_are_not_gathered_by_the_thousand(shop: Any) -> None:
    blocks = iter(shop.blocks(2000))
    assert len(next(blocks)) == 1 << 16
    assert produced_until_it_waits(shop) < 200
    blocks.close()  # type: ignore[attr-defined]


def test_an_error_comes_after_the_items_before_it(shop: Any) -> None:
    got = []
    with pytest.raises(RemoteError, match="40 wanted") as caught:
        for number in shop.until_broken(40):
            got.append(number)  # noqa: PERF402  # what came before the error counts
    assert got == list(range(40))
    assert caught.value.type_name == "OutOfStock"


def test_a_remote_generator_is_sent_values(shop: Any) -> None:
    echoes = shop.echoes()
    assert next(echoes) is None
    assert echoes.send("one") == "one"
    assert echoes.send([2]) == [2]
    with pytest.raises(RemoteError) as caught:
        echoes.send("stop")
    assert caught.value.type_name == "StopIteration"
    assert next(echoes, "over") == "over"
    with pytest.raises(StopIteration):
        next(echoes)


def test_itertools_take_remote_iterables(shop: Any) -> None:
    rows = itertools.islice(shop.rows(1_000_000), 5)
    assert [row["index"] for row in rows] == [0, 1, 2, 3, 4]
    assert list(itertools.chain(shop.names[:2], "xy")) == ["a", "b", "x", "y"]
    assert len(list(itertools.product(shop.kinds, shop.names))) == 10


def test_two_loops_over_one_object_do_not_disturb_each_other(shop: Any) -> None:
    assert [one + other for one in shop.names for other in shop.names][:6] == [
        *("aa", "ab", "ac", "ad", "ae", "ba")
    ]


def test_loops_within_loops_may_call(shop: Any) -> None:
    made = [shop.Tool(str(row["index"])) for row in shop.rows(20)]
    assert [tool.lift() for tool in made][-1] == "19 x1 by hand"
    assert [tool.name for tool in shop.make(20)] == [str(number) for number in range(20)]


def test_our_generator_is_iterated_over_there(shop: Any) -> None:
    closed = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(2000)
        finally:
            closed.append(True)

    assert shop.total(numbers()) == 2000 * 1999 // 2
    assert closed == [True]
    with pytest.raises(ZeroDivisionError):
        shop.total(1 // number for number in (1, 0))


def test_what_is_no_iterable_says_so(shop: Any) -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(shop.tool)
    with pytest.raises(TypeError, match="len"):
        len(shop.tool)
    with pytest.raises(TypeError):
        next(shop.names)


def test_a_remote_file_is_read_like_one_of_ours(shop: Any) -> None:
    with shop.document() as document:
        assert document.readline() == "one\n"
        assert document.tell() == 4
        assert [line.strip() for line in document] == ["two", "three"]
        assert document.seek(0) == 0
        assert document.read() == "one\ntwo\nthree\n"
    assert document.closed
    with pytest.raises(ValueError, match="closed file"):
        document.read()


def test_our_file_is_written_and_read_over_there(shop: Any, tmp_path: Any) -> None:
    with (tmp_path / "written").open("w") as file:
        assert shop.fill(file) == 3
        assert file.closed
    assert (tmp_path / "written").read_text() == "line 0\nline 1\nline 2\n"
    with (tmp_path / "written").open() as file:
        assert shop.read(file) == ["line 0", "line 1", "line 2"]
    assert shop.read(io.StringIO("a\nb")) == ["a", "b"]


def test_a_loop_that_was_given_up_is_over_when_the_connection_closes(workshop: Running) -> None:
    started = time.monotonic()
    with (
        pytest.raises(TimeoutError),
        proxyables.sync.connect(workshop.address) as peer,
        proxyables.deadline(0.2),
    ):
        for _ in peer.root.slow_numbers():
            pass
    assert time.monotonic() - started < 2


def test_an_item_does_not_wait_for_the_one_after_it(shop: Any) -> None:
    started = time.monotonic()
    numbers = iter(shop.slow_numbers())
    assert [next(numbers), next(numbers)] == [0, 1]
    assert time.monotonic() - started < 5
    numbers.close()
