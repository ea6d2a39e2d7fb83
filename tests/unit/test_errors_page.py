"""The page on errors names every error and every reason, with the status that commands end with."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from proxyables import errors
from proxyables.errors import HandshakeFailed, LimitExceeded, ProxyError, Reason
from proxyables_cli import exits

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "errors.md").read_text()
ROWS = {
    cells[0].strip("` "): cells[-1].strip()
    for cells in (line.strip("|").split("|") for line in PAGE.splitlines())
    if cells[0].startswith(" `")
}
NAMES = sorted(set(errors.__all__) - {"ProxyError", "RemoteFrame"})


def test_there_is_a_row_for_each_error_and_reason() -> None:
    assert sorted(ROWS) == sorted([*NAMES, *get_args(Reason)])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "HandshakeFailed"])
def test_the_status_of_an_error(name: str) -> None:
    kind = getattr(errors, name)
    error: ProxyError = kind("depth", 1, 2) if kind is LimitExceeded else kind("no")
    ours, _, theirs = ROWS[name].partition(", and ")
    assert str(exits.explain(error)[0].value) == ours
    assert theirs == ("1 if it is theirs" if kind is LimitExceeded else "")


@pytest.mark.parametrize("reason", get_args(Reason))
def test_the_status_of_a_reason(reason: Reason) -> None:
    assert str(exits.explain(HandshakeFailed(reason=reason))[0].value) == ROWS[reason]
