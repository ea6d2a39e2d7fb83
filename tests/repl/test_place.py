"""Where the cursor is in a cell that somebody types."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyables_cli.repl.completion.place import Chain, Place, Step, place_of
from proxyables_cli.repl.completion.signatures import current_of, keywords_of, parameters_of


def get(*names: str) -> Chain:
    return Chain(names[0], tuple(Step("get", name) for name in names[1:]))


@pytest.mark.parametrize(
    ("text", "owner", "prefix"),
    [
        ("obj.", get("obj"), ""),
        ("obj.it", get("obj"), "it"),
        ("x = f(obj.a.b", get("obj", "a"), "b"),
        ("obj . it", get("obj"), "it"),
        ("(obj\n .it", get("obj"), "it"),
        ("[x for x in obj.", get("obj"), ""),
        ("-obj.n", get("obj"), "n"),
        ("return obj.n", get("obj"), "n"),
        ("await obj.n", get("obj"), "n"),
        ("größe.ä", get("größe"), "ä"),
        ("f(1, [2, {obj.", get("obj"), ""),
        ('f"{obj.na', get("obj"), "na"),
        ("f'{a!r} {obj.na", get("obj"), "na"),
        ('f"{a:{obj.na', get("obj"), "na"),
        ('f"""{\nobj.na', get("obj"), "na"),
        ('f"{{}} {f(obj.na', get("obj"), "na"),
        ("x = '''a\nb'''; obj.n", get("obj"), "n"),
        ("# don't\nobj.n", get("obj"), "n"),
        (r"x = 'don\'t' + obj.n", get("obj"), "n"),
        ("x = 'open\nobj.n", get("obj"), "n"),
        ("f(1)\nobj.n", get("obj"), "n"),
        ("obj[0].n", Chain("obj", (Step("item", 0),)), "n"),
        ("obj['k'].n", Chain("obj", (Step("item", "k"),)), "n"),
        ("obj[-1].n", Chain("obj", (Step("item", -1),)), "n"),
        ("obj[i].n", Chain("obj", (Step("opaque"),)), "n"),
        ("obj[1:2].n", Chain("obj", (Step("opaque"),)), "n"),
        ("obj.f(1).n", Chain("obj", (Step("get", "f"), Step("call"))), "n"),
        ("'a b'.up", Chain("", (Step("string", "'a b'"),)), "up"),
    ],
)
def test_owners(text: str, owner: Chain, prefix: str) -> None:
    place = place_of(text)
    assert (place.owner, place.prefix, place.has_dot, place.is_text) == (owner, prefix, True, False)


@pytest.mark.parametrize("text", ["(a + b).n", "[1].n", "return [1].n", "{}.n", "a + .n", "...n"])
def test_owners_that_nobody_can_know(text: str) -> None:
    place = place_of(text)
    assert place.has_dot
    assert place.owner is None


@pytest.mark.parametrize(
    "text", ["'obj.", "# obj.", '"""obj.\n', "f'obj.", "f'{{obj.", "f'{x:obj.", "1.", "1.5", "12e"]
)
def test_no_place_for_names(text: str) -> None:
    assert place_of(text).is_text


@pytest.mark.parametrize("text", ["", "f(", "x = ", "x = 'a' ", "f'{x}'", "f'{x:>{w}}' "])
def test_places_for_anything(text: str) -> None:
    place = place_of(text)
    assert (place.prefix, place.owner, place.has_dot, place.is_text) == ("", None, False, False)


def test_names_in_the_cell() -> None:
    place = place_of("def total(rows):\n    for row in rows:\n        obj.name, f'{r")
    assert place.prefix == "r"
    assert {"total", "rows", "row", "obj"} <= set(place.names)
    assert not {"name", "r"} & set(place.names)


@pytest.mark.parametrize(
    ("text", "function", "position", "keyword", "begins"),
    [
        ("f(", get("f"), 0, "", True),
        ("f(a", get("f"), 0, "", True),
        ("f(1, ", get("f"), 1, "", True),
        ("f(g(1, 2), [3, 4], ", get("f"), 2, "", True),
        ("obj.a.f(1, b=", get("obj", "a", "f"), 1, "b", False),
        ("f(a == ", get("f"), 0, "", False),
        ("f('", get("f"), 0, "", False),
        ("f(\n  1,\n  ", get("f"), 1, "", True),
        ('f"{f(1, ', get("f"), 1, "", True),
    ],
)
def test_calls(text: str, function: Chain, position: int, keyword: str, begins: bool) -> None:
    call = place_of(text).calls[-1]
    assert (call.function, call.position, call.keyword) == (function, position, keyword)
    assert call.begins == begins


def test_calls_in_calls() -> None:
    calls = place_of("f(1, g(x=2, y=[h(").calls
    assert [call.function.base for call in calls] == ["f", "g", "h"]
    assert (calls[1].keyword, set(calls[1].used)) == ("y", {"x"})
    assert place_of("(1, 2)").calls == place_of("x = (").calls == ()


@pytest.mark.parametrize(
    ("text", "owner", "quote", "typed"),
    [
        ("d[", get("d"), "", ""),
        ("d['", get("d"), "'", ""),
        ('obj.d["ab c', get("obj", "d"), '"', "ab c"),
        ("f(x, obj.d['a", get("obj", "d"), "'", "a"),
        ("d['a']['b", Chain("d", (Step("item", "a"),)), "'", "b"),
    ],
)
def test_keys(text: str, owner: Chain, quote: str, typed: str) -> None:
    key = place_of(text).key
    assert key is not None
    assert (key.owner, key.quote, key.typed) == (owner, quote, typed)


@pytest.mark.parametrize("text", ["['a", "d[x", "d['a' + '", "d[f'a", "x = ['a', '", "d('a"])
def test_no_keys(text: str) -> None:
    assert place_of(text).key is None


@given(st.text("ab1.,:=([{}])'\"\\#\n fr!", max_size=60))
@settings(deadline=None)
def test_any_text_is_somewhere(text: str) -> None:
    assert isinstance(place_of(text), Place)


# ---- signatures


@pytest.mark.parametrize(
    ("typed", "current"),
    [
        ("f(", "a"),
        ("f(1, ", "b"),
        ("f(1, 2, ", "rest"),
        ("f(1, 2, 3, ", "rest"),
        ("f(c=", "c"),
        ("f(other=", "more"),
        ("f(a=", "more"),
        ("f(c=1, ", None),
    ],
)
def test_the_current_parameter(typed: str, current: str | None) -> None:
    parameters = parameters_of("(a, /, b=1, *rest, c: int = 2, **more) -> None")
    assert parameters is not None
    at = current_of(parameters, place_of(typed).calls[-1])
    assert (None if at is None else parameters[at].name) == current


@pytest.mark.parametrize(
    ("typed", "names"),
    [("f(", ["b", "c"]), ("f(1, 2, ", ["c"]), ("f(1, c=2, ", ["b"]), ("f(1, b=1, c=2, ", [])],
)
def test_keywords(typed: str, names: list[str]) -> None:
    parameters = parameters_of("(a, /, b=1, *rest, c: int = 2, **more)")
    assert parameters is not None
    assert [each.name for each in keywords_of(parameters, place_of(typed).calls[-1])] == names


@pytest.mark.parametrize(
    "text", ["", "(a", "(a): pass\nx = (1)", "a)", "(1)", "(" * 500, f"({'a, ' * 2000})"]
)
def test_what_is_no_signature(text: str) -> None:
    assert parameters_of(text) is None


def test_the_texts_of_parameters() -> None:
    parameters = parameters_of("(a: list[int], b: int = 3, *, c='x')")
    assert [each.text for each in parameters or ()] == ["a: list[int]", "b: int = 3", "c='x'"]
