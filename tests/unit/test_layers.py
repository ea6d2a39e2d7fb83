"""Imports point down; see "Layers" in docs/explanation/architecture.md."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import proxyables
import proxyables_cli

LIBRARY = Path(proxyables.__file__).parent
COMMAND = Path(proxyables_cli.__file__).parent
GROUND = {"errors", "frozen", "limits", "muid", "version"}
BELOW_PEER = GROUND | {"yamux", "wire", "objects", "proxies"}

# For each room of the package, what it may import from the others. A room may import itself.
ALLOWED: dict[str, set[str]] = {
    "version": set(),
    "errors": set(),
    "frozen": set(),
    "limits": {"errors", "frozen"},
    "muid": set(),
    "yamux": set(),
    "wire": GROUND,
    "objects": GROUND
    | {"wire.instructions", "wire.dialect", "wire.nesting", "wire.hashes", "wire.paths"}
    | {"wire.payloads"},
    "proxies": GROUND | {"wire", "objects.imports"},
    "peer": BELOW_PEER,
    "watch": BELOW_PEER | {"peer"},
    "net": BELOW_PEER | {"peer", "watch"},
    "proxyable": BELOW_PEER | {"peer", "net"},
    "background": GROUND | {"peer", "net"},
    "sync": BELOW_PEER | {"background", "peer", "net", "proxyable", "watch"},
    "__init__": {"version"},
    "demo": set(),  # exported code: plain Python that knows nothing of the package
}
WITH_ASYNCIO = {"peer", "watch", "net", "proxyable", "background", "sync", "demo"}
FORBIDDEN_IN_LIBRARY = {"proxyables_cli", "typer", "rich", "prompt_toolkit", "click"}
CHEAP = ("asyncio", "msgpack", "uvloop", "typer", "rich", "prompt_toolkit", "numpy")


def sources(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def name_of(source: Path) -> str:
    """Returns a module's dotted name inside its package, ``wire.values`` or ``__init__``."""
    parts = source.relative_to(LIBRARY).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def imports_of(source: Path, package: Path) -> Iterator[str]:
    """Yields the absolute names that a source imports when it runs, wherever in it they stand."""
    home = (package.name, *source.relative_to(package).parent.parts)
    for node in running_nodes(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = home[: len(home) - node.level + 1] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            for alias in node.names:
                yield f"{base}.{alias.name}"


def running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields every node but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from running_nodes(node)


def is_under(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def may_import(room: str, imported: str) -> bool:
    if not is_under(imported, "proxyables"):
        return True
    inside = imported.partition(".")[2]
    return any(is_under(inside, each) for each in {room} | ALLOWED[room])


def test_every_module_has_a_room() -> None:
    rooms = {name_of(source).partition(".")[0] for source in sources(LIBRARY)}
    assert rooms <= ALLOWED.keys()
    assert len(sources(LIBRARY)) > 40


@pytest.mark.parametrize("source", sources(LIBRARY), ids=name_of)
def test_imports_point_down(source: Path) -> None:
    room = name_of(source).partition(".")[0]
    up = [name for name in imports_of(source, LIBRARY) if not may_import(room, name)]
    assert up == []


@pytest.mark.parametrize(
    ("room", "imported", "allowed"),
    [
        ("yamux", "proxyables.yamux.frames.DATA", True),
        ("yamux", "msgpack.packb", True),
        ("yamux", "proxyables.errors.ProxyError", False),
        ("objects", "proxyables.wire.instructions.CALL", True),
        ("objects", "proxyables.wire.values.Opaque", False),
        ("wire", "proxyables.objects.registry.ObjectRegistry", False),
        ("peer", "proxyables.net.transports.attach", False),
        ("proxies", "proxyables.peer.peer.Peer", False),
        ("net", "proxyables.peer.peer.Peer", True),
        ("net", "proxyables.serve", False),
    ],
)
def test_what_points_down_is_told_from_what_points_up(
    room: str, imported: str, allowed: bool
) -> None:
    assert may_import(room, imported) is allowed


@pytest.mark.parametrize("source", sources(LIBRARY), ids=name_of)
def test_only_the_upper_layers_know_asyncio(source: Path) -> None:
    loops = [
        name
        for name in imports_of(source, LIBRARY)
        if is_under(name, "asyncio") or is_under(name, "uvloop")
    ]
    assert loops == [] or name_of(source).partition(".")[0] in WITH_ASYNCIO


@pytest.mark.parametrize("source", sources(LIBRARY), ids=name_of)
def test_the_library_does_not_know_the_command(source: Path) -> None:
    names = {name.partition(".")[0] for name in imports_of(source, LIBRARY)}
    assert not names & FORBIDDEN_IN_LIBRARY


def test_the_command_stays_out_of_the_inside() -> None:
    rooms = ("peer", "yamux", "wire", "objects", "watch")
    inside = tuple(f"proxyables.{room}" for room in rooms)
    found = [
        f"{source.relative_to(COMMAND)}: {name}"
        for source in sources(COMMAND)
        for name in imports_of(source, COMMAND)
        if any(is_under(name, room) for room in inside)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from proxyables.peer import pool", ["proxyables.peer.pool"]),
        ("from . import sender", ["proxyables.yamux.sender"]),
        ("from ..wire.values import Opaque", ["proxyables.wire.values.Opaque"]),
        ("import asyncio.tasks", ["asyncio.tasks"]),
        ("def f():\n    try:\n        import asyncio\n    finally:\n        pass", ["asyncio"]),
        ("if TYPE_CHECKING:\n    from proxyables.peer.peer import Peer", []),
    ],
)
def test_every_form_of_import_is_seen(tmp_path: Path, text: str, expected: list[str]) -> None:
    package = tmp_path / "proxyables"
    source = package / "yamux" / "module.py"
    source.parent.mkdir(parents=True)
    source.write_text(text)
    assert list(imports_of(source, package)) == expected


def imported_by(code: str) -> set[str]:
    """Returns the packages that are there after some code, in a Python of its own."""
    program = f"{code}\nimport sys; print(*sys.modules)"
    # -S: what site-packages loads by itself, through .pth files, is not ours to answer for.
    path = [str(LIBRARY.parent), *(each for each in sys.path if "site-packages" in each)]
    ran = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name.partition(".")[0] for name in ran.stdout.split()}


def test_importing_the_package_is_cheap() -> None:
    assert not imported_by("import proxyables") & set(CHEAP)


def test_using_the_library_loads_nothing_of_the_command() -> None:
    modules = sorted({name_of(source) for source in sources(LIBRARY)} - {"__init__"})
    code = "\n".join(f"import proxyables.{name}" for name in modules)
    assert not imported_by(code) & FORBIDDEN_IN_LIBRARY
