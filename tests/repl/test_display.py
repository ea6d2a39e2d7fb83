"""How values and exceptions look."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxyables.errors import (
    ConnectionLost,
    EncodingError,
    NotSupported,
    RemoteError,
    RemoteFrame,
)
from proxyables_cli.exits import escaped
from proxyables_cli.repl import failures
from proxyables_cli.repl.display import Display
from proxyables_cli.repl.pages import More
from repl import standins


class Book:
    def __init__(self, title: str = "Emma") -> None:
        self.title = title


LINK = standins.Link(Book())


async def told(cursors: Any, characters: int) -> list[str | Exception]:
    await asyncio.sleep(0)
    return [f"<Book {(await standins.run(cursor)).title}>" for cursor in cursors]


def failing(error: Exception) -> Any:
    async def reprs(cursors: Any, characters: int) -> list[str | Exception]:
        return [error for _ in cursors]

    return reprs


def shown(value: object, reprs: Any = told, *, pages: int = 1, **options: Any) -> str:
    """What a prompt shows of a value: its first page, and others."""
    written: list[str] = []

    async def show() -> None:
        display = Display(
            lambda each: isinstance(each, standins.Cursor), reprs, **{"seconds": 0.05, **options}
        )
        more = More(written.append)
        await more.begin(await display.pages_of(value))
        for _ in range(pages - 1):
            assert await more.next()
        await more.close()

    asyncio.run(show())
    return "\n".join(written)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (5, "5"),
        ("a\x1b[31m", r"'a\x1b[31m'"),
        ([1, None], "[1, None]"),
        (LINK.root, "remote <Book Emma>"),
        ([LINK.root, 1], "[remote <Book Emma>, 1]"),
        ({"a": (LINK.root,)}, "{'a': (remote <Book Emma>,)}"),
    ],
)
def test_values(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_remote_repr_that_hangs_is_given_up() -> None:
    async def hang(cursors: Any, characters: int) -> Any:
        return await asyncio.Event().wait()

    assert shown(LINK.root, hang) == "<cursor obj> (its repr took longer than 0.05 s)"


def test_a_remote_repr_that_fails_does_not_hide_the_value() -> None:
    lost = failing(ConnectionLost("gone"))
    assert shown([LINK.root], lost) == "[<cursor obj> (its repr raised ConnectionLost)]"


def test_a_peer_that_cannot_be_asked_is_no_failure() -> None:
    assert shown(LINK.root, failing(NotSupported("no form for it"))) == "<cursor obj>"


def test_a_remote_repr_is_escaped() -> None:
    async def hostile(cursors: Any, characters: int) -> list[str]:
        return ["\x1b]0;title\x07"]

    assert shown(LINK.root, hostile) == r"remote \x1b]0;title\x07"


class Hostile:
    """What a class of the user's own may make of a text from over there."""

    def __repr__(self) -> str:
        return "<Hostile \x1b]0;title\x07\u202e>"


@pytest.mark.parametrize("width", [None, 20, 200])
@pytest.mark.parametrize(
    "value", [Hostile(), [Hostile(), 1], {"a": Hostile()}, [{"a": Hostile()}, {"a": 1}]]
)
def test_a_local_repr_is_escaped(value: object, width: int | None) -> None:
    text = shown(value, width=None if width is None else lambda: width)
    assert text.replace("\n", "").isprintable()
    assert r"\x1b]0;" in text


@pytest.mark.parametrize("container", [list, tuple, lambda many: dict(enumerate(many))])
def test_many_references_are_shown_some_at_a_time(container: Any) -> None:
    asked: list[int] = []

    async def count(cursors: Any, characters: int) -> list[str]:
        asked.append(len(cursors))
        return ["r"] * len(cursors)

    many = container([standins.Cursor(LINK, (), Book()) for _ in range(50)])
    text = shown(many, count, pages=3, characters=10_000)
    assert asked == [20, 20, 10]
    assert "… 30 of 50; %more shows the next" in text
    assert text.count("remote r") == 50
    assert text.endswith(("remote r]", "remote r)", "49: remote r}"))
    assert "<cursor" not in text
    shown(many, count)  # without a prompt there are no pages, and the rest is not asked
    assert asked[3:] == [20]


def test_long_values_are_shown_in_pages_and_broken_at_a_prompt() -> None:
    text = shown("x" * 1000, characters=100)
    assert text == f"'{'x' * 99}\n… 902 of 1002 characters; %more shows the next"
    assert shown("x" * 150, characters=100, pages=2).endswith(
        "more shows the next\n" + "x" * 51 + "'"
    )
    lines = shown(list(range(100)), width=lambda: 40, characters=10_000).splitlines()
    assert max(map(len, lines)) <= 40
    assert "\n" not in shown(list(range(100)))


def test_long_tables_are_shown_in_pages() -> None:
    rows = [{"number": number, "square": number * number} for number in range(250)]
    text = shown(rows, characters=10_000, width=lambda: 80, pages=3)
    assert "… 150 of 250; %more shows the next" in text
    assert text.count("number  square") == 3
    assert text.endswith("249   62001")


def test_asynchronous_iterators_are_shown_item_by_item() -> None:
    closed: list[bool] = []

    async def produce() -> Any:
        try:
            for number in range(45):
                yield number
        finally:
            closed.append(True)

    lines = shown(produce(), characters=10_000, pages=2).splitlines()
    assert lines[:20] == [str(number) for number in range(20)]
    assert lines[20] == "… perhaps more items; %more shows the next"
    assert (lines[21], lines[40], closed) == ("20", "39", [True])
    assert shown(produce()).splitlines() == [str(number) for number in range(45)]


def test_a_local_repr_that_raises_raises() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        shown(Bad())


def test_escaped_keeps_lines() -> None:
    assert escaped("a\n\tb\x00\x9b\u202e\ud800") == "a\n\tb\\x00\\x9b\\u202e\\ud800"


def _raised(source: str, **names: Any) -> BaseException:
    code = compile(source, "<repl:1>", "exec", dont_inherit=True)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any error is looked at
        exec(code, names)
    # What the test itself added is not the user's.
    error = caught.value
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != "<repl:1>":
        trace = trace.tb_next
    return error.with_traceback(trace)


def test_local_errors_show_user_frames() -> None:
    text = failures.text_of(_raised("def f():\n  1 / 0\nf()"))
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.count("<repl:1>") == 2
    assert text.endswith("ZeroDivisionError: division by zero\n")


def test_library_frames_outside_ours_stay() -> None:
    assert "decoder.py" in failures.text_of(_raised("json.loads('{')", json=json))


def test_our_own_frames_never_show() -> None:
    def deep() -> None:
        display = Display(lambda value: False, told)
        asyncio.run(display.shown(Bad()))

    class Bad:
        def __repr__(self) -> str:
            raise ValueError("bad")

    text = failures.text_of(_raised("deep()", deep=deep))
    assert "proxyables_cli" not in text
    assert "asyncio/" not in text
    assert "test_display.py" in text


def test_remote_errors_show_both_sides() -> None:
    def fail() -> None:
        raise RemoteError(
            "3 wanted\x1b[0m",
            type_name="OutOfStock",
            module="shop",
            frames=[RemoteFrame("/srv/shop.py", 7, "sell", "raise OutOfStock(…)")],
        )

    text = failures.text_of(_raised("fail()", fail=fail))
    here, remote = text.split("Traceback (remote):\n")
    assert here.startswith('Traceback (here):\n  File "<repl:1>", line 1')
    assert remote == (
        '  File "/srv/shop.py", line 7, in sell\n    raise OutOfStock(…)\n'
        "shop.OutOfStock: 3 wanted\\x1b[0m\n"
    )


def test_the_librarys_own_errors_are_known_by_their_names_wherever_they_come_from() -> None:
    theirs = RemoteError("too long", type_name="EncodingError", module="proxyables.errors")
    assert failures.text_of(theirs) == "EncodingError: too long\n"
    assert failures.text_of(EncodingError("too long")) == "EncodingError: too long\n"


def test_an_error_of_ours_about_what_they_said_is_escaped() -> None:
    assert failures.text_of(ValueError("\x1b]0;title\x07")) == "ValueError: \\x1b]0;title\\x07\n"


def _chained(how: str) -> str:
    source = f"try:\n  1/0\nexcept Exception as e:\n  raise OSError(1) {how}"
    return failures.text_of(_raised(source))


def test_causes_contexts_and_groups() -> None:
    text = _chained("from e")
    assert text.index("ZeroDivisionError") < text.index("direct cause") < text.index("OSError")
    assert "During handling" in _chained("")
    assert "ZeroDivisionError" not in _chained("from None")
    text = failures.text_of(ExceptionGroup("both", [ValueError("a"), TypeError("b")]))
    assert "ValueError: a" in text
    assert "2 of 2" in text


def test_a_circle_of_causes_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert failures.text_of(one).count("ValueError") == 2
