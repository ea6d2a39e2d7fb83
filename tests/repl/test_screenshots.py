"""The pictures of the README: each scene still plays, and is drawn as a picture."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pyte
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def screenshots() -> ModuleType:
    spec = importlib.util.spec_from_file_location("screenshots", ROOT / "docs" / "screenshots.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(svg: str) -> str:
    return " ".join(text for text in ElementTree.fromstring(svg).itertext() if text.strip())


def test_every_scene_plays(
    screenshots: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    screenshots.main(tmp_path)
    drawn = {path.stem: words(path.read_text()) for path in tmp_path.glob("*.svg")}
    assert "stock" in drawn["menu"]
    assert "Middlemarch" in drawn["table"]
    assert (
        "proxyables.demo.OutOfStock: 1000 copies of 'Emma' wanted, 12 there" in drawn["traceback"]
    )
    assert str(ROOT) not in drawn["traceback"]
    readme = (ROOT / "README.md").read_text()
    shown = re.findall(r"docs/images/(\w+)\.svg", readme)
    assert sorted(shown) == sorted(drawn) == sorted(screenshots.SCENES)
    assert all((ROOT / "docs" / "images" / f"{name}.svg").exists() for name in shown)


def test_colours_and_what_xml_means_otherwise(screenshots: ModuleType) -> None:
    screen = pyte.Screen(20, 3)
    pyte.Stream(screen).feed("\x1b[1;31m<a & b>\x1b[0m plain\r\n\x1b[7m back \x1b[0m")
    svg = screenshots.picture(screen, 'a "title" & <more>')
    assert words(svg) == "<a & b> plain back"
    assert 'fill="#e06c75" font-weight="bold"' in svg
    assert svg.count("<rect") == 2
