"""Time zones by name. Looking one up reads files; a name that is none is searched everywhere."""

from __future__ import annotations

import datetime
import zoneinfo

_MOST_UNKNOWN = 64
_found: dict[str, zoneinfo.ZoneInfo] = {}
"""Holds on to each zone once read; there are some six hundred."""
_unknown: set[str] = set()
_names: set[str] = set()


def find_zone(name: str) -> datetime.tzinfo | None:
    """Returns the zone of that name, or None if this machine has none.

    A machine may lack a few names that another has. A crowd of them is somebody's invention: behind
    the first 64, the database is listed once, and what is not in the list is not searched.
    """
    if name in _unknown:
        return None
    if name not in _found and len(_unknown) >= _MOST_UNKNOWN:
        if not _names:
            _names.update(zoneinfo.available_timezones() or {"UTC"})
        if name not in _names:
            return None
    try:
        zone = zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        if len(_unknown) < _MOST_UNKNOWN:
            _unknown.add(name)
        return None
    _found[name] = zone
    return zone
