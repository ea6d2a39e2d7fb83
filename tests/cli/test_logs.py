"""What the library logs, on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from proxyables_cli import logs
from proxyables_cli.options import Common


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The library's logger; it and that of child processes are put back as they were."""
    both = [logging.getLogger(name) for name in ("proxyables", "proxyables.child")]
    before = [(each.level, each.propagate, list(each.handlers)) for each in both]
    yield both[0]
    for each, (level, propagate, handlers) in zip(both, before, strict=True):
        each.setLevel(level)
        each.propagate, each.handlers = propagate, handlers


def test_remote_text_cannot_break_out_of_its_line(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Common())
    logger.getChild("peer").warning("%s said %s", "it", "a\nproxyables: fake\x1b[2J")
    assert capsys.readouterr().err == "proxyables: warning: it said a proxyables: fake\\x1b[2J\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Common(), ["warning", "error"]),
        (Common(quiet=True), ["error"]),
        (Common(verbose=True), ["info", "warning", "error"]),
        (Common(debug=True), ["debug", "info", "warning", "error"]),
    ],
)
def test_the_options_choose_the_level(
    logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
    options: Common,
    said: list[str],
) -> None:
    logs.configure(options)
    for level in ("debug", "info", "warning", "error"):
        getattr(logger, level)("x")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"proxyables: {level}: x" for level in said]


def test_an_exception_is_told_in_the_line_and_shown_with_debug(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        try:
            raise RuntimeError("broken")
        except RuntimeError:
            logger.exception("a call failed")

    logs.configure(Common())
    fail()
    assert capsys.readouterr().err == "proxyables: error: a call failed: RuntimeError: broken\n"
    logger.handlers.clear()
    logs.configure(Common(debug=True))
    fail()
    shown = capsys.readouterr().err
    assert "in fail" in shown
    assert shown.endswith("proxyables: error: a call failed\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Common(), "sh[1]: it said\\x1b[2J so\n"),
        (Common(verbose=True), "sh[1]: it said\\x1b[2J so\n"),
        (Common(quiet=True), ""),
    ],
)
def test_what_children_say_is_passed_on_under_their_names(
    logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
    options: Common,
    said: str,
) -> None:
    logs.configure(options, logging.ERROR)  # the level of the commands that dial
    logger.getChild("child").warning("%s: %s", "sh[1]", "it said\x1b[2J so")
    assert capsys.readouterr().err == said
