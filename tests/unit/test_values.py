"""The table of what travels by value; `test_compact` sends all of it."""

from __future__ import annotations

import decimal
import fractions
import pathlib
import subprocess
import sys
import types
import uuid

import pytest

from proxyables.wire.values import DECIMAL, DUMPERS, FRACTION, LOADERS, PATH, UUID, find_dumper


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (decimal.Decimal("1.5"), DECIMAL),
        (fractions.Fraction(1, 3), FRACTION),
        (uuid.UUID(int=5), UUID),
        (pathlib.PurePosixPath("/a/b"), PATH),
        (pathlib.PureWindowsPath("c:\\a"), PATH),
        (pathlib.PosixPath("a"), PATH),
    ],
)
def test_rows_come_with_the_first_value(value: object, number: int) -> None:
    row = find_dumper(value)
    assert row is not None
    assert row == DUMPERS[type(value)]
    assert row[0] == number
    assert LOADERS[number](row[1](value)) == value


@pytest.mark.parametrize("module", ["decimal", "pathlib", "uuid.of.mine", None, 5])
def test_who_only_says_to_be_from_there_stays_here(module: object) -> None:
    impostor = type("Decimal", (), {"__module__": module})
    assert find_dumper(impostor()) is None
    assert impostor not in DUMPERS


def test_a_metaclass_is_not_asked_where_its_class_is_from() -> None:
    class Meta(type):
        @property
        def __module__(cls) -> str:  # type: ignore[override]
            raise AssertionError("asked")

    class Deleted:
        del __module__  # noqa: F821 - every class body has it

    assert find_dumper(Meta("Decimal", (), {})()) is None
    assert find_dumper(Deleted()) is None


def test_a_module_that_is_only_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    own = types.ModuleType("uuid")
    own.Thing = type("Thing", (), {"__module__": "uuid"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uuid", own)
    assert find_dumper(own.Thing()) is None  # type: ignore[attr-defined]


def test_a_module_that_nobody_imported_is_not_imported_for_a_name() -> None:
    program = """
import sys
from proxyables.wire import values
assert not {"decimal", "fractions", "pathlib", "uuid"} & set(sys.modules)
assert values.find_dumper(type("D", (), {"__module__": "decimal"})()) is None
assert "decimal" not in sys.modules
print(values.LOADERS[values.DECIMAL]("1.5"))
"""
    # -S: site-packages may import whatever it likes by itself.
    code = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"]
    told = subprocess.run(code, capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "1.5\n"
