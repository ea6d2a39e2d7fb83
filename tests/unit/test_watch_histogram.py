"""Durations in buckets: every one lands in the bucket that it belongs to, whatever its size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyables.watch.histogram import Histogram


def counted(*seconds: float) -> Histogram:
    histogram = Histogram()
    for each in seconds:
        histogram.add(each)
    return histogram


def test_nothing_has_no_quantiles() -> None:
    assert Histogram().quantile(0.5) is None
    assert Histogram().quantile(0.5, Histogram()) is None


@given(st.floats(min_value=0, max_value=1e6))
def test_a_quantile_is_a_quarter_too_large_at_most(seconds: float) -> None:
    for part in (0.01, 0.5, 1.0):
        found = counted(seconds).quantile(part)
        assert found is not None
        assert seconds <= found <= seconds * 1.25 + 1.1e-6


def test_quantiles_of_many() -> None:
    histogram = counted(*(milliseconds / 1000 for milliseconds in range(1, 101)))
    assert histogram.total == 100
    assert histogram.quantile(0.5) == pytest.approx(0.05, rel=0.25)
    assert histogram.quantile(0.99) == pytest.approx(0.1, rel=0.25)


def test_two_are_counted_together() -> None:
    assert counted(0.001).quantile(1.0, counted(1.0)) == pytest.approx(1.0, rel=0.25)
    assert counted(0.001, 0.001).quantile(0.5, counted(1.0)) == pytest.approx(0.001, rel=0.25)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e15])
def test_what_no_clock_should_give_is_counted_all_the_same(seconds: float) -> None:
    assert counted(seconds).quantile(0.5) is not None
