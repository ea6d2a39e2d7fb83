"""Each dependency argues for itself on its page, with the bound that the package has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "dependencies.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = sorted(
    {
        requirement.partition(";")[0].strip()
        for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
        for requirement in group
    }
)


@pytest.mark.parametrize("requirement", DECLARED)
def test_a_dependency_has_its_paragraph(requirement: str) -> None:
    name, bound = re.split(r"[><=]+", requirement)[:2]
    assert re.search(rf"\*\*{name}\*\* \((≥ )?{re.escape(bound.partition(',')[0])}\b", PAGE)
