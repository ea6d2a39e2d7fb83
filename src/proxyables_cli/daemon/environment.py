"""The file of ``--env-file``: environment variables for the exported program."""

from __future__ import annotations

import logging
import os
import re
import shlex

from proxyables_cli.exits import Code, Failure

log = logging.getLogger("proxyables")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.ASCII | re.DOTALL)
_COMMENT = re.compile(r"(?:^|\s)#.*", re.DOTALL)


def load(path: str) -> None:
    """Adds what a file says to the environment; what is there already stays.

    Raises:
        Failure: The file cannot be read, or a line of it; the code is for a wrong configuration.
    """
    for name, value in read(path).items():
        if name.startswith("PROXYABLES_"):
            log.warning("%s: %s is no option of this server: those are read before", path, name)
        os.environ.setdefault(name, value)


def read(path: str) -> dict[str, str]:
    """Reads lines of ``NAME=VALUE``; the last one of a name counts.

    Blank lines, those that begin with ``#``, and an ``export`` before the name are passed over. A
    value is taken as it stands, without the spaces around it and without what follows a ``#``
    after a space; in quotes, as a shell would take it.

    Raises:
        Failure: As of `load`.
    """
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or "it is not UTF-8").lower()
        message = f"cannot read the environment in {path}: {reason}"
        raise Failure(Code.CONFIGURATION, message) from None
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            name, value = _parse(line.strip())
        except ValueError as error:
            raise Failure(Code.CONFIGURATION, f"{path}, line {number}: {error}") from None
        found[name] = value
    return found


def _parse(line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"expected NAME=VALUE, got {line!r:.80}")
    name, value = match.groups()
    if "\0" in value:
        raise ValueError(f"the value of {name} holds a NUL")
    if not value.startswith(("'", '"')):
        return name, _COMMENT.sub("", value).rstrip()
    try:
        words = shlex.split(value, comments=True)
    except ValueError:
        raise ValueError(f"the quotation of {name} is not closed") from None
    if len(words) != 1:
        raise ValueError(f"something follows the quoted value of {name}")
    return name, words[0]


__all__ = ["load", "read"]
