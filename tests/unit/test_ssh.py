"""The command lines that `ssh://` addresses become, and what they must never become."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyables.errors import HandshakeFailed
from proxyables.net.addresses import ExecAddress, SshAddress, UnixAddress, parse
from proxyables.net.ssh import PROGRAM, ssh_advice, ssh_words

TAKES_VALUE = ("-p", "-l", "-o", "-i", "-F")  # of the options of ssh that are used here


@pytest.fixture(autouse=True)
def _plain_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROGRAM, raising=False)


def words_of(text: str) -> tuple[str, ...]:
    address = parse(text)
    assert isinstance(address, SshAddress)
    return ssh_words(address)


def destination(words: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Splits a command line as ssh does: options and their values, then what is left."""
    options: list[str] = []
    rest = list(words[1:])
    while rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        options.append(word)
        if word in TAKES_VALUE:
            options.append(rest.pop(0))
    return options, rest


@pytest.mark.parametrize(
    ("text", "added", "host", "command"),
    [
        ("ssh://box/run/x.sock", [], "box", "proxyables bridge unix:/run/x.sock"),
        ("ssh://Box/run/x.sock", [], "Box", "proxyables bridge unix:/run/x.sock"),
        ("ssh://box/~/x.sock", [], "box", "proxyables bridge 'unix:~/x.sock'"),
        ("ssh://box/tcp://:9000", [], "box", "proxyables bridge tcp://127.0.0.1:9000"),
        ("ssh://box/exec:serve 'a b' $x", [], "box", "serve 'a b' '$x'"),
        ("ssh://me@box:2222/x", ["-p", "2222", "-l", "me"], "box", "proxyables bridge unix:/x"),
        ("ssh://[::1]:22/x", ["-p", "22"], "::1", "proxyables bridge unix:/x"),
        ("ssh://box/it's; a `\"$(path)", [], "box", None),
        ("ssh://box/unix:-x", [], "box", "proxyables bridge unix:-x"),
    ],
)
def test_command_lines(text: str, added: list[str], host: str, command: str | None) -> None:
    words = words_of(text)
    options, (found, remote) = destination(words)
    assert words[0] == "ssh"
    assert options[: len(options) - len(added)] == [
        *("-T", "-x"),
        *("-o", "BatchMode=yes"),
        *("-o", "ClearAllForwardings=yes"),
        *("-o", "PermitLocalCommand=no"),
        *("-o", "RemoteCommand=none"),
    ]
    assert options[len(options) - len(added) :] == added
    assert found == host
    assert remote == f"exec {command}" or command is None


@pytest.mark.parametrize(
    "text",
    [
        "ssh://-oProxyCommand=touch%20x/p",
        "ssh://-l@box/p",
        "ssh://me@-v/p",
        "ssh://box/exec:-oProxyCommand=x",
        "ssh://box/exec:-- x",
        "ssh://a b/p",
        "ssh://a;b/p",
        "ssh://$(a)/p",
        "ssh://me;x@box/p",
        "ssh://me@you@box/p",
    ],
)
def test_what_would_be_an_option_or_a_command_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="ssh://"):
        parse(text)


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12), min_size=1))
@settings(max_examples=25, deadline=None)
def test_no_shell_over_there_sees_anything_but_words(words: list[str]) -> None:
    address = SshAddress("", "box", 0, ExecAddress(("printf", "[%s]", *words)))
    command = ssh_words(address)[-1]
    assert command.startswith("exec ")
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
    assert done.stdout.decode() == "".join(f"[{word}]" for word in words)


def test_another_ssh_whose_options_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRAM, "/opt/ssh -i 'my key' -o BatchMode=no")
    words = words_of("ssh://box/x")
    assert words[:5] == ("/opt/ssh", "-i", "my key", "-o", "BatchMode=no")
    assert words[5] == "-T"


@pytest.mark.parametrize("text", ["", " ", "ssh 'x"])
def test_another_ssh_that_is_no_command(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(PROGRAM, text)
    with pytest.raises(
        HandshakeFailed, match="cannot start ssh: PROXYABLES_SSH=.* is no"
    ) as caught:
        words_of("ssh://box/x")
    assert caught.value.reason == "not-executable"


def test_advice_is_an_address_that_can_be_used() -> None:
    address = SshAddress("me", "box", 22, UnixAddress("/run/x y"))
    assert ssh_advice(address, 255) == ssh_advice(address, None) == ""
    advice = ssh_advice(address, 127)
    assert advice.startswith("; install proxyables over there, or say where it is: ")
    shown = advice.partition(": ")[2]
    better = parse(shown.strip('"'))
    assert isinstance(better, SshAddress)
    assert better.target == ExecAddress(("/PATH/TO/proxyables", "bridge", "unix:/run/x y"))
    assert shlex.split(ssh_words(better)[-1])[-1] == "unix:/run/x y"
    assert ssh_advice(SshAddress("", "box", 0, ExecAddress(("x",))), 127) == ""
