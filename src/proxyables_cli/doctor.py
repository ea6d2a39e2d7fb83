"""``doctor``: whether everything here is as it should be, and what to do where it is not."""

from __future__ import annotations

import os
from dataclasses import asdict

from proxyables_cli import checks, configuration, stdout
from proxyables_cli.checks import Finding
from proxyables_cli.exits import Code, printable
from proxyables_cli.options import Command
from proxyables_cli.output import Printing, wants_color

_COLORS = {"ok": "32", "warn": "33", "fail": "31"}


class DoctorOptions(Printing):
    """The command line of ``doctor``."""


def run(options: DoctorOptions) -> int:
    """Prints a line for each thing that was looked at, as it is found."""
    file = configuration.find(options.config, os.environ)
    printer = options.printer
    found = []
    for finding in checks.everything(file):
        if not (options.quiet and finding.level == "ok"):
            found.append(finding)
            if options.is_for_a_reader:
                _print(finding, is_colored=wants_color(options.color))
            elif printer.format == "json":
                printer.value(asdict(finding))
    if not options.is_for_a_reader and printer.format != "json":
        printer.value([asdict(finding) for finding in found])
    is_broken = any(finding.level == "fail" for finding in found)
    return Code.CONFIGURATION if is_broken else Code.OK


def _print(finding: Finding, *, is_colored: bool) -> None:
    level = f"{finding.level:4}"
    if is_colored:
        level = f"\x1b[{_COLORS[finding.level]}m{level}\x1b[0m"
    told = printable(f"  {finding.subject:14}  {finding.message}", clip=1000)
    stdout.write(f"{level}{told}\n".encode("utf-8", "replace"))
    if finding.hint:
        stdout.line(f"{'':20}  -> {finding.hint}")


COMMANDS = (
    Command(
        "doctor",
        DoctorOptions,
        run,
        help="Look at what is installed, set and running here, and say what to do where something"
        " is wrong.",
        epilog="Example: proxyables doctor -q",
        needs_settings=False,
    ),
)

__all__ = ["COMMANDS", "DoctorOptions", "run"]
