"""Values that JSON lacks."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyables_cli import forms

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=1 << 52, max_value=1 << 70)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC))
    | st.dates()
    | st.times()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.complex_numbers(allow_nan=False)
)
keys = st.text() | st.integers() | st.binary() | st.sampled_from(["$bytes", "$map", "$"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(values)
@settings(max_examples=150)
def test_what_is_dumped_can_be_loaded(value: Any) -> None:
    assert forms.load(json.loads(json.dumps(forms.dump(value), allow_nan=False))) == value


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (b"\x00\xff", {"$bytes": "AP8="}),
        (1 << 60, {"$bigint": "1152921504606846976"}),
        ((1 << 53) - 1, 9007199254740991),
        (float("inf"), {"$float": "inf"}),
        ((1, 2), [1, 2]),
        ({3, 1, 2}, {"$set": [1, 2, 3]}),
        ({1: 2}, {"$map": [[1, 2]]}),
        ({"$bytes": 1}, {"$map": [["$bytes", 1]]}),
        (
            datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC),
            {"$datetime": "2024-05-01T00:00:00+00:00"},
        ),
        (datetime.date(2024, 5, 1), {"$date": "2024-05-01"}),
        (datetime.timedelta(minutes=1.5), {"$timedelta": 90.0}),
        (Decimal("1.50"), {"$decimal": "1.50"}),
        (Fraction(1, 3), {"$fraction": "1/3"}),
        (UUID(int=0), {"$uuid": "00000000-0000-0000-0000-000000000000"}),
        (PurePosixPath("/a"), {"$path": "/a"}),
        (range(1, 5), {"$range": [1, 5, 1]}),
        (1 + 2j, {"$complex": [1.0, 2.0]}),
        (ValueError("no"), {"$error": {"type": "ValueError", "message": "no"}}),
        (Ellipsis, {"$repr": "Ellipsis"}),
    ],
)
def test_forms_are_stable(value: Any, form: Any) -> None:
    assert forms.dump(value) == form


def test_huge_integers_pass_over_python_s_decimal_bound() -> None:
    huge = 7 << 100_000
    assert forms.load(json.loads(json.dumps(forms.dump([huge, -huge])))) == [huge, -huge]


def test_depth_is_bounded() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert json.dumps(forms.dump(deep)).count("[") < 300


def test_sets_of_mixed_types_are_written_in_one_order() -> None:
    assert forms.dump({"a", 1, b"b"}) == forms.dump({b"b", "a", 1})


@pytest.mark.parametrize(
    "read",
    [
        {"$nothing": 1},
        {"$bytes": "*"},
        {"$bytes": 5},
        {"$bigint": "x"},
        {"$bigint": "9" * 10_000},
        {"$datetime": "yesterday"},
        {"$decimal": "one"},
        {"$fraction": "1/0"},
        {"$uuid": "x"},
        {"$timedelta": 1e300},
        {"$set": [[1]]},
        {"$map": [[1]]},
        {"$map": [[[], 1]]},
        {"$range": [1, 2, 0]},
        {"$complex": ["x"]},
        {"$float": "x"},
    ],
)
def test_wrong_forms_are_refused(read: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        forms.load(read)


def test_what_is_nested_too_deeply_is_refused() -> None:
    def nested(levels: int) -> Any:
        return json.loads("[" * levels + "]" * levels)

    forms.load(nested(400))
    with pytest.raises(ValueError, match="deeper than 400 levels"):
        forms.load(nested(402))
