"""Time zones that a peer names: known ones are read once, unknown ones hardly ever searched."""

from __future__ import annotations

import zoneinfo
from typing import Any

import pytest

from proxyables.wire import zones
from proxyables.wire.values import DATETIME, load_value


@pytest.fixture(autouse=True)
def searched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Forgets what was known; lists the names that are looked up."""
    looked_up: list[str] = []

    class Counted(zoneinfo.ZoneInfo):
        def __new__(cls, key: str) -> Any:
            looked_up.append(key)
            return zoneinfo.ZoneInfo(key)

    monkeypatch.setattr(zones, "_unknown", set())
    monkeypatch.setattr(zones, "_names", set())
    monkeypatch.setattr(zones, "_found", {})
    known = zoneinfo.available_timezones
    errors = zoneinfo.ZoneInfoNotFoundError
    stand_in = type("zoneinfo", (), {"ZoneInfo": Counted, "ZoneInfoNotFoundError": errors})
    stand_in.available_timezones = staticmethod(known)
    monkeypatch.setattr(zones, "zoneinfo", stand_in)
    return looked_up


def moment(name: str) -> Any:
    return load_value(DATETIME, [2024, 7, 1, 9, 0, 0, 0, 0, [name, 7200]])


def test_thousands_of_unknown_names_are_not_searched(searched: list[str]) -> None:
    for place in range(20_000):
        assert moment(f"Moon/{place}").utcoffset().total_seconds() == 7200
    assert len(searched) == 64
    assert len(zones._unknown) == 64


def test_a_name_that_is_unknown_is_searched_once(searched: list[str]) -> None:
    for _ in range(10):
        assert moment("Moon/Crater").utcoffset().total_seconds() == 7200
    assert searched == ["Moon/Crater"]


def test_behind_a_crowd_of_unknown_names_the_known_ones_are_found(searched: list[str]) -> None:
    for place in range(100):
        moment(f"Moon/{place}")
    assert moment("Europe/Berlin").tzinfo is zoneinfo.ZoneInfo("Europe/Berlin")
    assert zones.find_zone("../../etc/passwd") is None
