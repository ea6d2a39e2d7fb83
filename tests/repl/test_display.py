"""How values and exceptions look."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxyables.errors import ConnectionLost, NotSupported, RemoteError, RemoteFrame
from proxyables_cli.repl import failures
from proxyables_cli.repl.display import Display, escaped
from repl import standins


class Book:
    def __init__(self, title: str = "Emma") -> None:
        self.title = title


LINK = standins.Link(Book())


async def told(cursor: Any) -> object:
    await asyncio.sleep(0)
    return f"<Book {(await standins.run(cursor)).title}>"


def text_of(value: object, remote_repr: Any = told, **options: Any) -> str:
    display = Display(
        lambda each: isinstance(each, standins.Cursor), remote_repr, **{"seconds": 0.05, **options}
    )
    return asyncio.run(display.text_of(value))


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
    assert text_of(value) == text


def test_a_remote_repr_that_hangs_is_given_up() -> None:
    async def hang(cursor: Any) -> object:
        return await asyncio.Event().wait()

    assert text_of(LINK.root, hang) == "<cursor obj> (its repr took longer than 0.05 s)"


def test_a_remote_repr_that_fails_does_not_hide_the_value() -> None:
    async def fail(cursor: Any) -> object:
        raise ConnectionLost("gone")

    assert text_of([LINK.root], fail) == "[<cursor obj> (its repr raised ConnectionLost)]"


def test_a_peer_that_cannot_be_asked_is_no_failure() -> None:
    async def refuse(cursor: Any) -> object:
        raise NotSupported("no form for it")

    assert text_of(LINK.root, refuse) == "<cursor obj>"


def test_a_remote_repr_is_bounded_and_escaped() -> None:
    async def huge(cursor: Any) -> object:
        return "\x1b]0;title\x07" + "x" * 100_000

    text = text_of(LINK.root, huge)
    assert text.startswith(r"remote \x1b]0;title\x07xxx")
    assert len(text) < 2_200
    assert "\x1b" not in text


def test_many_references_are_previewed() -> None:
    asked: list[Any] = []

    async def count(cursor: Any) -> object:
        asked.append(cursor)
        return "r"

    text_of([standins.Cursor(LINK, (), Book()) for _ in range(500)], count)
    assert len(asked) == 20


def test_long_values_are_cut_and_broken_at_a_prompt() -> None:
    text = text_of("x" * 1000, characters=100)
    assert len(text) < 200
    assert text.endswith("(1002 characters; print() shows them all)")
    lines = text_of(list(range(100)), width=lambda: 40).splitlines()
    assert max(map(len, lines)) <= 40
    assert "\n" not in text_of(list(range(100)))


def test_a_local_repr_that_raises_raises() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        text_of(Bad())


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
        asyncio.run(display.text_of(Bad()))

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
