"""Every bound refuses what makes no sense as one, by its name."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from proxyables import Limits

WHOLE = [field.name for field in fields(Limits) if field.type == "int"]
SECONDS = [field.name for field in fields(Limits) if field.type == "float"]


def test_defaults_are_those_of_the_documentation() -> None:
    limits = Limits()
    assert limits.max_message == 16 * 1024 * 1024
    assert limits.handshake_timeout == 10
    assert set(WHOLE) | set(SECONDS) == {field.name for field in fields(Limits)}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [1.5, "1", None, True, math.inf, [1]], ids=repr)
def test_counts_are_whole_numbers(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} takes a whole number"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [0, -1])
def test_counts_are_positive(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} takes a positive number, got {value}"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", SECONDS)
def test_times_are_numbers_from_zero_on(name: str) -> None:
    assert getattr(Limits(**{name: 0}), name) == 0
    assert getattr(Limits(**{name: 0.5}), name) == 0.5
    for value in (-1, -0.1, math.nan):
        with pytest.raises(ValueError, match=f"{name} takes a positive number"):
            Limits(**{name: value})
    for wrong in ("1", None, True):
        with pytest.raises(TypeError, match=f"{name} takes a number"):
            Limits(**{name: wrong})


def test_limits_do_not_change() -> None:
    limits: Any = Limits(max_depth=3)
    with pytest.raises(FrozenInstanceError):
        limits.max_depth = 4
    assert limits == Limits(max_depth=3)
