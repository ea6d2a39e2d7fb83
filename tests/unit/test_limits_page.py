"""The page on limits names every limit and every fixed bound, with the value that the code has."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import proxyables
from proxyables import Limits
from proxyables.limits import KIB, MIB

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "limits.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Returns the cells of the table under a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def shown(value: float, *, is_bytes: bool = False) -> str:
    """Returns a default as the page has it."""
    if isinstance(value, float):
        return f"{value:g} s"
    if is_bytes and value % MIB == 0:
        return f"{value // MIB} MiB"
    return f"{value // KIB} KiB" if is_bytes and value % KIB == 0 else f"{value:,}"


DOCUMENTED = {cells[0].strip("`"): cells[1:] for cells in rows("Sizes and counts") + rows("Times")}


def test_every_limit_has_its_row_and_no_other_has() -> None:
    assert list(DOCUMENTED) == [field.name for field in fields(Limits)]


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_a_row_tells_the_default_the_consequence_and_whom_it_protects(name: str) -> None:
    default, consequence, protected = DOCUMENTED[name]
    value = getattr(Limits(), name)
    told = inspect.getdoc(Limits) or ""
    unit = re.search(rf"\b{name}: (\w+)", told)
    assert unit is not None, f"{name} is not in the docstring"
    assert default == shown(value, is_bytes=unit[1] == "Bytes")
    assert len(consequence) > 20
    assert protected in ("this side", "the other side", "both sides", "the caller")


def test_the_times_are_those_with_a_unit_of_time() -> None:
    times = [cells[0].strip("`") for cells in rows("Times")]
    assert times == [field.name for field in fields(Limits) if field.type == "float"]


@pytest.mark.parametrize(("what", "value", "where"), rows("Fixed bounds"))
def test_a_fixed_bound_is_the_codes(what: str, value: str, where: str) -> None:
    found = constant(where.strip("`"))
    if value.endswith(" s"):
        found = float(found)
    assert value == shown(found, is_bytes=value.endswith("iB")), what


def constant(where: str) -> Any:
    """Returns what a dotted name below the package stands for; of `connect`, its time-out."""
    if where == "net.dialing.connect":
        return inspect.signature(proxyables.connect).parameters["timeout"].default
    parts = where.split(".")
    module = importlib.import_module(".".join(["proxyables", *parts[:2]]))
    found: Any = module
    for name in parts[2:]:
        found = getattr(found() if isinstance(found, type) else found, name)
    return found


def test_the_exactness_is_that_of_the_defaults() -> None:
    limits = Limits()
    least = limits.keepalive + limits.keepalive_timeout
    most = least + 0.75 * min(limits.keepalive, limits.keepalive_timeout)
    assert f"{least:g} s to {most:g} s" in PAGE


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"proxyables": proxyables}
    exec(example, names)
    assert names["limits"].idle_timeout == 600
