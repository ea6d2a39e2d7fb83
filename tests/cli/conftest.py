"""The command and its servers, as fixtures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.processes import SHOP, Cli, Server, Starter
from proxyables_cli.log_forms import CHILDREN, NOTICES

LOGGERS = [
    logging.getLogger(name) for name in ("proxyables", "proxyables.access", CHILDREN, NOTICES)
]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Puts the loggers back that a command has set up which ran in this very process."""
    before = [(each.level, each.propagate, list(each.handlers)) for each in LOGGERS]
    yield
    for each, (level, propagate, handlers) in zip(LOGGERS, before, strict=True):
        each.setLevel(level)
        each.propagate, each.handlers = propagate, handlers


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of this run keep their bytecode."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def cli(tmp_path: Path, bytecode: Path) -> Iterator[Cli]:
    """The command, in a directory that holds ``shop.py``; ends what it started."""
    (tmp_path / "shop.py").write_text(SHOP)
    cli = Cli(tmp_path, bytecode)
    yield cli
    cli.close()


@pytest.fixture
def serve(cli: Cli) -> Starter:
    """Starts servers that end with the test."""
    return lambda *words: Server(cli, words)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Iterator[Server]:
    """One server of ``shop:shop`` over TCP for a whole file of tests."""
    directory = tmp_path_factory.mktemp("shop")
    (directory / "shop.py").write_text(SHOP)
    cli = Cli(directory, bytecode)
    yield Server(cli, ["shop:shop", "--tcp", ":0"])
    cli.close()
