"""What ``doctor`` looks at: each check yields findings, and changes nothing."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from proxyables_cli import commands, config, configuration, man, runtime, servers
from proxyables_cli.configuration import Configuration, nearest
from proxyables_cli.exits import Failure
from proxyables_cli.options import Row, configurable, convert
from proxyables_cli.tokens import read_token

_PACKAGE = "proxyables"
_OLDEST_PYTHON = (3, 11)
# What an extra brings, and what that is good for.
_EXTRAS = {"websockets": ("ws", "ws:// and wss://"), "watchfiles": ("reload", "serve --reload")}
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[^\]]*\])?[^;]*?>=\s*(?P<least>[0-9.]+)[^;]*")
# Variables of ours that stand in for no option, and so mean no wrong one.
_OTHER_VARIABLES = frozenset({configuration.VARIABLE, "PROXYABLES_LINE", "PROXYABLES_BREAKS"})

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found.

    Attributes:
        level: ``ok``, ``warn`` for what is worse than it could be, ``fail`` for what is broken.
        subject: What was looked at, in a word or two.
        message: What it is like.
        hint: What to do about it.
    """

    level: Level
    subject: str
    message: str
    hint: str = ""


def everything(file: Configuration) -> Iterator[Finding]:
    """Looks at all there is, in the order in which one thing needs the other."""
    yield from _python()
    yield from _dependencies()
    yield from _command()
    yield from _terminal()
    yield from _configuration(file)
    yield from _environment()
    yield from _runtime()
    yield from sockets()
    yield from _pages()
    yield from _completion()


# -- what is installed ----------------------------------------------------------------------------


def _python() -> Iterator[Finding]:
    told = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    if sys.version_info < _OLDEST_PYTHON:
        oldest = ".".join(map(str, _OLDEST_PYTHON))
        yield Finding("fail", "python", told, f"install Python {oldest} or later")
    else:
        yield Finding("ok", "python", told)


def _dependencies() -> Iterator[Finding]:
    try:
        required = metadata.requires(_PACKAGE) or []
        own = metadata.version(_PACKAGE)
    except metadata.PackageNotFoundError:
        yield Finding("warn", _PACKAGE, "runs from its sources", "pip install proxyables")
        return
    yield Finding("ok", _PACKAGE, f"{own} at {Path(__file__).resolve().parents[1]}")
    for text in required:
        match = _REQUIREMENT.match(text)
        if match is None or "extra ==" in text:
            continue
        if match["name"] == "uvloop" and _version("uvloop") is None:
            is_for_here = sys.platform != "win32" and platform.python_implementation() == "CPython"
            hint = "pip install uvloop, for servers that are twice as fast" if is_for_here else ""
            yield Finding("warn" if hint else "ok", "uvloop", "is not installed", hint)
        else:
            yield _dependency(match["name"], match["least"])
    for name, (extra, use) in _EXTRAS.items():
        told = f"is not installed; pip install '{_PACKAGE}[{extra}]' brings it, for {use}"
        yield Finding("ok", name, _version(name) or told)


def _dependency(name: str, least: str) -> Finding:
    there = _version(name)
    if there is None:
        return Finding("fail", name, "is not installed", f"pip install '{name}>={least}'")
    if numbers(there) < numbers(least):
        told = f"{there} is older than {least}"
        return Finding("fail", name, told, f"pip install '{name}>={least}'")
    return Finding("ok", name, there)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def numbers(version: str) -> tuple[int, ...]:
    """Returns what stands at the beginning of a version, which is what minimums speak of."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _command() -> Iterator[Finding]:
    found = shutil.which(_PACKAGE)
    ours = Path(sys.executable).parent
    if found is None:
        hint = f"add {ours} to PATH" if (ours / _PACKAGE).exists() else "pip install proxyables"
        yield Finding("warn", "command", f"{_PACKAGE} is not in PATH", hint)
    elif Path(found).resolve().parent not in (ours, ours.resolve()):
        told = f"{found} belongs to another Python than the one that runs now"
        yield Finding("warn", "command", told, f"put {ours} before it in PATH")
    else:
        yield Finding("ok", "command", found)


def _terminal() -> Iterator[Finding]:
    if sys.stdout is None or not sys.stdout.isatty():
        yield Finding("ok", "terminal", "standard output is none; results are printed as JSON")
        return
    name = os.environ.get("TERM", "")
    size = shutil.get_terminal_size()
    encoding = sys.stdout.encoding
    told = f"{name or 'no TERM'}, {size.columns}x{size.lines}, {encoding}"
    if name in ("", "dumb"):
        yield Finding("warn", "terminal", told, "set TERM, else the REPL has neither menu nor keys")
    elif encoding.lower().replace("-", "") != "utf8":
        yield Finding("warn", "terminal", told, "set LANG to a locale of UTF-8, such as C.UTF-8")
    else:
        yield Finding("ok", "terminal", told)


# -- what is set ----------------------------------------------------------------------------------


def _configuration(file: Configuration) -> Iterator[Finding]:
    try:
        config.check(file)
        aliases = file.aliases()
    except Failure as failure:
        yield Finding("fail", "configuration", failure.message, failure.hint)
        return
    try:
        writable = os.stat(file.path).st_mode & 0o022
    except OSError:
        yield Finding("ok", "configuration", f"{file.path} does not exist, which is right")
        return
    if writable:
        told = f"others may write to {file.path}"
        yield Finding("warn", "configuration", told, f"chmod go-w {file.path}")
    else:
        yield Finding("ok", "configuration", file.path)
    for alias in aliases.values():
        try:
            read_token(alias.token_file)
        except Failure as failure:
            yield Finding("fail", f"@{alias.name}", failure.message, failure.hint)


def _environment() -> Iterator[Finding]:
    rows: dict[str, dict[str, Row]] = {}
    for command in commands.every():
        for row in configurable(command.options):
            rows.setdefault(row.variable, {})[command.name] = row
    ours = {name for name in os.environ if name.startswith("PROXYABLES_")} - _OTHER_VARIABLES
    for name in sorted(ours):
        if name not in rows:
            told = f"stands for no option: {name}"
            yield Finding("warn", "environment", told, nearest(name, rows))
        elif wrong := _wrong(rows[name], os.environ[name]):
            for told, by in wrong.items():
                everywhere = len(by) == len(rows[name])
                told = f"{name} {told}" if everywhere else f"{name}, for {', '.join(by)}: {told}"
                yield Finding(
                    "fail" if everywhere else "warn", "environment", told, f"unset {name}"
                )
        else:
            yield Finding("ok", "environment", f"{name} is set")


def _wrong(rows: Mapping[str, Row], text: str) -> dict[str, list[str]]:
    """Says why options do not take a text, and those of which commands."""
    said: dict[str, list[str]] = {}
    for command, row in rows.items() if text else ():
        try:
            convert(row, text)
        except ValueError as error:
            said.setdefault(str(error), []).append(command)
    return said


# -- what runs ------------------------------------------------------------------------------------


def _runtime() -> Iterator[Finding]:
    try:
        found = runtime.checked()
    except Failure as failure:
        yield Finding("fail", "sockets", failure.message, failure.hint)
        return
    told = f"{found} is yours alone" if found else "their directory is made when it is needed"
    if os.environ.get("XDG_RUNTIME_DIR", "").startswith("/"):
        yield Finding("ok", "sockets", told)
    else:
        told += "; it lies among temporary files, since XDG_RUNTIME_DIR is not set"
        yield Finding("ok", "sockets", told)


def sockets() -> Iterator[Finding]:
    async def look() -> list[tuple[str, servers.Server | None, bool]]:
        async def each(path: str) -> tuple[str, servers.Server | None, bool]:
            return path, await servers.ask(path), await _is_dead(path)

        return await asyncio.gather(*map(each, runtime.sockets()))

    for path, server, is_dead in asyncio.run(look()):
        if server is not None:
            told = f"{server.get('object', 'an object')}, process {server.get('pid', '?')}"
            yield Finding("ok", "server", f"{server['address']}: {told}")
        elif is_dead:
            yield Finding("warn", "server", f"{path} was left behind by a dead one", f"rm {path}")
        else:
            hint = "it may be busy, or ask for a token"
            yield Finding("warn", "server", f"{path}: no answer", hint)


async def _is_dead(path: str) -> bool:
    try:
        async with asyncio.timeout(servers.PATIENCE):
            _, writer = await asyncio.open_unix_connection(path)
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return False


# -- what helps -----------------------------------------------------------------------------------


def _pages() -> Iterator[Finding]:
    if not man.pages():
        yield Finding("warn", "manual", "the pages were not installed", "pip install proxyables")
    elif man.reader() is None:
        told = "there is neither man nor mandoc to show the pages"
        yield Finding("warn", "manual", told, "install man-db or mandoc")
    else:
        known = shutil.which("man") is not None and not subprocess.call(
            ["man", "-w", _PACKAGE], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        told = "man proxyables" if known else "proxyables man; man itself does not find the pages"
        yield Finding("ok", "manual", told)


def _completion() -> Iterator[Finding]:
    from proxyables_cli.completion import SHELLS

    shell = os.path.basename(os.environ.get("SHELL", ""))
    if shell not in SHELLS:
        told = f"there is none for {shell}" if shell else "SHELL does not say which shell is yours"
        yield Finding("ok", "completion", told)
        return
    if any(map(_asks_for_completion, _startup_files(shell))):
        yield Finding("ok", "completion", f"is set up in {shell}")
        return
    hints = {
        "bash": """add to ~/.bashrc: eval "$(proxyables completion bash)\"""",
        "zsh": """add to ~/.zshrc, after compinit: eval "$(proxyables completion zsh)\"""",
        "fish": "proxyables completion fish >~/.config/fish/completions/proxyables.fish",
    }
    yield Finding("warn", "completion", f"is not set up in {shell}", hints[shell])


def _startup_files(shell: str) -> Iterator[Path]:
    """Lists where the lines that set completion up usually stand."""
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    if shell == "bash":
        yield from (home / name for name in (".bashrc", ".bash_profile", ".profile"))
        for base in (data, Path("/usr/local/share"), Path("/usr/share")):
            yield base / "bash-completion/completions" / _PACKAGE
    elif shell == "zsh":
        yield Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
        yield from (Path(base, "_proxyables") for base in os.environ.get("FPATH", "").split(":"))
    else:
        yield settings / "fish/config.fish"
        yield settings / "fish/completions/proxyables.fish"


def _asks_for_completion(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"proxyables completion" in file.read(configuration.MOST_BYTES)
    except OSError:
        return False


__all__ = ["Finding", "everything", "numbers", "sockets"]
