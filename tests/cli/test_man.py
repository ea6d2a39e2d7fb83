"""The manual pages tell what the program understands, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from proxyables_cli import commands, options
from proxyables_cli.exits import Code

MAN = Path(__file__).resolve().parents[2] / "man"
PAGES = sorted(MAN.glob("*.[1-9]"))


def documented(page: Path) -> set[str]:
    """Lists the flags of a page's option lists."""
    found: set[str] = set()
    for line in page.read_text().splitlines():
        if line.startswith(".It Fl "):
            flags = line.removeprefix(".It ").split(" Ar ")[0].split(" , ")
            found |= {f"-{flag.removeprefix('Fl ')}" for flag in flags}
    return found


def declared(table: type[options.Common]) -> set[str]:
    return {name for _, row in options.rows(table) for name in row.names}


@pytest.mark.parametrize("command", commands.every(), ids=lambda command: command.name)
def test_a_page_has_the_options_of_its_command(command: options.Command) -> None:
    common = declared(options.Common)
    page = MAN / f"proxyables-{command.name}.1"
    assert documented(page) == declared(command.options) - common
    assert f".Xr proxyables-{command.name} 1" in (MAN / "proxyables.1").read_text()


def test_the_main_page_has_the_common_options() -> None:
    own = {"--version", "-h", "--help"}
    assert documented(MAN / "proxyables.1") == declared(options.Common) | own


def test_there_is_no_page_without_a_command() -> None:
    expected = {f"proxyables-{command.name}.1" for command in commands.every()}
    assert {page.name for page in PAGES} == expected | {
        "proxyables.1",
        "proxyables-address.7",
        "proxyables-config.5",
    }


def test_the_options_are_generated() -> None:
    """`python man/generate.py` mends it."""
    loader = SourceFileLoader("generate", str(MAN / "generate.py"))
    module = module_from_spec(spec_from_loader("generate", loader))  # type: ignore[arg-type]
    loader.exec_module(module)
    pages = list(module.generated())
    assert len(pages) > 10
    for path, text in pages:
        assert path.read_text() == text, path


def test_every_exit_code_is_documented() -> None:
    text = (MAN / "proxyables.1").read_text().split(".Sh EXIT STATUS")[1]
    told = {int(number) for number in re.findall(r"^\.It ([0-9]+)$", text, re.MULTILINE)}
    assert told == set(map(int, Code))


def test_the_package_installs_every_page_in_its_section() -> None:
    project = tomllib.loads((MAN.parent / "pyproject.toml").read_text())
    installed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert installed == {
        f"man/{page.name}": f"share/man/man{page.suffix[1:]}/{page.name}" for page in PAGES
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_references_lead_somewhere(page: Path) -> None:
    for name, section in re.findall(
        r"^\.Xr (proxyables\S*) ([0-9])", page.read_text(), re.MULTILINE
    ):
        assert (MAN / f"{name}.{section}").exists()


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_finds_nothing_to_say(page: Path) -> None:
    command = ["mandoc", "-T", "lint", "-W", "style", page.name]
    # In the pages' own directory, where it finds the ones that they refer to.
    linted = subprocess.run(command, cwd=MAN, capture_output=True, text=True, check=False)
    assert linted.stdout == ""
