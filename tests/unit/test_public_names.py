"""The face of the package: what is there, that it is documented, and the original names."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import proxyables
from proxyables.wire.kinds import ProxyInstruction

PACKAGE = Path(proxyables.__file__).parent
LIBRARY_PAGE = (Path(__file__).parents[2] / "docs/reference/library.md").read_text()
NAMES = sorted(proxyables.__all__)
ORIGINAL = [
    "ExportedProxyable",
    "ImportedProxyable",
    "ObjectRegistry",
    "ProxyCursor",
    "ProxyError",
    "ProxyInstruction",
    "ProxyInstructionKinds",
    "ProxyValueKinds",
    "Proxyable",
    "StreamPool",
    "create_apply_instruction",
    "create_construct_instruction",
    "create_execute_instruction",
    "create_get_instruction",
    "create_instruction_unsafe",
    "create_release_instruction",
    "create_return_instruction",
    "create_throw_instruction",
    "decode",
    "encode",
    "make_muid",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(proxyables, name)
    assert value is getattr(proxyables, name)
    if name != "__version__":
        assert inspect.getdoc(value), f"{name} has no docstring"
        assert inspect.getdoc(value) != inspect.getdoc(object)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__version__"])
def test_every_public_name_is_on_its_page(name: str) -> None:
    is_error = name in importlib.import_module("proxyables.errors").__all__
    assert is_error or f":: proxyables.{name}\n" in re.sub(r"\(\)$", "", LIBRARY_PAGE, flags=re.M)


def test_the_list_of_names_is_in_order_and_complete() -> None:
    assert proxyables.__all__ == sorted(proxyables.__all__)
    assert dir(proxyables) == proxyables.__all__
    namespace: dict[str, Any] = {}
    exec("from proxyables import *", namespace)
    assert namespace.keys() >= set(proxyables.__all__)


def test_a_type_checker_sees_the_same_names_from_the_same_places() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    seen = {
        alias.name: f"{node.module}.{alias.name}"
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("proxyables.")
        for alias in node.names
    }
    assert seen.keys() == set(proxyables.__all__) - {"__version__"}
    for name, place in seen.items():
        module = importlib.import_module(place.rpartition(".")[0])
        assert getattr(proxyables, name) is getattr(module, name)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'proxyables' has no attribute 'Serve'"):
        proxyables.Serve  # type: ignore[attr-defined]
    assert not hasattr(proxyables, "asyncio")


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", proxyables.__version__)


def test_all_names_of_the_first_implementation_are_there() -> None:
    assert set(ORIGINAL) <= set(proxyables.__all__)


@pytest.mark.parametrize(
    ("made", "kind", "data"),
    [
        (proxyables.create_get_instruction("name"), "GET", ["name"]),
        (proxyables.create_get_instruction(3), "GET", [3]),
        (proxyables.create_apply_instruction([1, "a"]), "APPLY", [1, "a"]),
        (proxyables.create_construct_instruction([]), "CONSTRUCT", []),
        (proxyables.create_release_instruction("abc"), "RELEASE", ["abc"]),
        (proxyables.create_return_instruction(5), "RETURN", 5),
        (proxyables.create_throw_instruction({"message": "no"}), "THROW", {"message": "no"}),
        (proxyables.create_execute_instruction([]), "EXECUTE", []),
        (proxyables.create_instruction_unsafe(7, None), None, None),
    ],
)
def test_the_makers_of_instructions(made: ProxyInstruction, kind: str | None, data: object) -> None:
    assert made.kind == (7 if kind is None else proxyables.ProxyInstructionKinds[kind])
    assert made.data == data
    assert made.id


def test_instructions_survive_encode_and_decode() -> None:
    chain = [proxyables.create_get_instruction("a"), proxyables.create_apply_instruction([1, None])]
    made = proxyables.create_execute_instruction(chain)
    assert proxyables.decode(proxyables.encode(made)) == made


def test_what_cannot_be_encoded_is_an_encoding_error() -> None:
    with pytest.raises(proxyables.EncodingError, match="object"):
        proxyables.encode(object())
    with pytest.raises(ValueError, match=r"."):
        proxyables.decode(b"\x01\x02")


def test_ids_are_ordered_and_never_repeat() -> None:
    made = [proxyables.make_muid() for _ in range(2000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(re.fullmatch("[0-9a-v]{12,13}", each) for each in made)


def test_the_first_implementations_fields_of_an_error() -> None:
    cause = KeyError("k")
    error = proxyables.ProxyError("no", cause, {"code": 1})
    assert (error.message, error.cause, error.extra) == ("no", cause, {"code": 1})
    assert str(error) == "no"
    assert error.__cause__ is cause


def test_a_registry_as_the_first_implementation_has_it() -> None:
    registry = proxyables.ObjectRegistry()
    thing = object()
    reference = registry.register(thing)
    assert registry.register(thing) == reference
    assert registry.get(reference) is thing
    assert registry.delete(reference)
    assert registry.get(reference) is thing
    assert registry.delete(reference)
    assert registry.get(reference) is None
    assert not registry.delete(reference)
