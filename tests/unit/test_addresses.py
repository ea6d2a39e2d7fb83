"""The grammar of addresses: what is understood, what is refused, and what the refusal teaches."""

from __future__ import annotations

import os
import shlex
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import proxyables.net.addresses
from proxyables.errors import NotSupported
from proxyables.net import grammar
from proxyables.net.address_kinds import SCHEMES
from proxyables.net.addresses import (
    MAX_SOCKET_PATH,
    Address,
    AliasAddress,
    ExecAddress,
    FdAddress,
    SecureWebSocketAddress,
    SshAddress,
    StdioAddress,
    TcpAddress,
    TlsAddress,
    UnixAddress,
    WebSocketAddress,
    is_loopback_host,
    parse,
    understand,
)


@pytest.mark.parametrize(
    ("text", "address", "canonical"),
    [
        ("-", StdioAddress(), "stdio:"),
        ("stdio:", StdioAddress(), "stdio:"),
        (":9000", TcpAddress("127.0.0.1", 9000), "tcp://127.0.0.1:9000"),
        ("tcp://:9000", TcpAddress("127.0.0.1", 9000), "tcp://127.0.0.1:9000"),
        ("TCP://Host.Example:09", TcpAddress("host.example", 9), "tcp://host.example:9"),
        ("localhost:65535", TcpAddress("localhost", 65535), "tcp://localhost:65535"),
        ("10.0.0.1:80", TcpAddress("10.0.0.1", 80), "tcp://10.0.0.1:80"),
        ("my_host-1:80", TcpAddress("my_host-1", 80), "tcp://my_host-1:80"),
        ("[::1]:9000", TcpAddress("::1", 9000), "tcp://[::1]:9000"),
        ("tcp://[0:0:0:0:0:0:0:1]:9000", TcpAddress("::1", 9000), "tcp://[::1]:9000"),
        ("[fe80::1%eth0]:1", TcpAddress("fe80::1%eth0", 1), "tcp://[fe80::1%eth0]:1"),
        ("tls://h:9443", TlsAddress("h", 9443), "tls://h:9443"),
        (
            "tls://h:1?verify=no&ca=/etc/my%20ca.pem",
            TlsAddress("h", 1, (("ca", "/etc/my ca.pem"), ("verify", "no"))),
            "tls://h:1?ca=/etc/my%20ca.pem&verify=no",
        ),
        ("unix:/tmp/p.sock", UnixAddress("/tmp/p.sock"), "unix:/tmp/p.sock"),
        ("unix:///tmp/p.sock", UnixAddress("/tmp/p.sock"), "unix:/tmp/p.sock"),
        ("unix:p.sock", UnixAddress("p.sock"), "unix:p.sock"),
        ("unix:9000", UnixAddress("9000"), "unix:9000"),
        ("/tmp/p.sock", UnixAddress("/tmp/p.sock"), "unix:/tmp/p.sock"),
        ("//tmp/p.sock", UnixAddress("/tmp/p.sock"), "unix:/tmp/p.sock"),
        ("/tmp/tcp:9000", UnixAddress("/tmp/tcp:9000"), "unix:/tmp/tcp:9000"),
        ("/tmp/two words", UnixAddress("/tmp/two words"), "unix:/tmp/two words"),
        ("./p.sock", UnixAddress("./p.sock"), "unix:./p.sock"),
        ("../p.sock", UnixAddress("../p.sock"), "unix:../p.sock"),
        ("unix:@name", UnixAddress("@name"), "unix:@name"),
        ("ws://h", WebSocketAddress("h", 80), "ws://h:80/"),
        ("wss://h/a?b=c", SecureWebSocketAddress("h", 443, "/a?b=c"), "wss://h:443/a?b=c"),
        ("ws://[::1]:8080/x", WebSocketAddress("::1", 8080, "/x"), "ws://[::1]:8080/x"),
        ("ws://[::1]", WebSocketAddress("::1", 80), "ws://[::1]:80/"),
        ("fd:3", FdAddress(3), "fd:3"),
        ("fd:007", FdAddress(7), "fd:7"),
        ("fd:px.socket", FdAddress("px.socket"), "fd:px.socket"),
        ("exec:prog", ExecAddress(("prog",)), "exec:prog"),
        ("exec:a 'b c' \"d\" e\\ f", ExecAddress(("a", "b c", "d", "e f")), "exec:a 'b c' d 'e f'"),
        ("exec:sh -c 'a\n\tb'", ExecAddress(("sh", "-c", "a\n\tb")), "exec:sh -c 'a\n\tb'"),
        ("exec:a '' #b", ExecAddress(("a", "", "#b")), "exec:a '' '#b'"),
        ("exec:a $HOME;*", ExecAddress(("a", "$HOME;*")), "exec:a '$HOME;*'"),
        (
            "ssh://h/run/p.sock",
            SshAddress("", "h", 0, UnixAddress("/run/p.sock")),
            "ssh://h/run/p.sock",
        ),
        (
            "ssh://me@h:22/:9000",
            SshAddress("me", "h", 22, TcpAddress("127.0.0.1", 9000)),
            "ssh://me@h:22/tcp://127.0.0.1:9000",
        ),
        ("ssh://h/~/p.sock", SshAddress("", "h", 0, UnixAddress("~/p.sock")), "ssh://h/~/p.sock"),
        ("ssh://h/unix:x", SshAddress("", "h", 0, UnixAddress("x")), "ssh://h/unix:x"),
        (
            "ssh://h/unix:/tcp:x",
            SshAddress("", "h", 0, UnixAddress("/tcp:x")),
            "ssh://h/unix:/tcp:x",
        ),
        (
            "ssh://[::1]/exec:a 'b c'",
            SshAddress("", "::1", 0, ExecAddress(("a", "b c"))),
            "ssh://[::1]/exec:a 'b c'",
        ),
        ("@prod", AliasAddress("prod"), "@prod"),
    ],
)
def test_what_is_understood(text: str, address: Address, canonical: str) -> None:
    assert parse(text) == address
    assert str(address) == canonical
    assert parse(canonical) == address


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "an address is missing"),
        (" :9000", "remove the space"),
        (":9000\n", "remove the space"),
        ("a b:9000", "holds no space"),
        ("tcp://a\x00b:9000", r"character '\\x00' cannot"),
        ("/tmp/a\x1b[31m", r"character '\\x1b' cannot"),
        ("/tmp/\u202egnp", r"character '\\u202e' cannot"),
        ("exec:a\x00b", r"character '\\x00' cannot"),
        ("9000", "write a port as :9000, a socket path as ./9000"),
        ("localhost", "a port is missing: tcp://localhost:PORT"),
        ("tcp", "'tcp' is a scheme; what it leads to is missing"),
        ("unix", "'unix' is a scheme; what it leads to is missing"),
        ("localhost:", "'' is not a port"),
        ("localhost:http", "'http' is not a port"),
        (":-1", "'-1' is not a port"),
        (":+1", "is not a port"),
        (":1_0", "is not a port"),
        (":٣", "is not a port"),
        (":65536", "port 65536 is out of range; the highest is 65535"),
        (":131072", "out of range"),
        (":" + "9" * 5000, "out of range"),
        (":0", "port 0 means any free port, for listening"),
        ("*:9000", "every interface, for listening"),
        ("::1:9000", r"put brackets around an IPv6 host: tcp://\[::1\]:9000"),
        ("::1", r"put brackets around an IPv6 host: tcp://\[::1\]:PORT"),
        ("tcp://fe80::1:9000", r"brackets .* tcp://\[fe80::1\]:9000"),
        ("2001:db8::1:abcd", r"brackets .* tcp://\[2001:db8::1:abcd\]:PORT"),
        ("tcp://[::1:9000", r"on both sides of an IPv6 host: tcp://\[::1\]:9000"),
        ("tcp://::1]:9000", r"on both sides of an IPv6 host: tcp://\[::1\]:9000"),
        ("[::1", r"on both sides of an IPv6 host, and a port is missing: tcp://\[::1\]:PORT"),
        ("[[::1]]:9000", r"on both sides of an IPv6 host: tcp://\[::1\]:9000"),
        ("[fe80::1]9000", r"on both sides of an IPv6 host, and a port is missing"),
        ("[box:9000", r"on both sides of an IPv6 host: tcp://\[IPV6\]:9000"),
        ("tls://[::1:9000", r"on both sides of an IPv6 host: tls://\[::1\]:9000"),
        ("ws://[::1:9000/x", r"on both sides of an IPv6 host: ws://\[::1\]:9000"),
        ("ws://[::1/x", r"on both sides of an IPv6 host: ws://\[::1\]$"),
        ("ssh://[::1/x", r"on both sides of an IPv6 host: ssh://\[::1\]$"),
        ("ssh://::1]/x", r"on both sides of an IPv6 host: ssh://\[::1\]$"),
        ("a:b:9000", "one ':' is expected"),
        ("[::1]", r"a port is missing: tcp://\[::1\]:PORT"),
        ("[::1", "a port is missing"),
        ("[::g]:1", "'::g' is not an IPv6 address"),
        ("[127.0.0.1]:1", "is not an IPv6 address"),
        ("127.1:9000", "'127.1' is not an IPv4 address"),
        ("0x7f.1:9000", "is not an IPv4 address"),
        ("1.2.3.256:9", "is not an IPv4 address"),
        ("2130706433:9", "is not an IPv4 address"),
        ("-h:9000", "'-h' is not a host"),
        ("hôte:9000", "is not a host"),
        ("me@host:9000", "is not a host"),
        ("a" * 254 + ":1", "is not a host"),
        ("tcp:9000", "a scheme is never a host; write tcp://:9000"),
        ("tcp:localhost:9000", "write tcp://localhost:9000"),
        ("tcp:", "write tcp://:PORT"),
        ("tcp://tcp:9000", "'tcp' is a scheme, and a scheme is never a host"),
        ("ws:9000", "a scheme is never a host; write ws://HOST:9000"),
        ("tls:host:9000", "write tls://host:9000"),
        ("tcp://h:9000/", "nothing can follow the port: tcp://h:9000"),
        ("http://h:80", "unknown scheme 'http'; known are stdio, tcp"),
        ("dir/p.sock", "write a socket path as ./dir/p.sock or unix:dir/p.sock"),
        ("tls://:9443", "TLS needs the host's name"),
        ("tls://h:1?x=1", "'x=1' is not NAME=VALUE"),
        ("tls://h:1?ca", "'ca' is not NAME=VALUE"),
        ("tls://h:1?ca=a&ca=b", "ca is given twice"),
        ("tls://h:1?ca=%00", "control character"),
        ("tls://h:1?verify=maybe", "verify is 'yes' or 'no'"),
        ("unix:", "a path is missing"),
        ("unix:@", "a path is missing"),
        ("unix:/tmp/", "names a directory"),
        ("unix://tmp/p.sock", "write unix:tmp/p.sock"),
        ("/" + "x" * 107, "at most 107 bytes, this one has 108"),
        ("/" + "é" * 54, "at most 107 bytes, this one has 109"),
        ("unix:@" + "x" * 107, "at most 107 bytes"),
        ("ws://", "a host is missing"),
        ("ws://:80/x", "a host is missing: ws://HOST:80/x"),
        ("ws://h/a#b", "no '#'"),
        ("fd:", "write fd:3, or fd:NAME"),
        ("fd:-1", "write fd:3"),
        ("fd:a:b", "write fd:3"),
        ("fd:" + "9" * 10, "no descriptor has such a number"),
        ("exec:", "a command is missing"),
        ("exec:''", "a command is missing"),
        ("exec:a 'b", r"no closing quotation\); check the quotes"),
        ("ssh:h", "write ssh://h"),
        ("ssh://h", "say what to reach over there"),
        ("ssh://-oProxyCommand=x/p", "begins with '-' would be an option"),
        ("ssh://-l@h/p", "begins with '-' would be an option"),
        ("ssh://a b@h/p", "'a b' is not a user's name"),
        ("ssh://h:0/p", "the port of ssh"),
        ("ssh://*/p", "name one host"),
        ("ssh://h/ssh://i/p", "use ProxyJump"),
        ("ssh://h/stdio:", "cannot be reached through ssh"),
        ("ssh://h/:0", "port 0 means"),
        ("ssh://h/:", "the address over there, ':': '' is not a port"),
        ("@", "an alias is"),
        ("@a b", "holds no space"),
        ("@-x", "an alias is"),
        ("stdio:x", "nothing can follow stdio:"),
    ],
)
def test_what_is_refused(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint) as caught:
        parse(text)
    assert str(caught.value).startswith(repr(text[:200]))
    assert len(str(caught.value)) < 700


def test_what_is_for_listening_only() -> None:
    assert parse("*:0", listening=True) == TcpAddress("*", 0)
    assert str(parse("*:0", listening=True)) == "tcp://*:0"
    assert parse("tls://*:0", listening=True) == TlsAddress("*", 0)


@pytest.mark.parametrize("text", ["exec:prog", "ssh://h/run/p.sock"])
def test_what_is_for_dialling_only(text: str) -> None:
    with pytest.raises(ValueError, match="can only be dialled"):
        parse(text, listening=True)


def test_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert parse("~/p.sock") == UnixAddress("/home/somebody/p.sock")
    assert parse("unix:~/p.sock") == UnixAddress("/home/somebody/p.sock")
    monkeypatch.setenv("HOME", "/" + "x" * MAX_SOCKET_PATH)
    with pytest.raises(ValueError, match="at most 107 bytes"):
        parse("~/p.sock")


def test_an_abstract_name_and_its_target() -> None:
    address = UnixAddress("@name")
    assert address.is_abstract
    assert address.target == "\0name"
    assert UnixAddress("/p").target == "/p"


@pytest.mark.parametrize("text", [b":9000", 9000, None, TcpAddress("h", 1)])
def test_only_text_is_parsed(text: object) -> None:
    with pytest.raises(TypeError, match="an address is a str"):
        parse(text)  # type: ignore[arg-type]


def test_understanding_takes_both_and_refuses_what_is_to_come() -> None:
    address = TcpAddress("*", 0)
    assert understand(address, listening=True) is address
    assert understand(":1", listening=False) == TcpAddress("127.0.0.1", 1)
    with pytest.raises(ValueError, match="every interface"):
        understand(address, listening=False)
    with pytest.raises(NotSupported, match="cannot open"):
        understand("@alias", listening=False)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.8.9.10:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("[::ffff:127.0.0.1]:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("*:1", False),
        ("10.0.0.1:1", False),
        ("localhost.example:1", False),
        ("127.0.0.1.example:1", False),
        ("/tmp/p.sock", True),
        ("unix:@name", True),
        ("stdio:", True),
        ("@alias", False),
    ],
)
def test_loopback(text: str, loopback: bool) -> None:
    assert parse(text, listening=True).is_loopback is loopback


def test_a_host_that_is_nothing_is_not_loopback() -> None:
    assert not is_loopback_host("not:an:address")
    assert not is_loopback_host("999.999.999.999")


# --- properties ----------------------------------------------------------------------------------

hosts = st.one_of(
    st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}(\.[a-z]{2,5})?", fullmatch=True).filter(
        lambda host: host.lower() not in ("tcp", "tls", "unix", "ws", "wss", "fd", "exec", "ssh")
    ),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda host: f"[{host}]"),
)
ports = st.integers(1, 65535)
paths = st.text(string.ascii_letters + string.digits + "/._- :@é", min_size=1, max_size=40)
words = st.lists(st.text(string.printable[:-3] + "é☃", max_size=12), min_size=1, max_size=4)
alike = st.one_of(
    st.builds("tcp://{}:{}".format, hosts, ports),
    st.builds("{}:{}".format, hosts, ports),
    st.builds("tls://{}:{}?ca={}".format, hosts, ports, paths),
    st.builds("ws://{}:{}/{}".format, hosts, ports, paths),
    st.builds("unix:{}".format, paths),
    st.builds("/{}".format, paths),
    st.builds("~/{}".format, paths),
    st.builds("fd:{}".format, st.one_of(st.integers(0, 10**9), paths)),
    st.builds(lambda given: f"exec:{shlex.join(given)}", words),
    st.builds("ssh://{}/{}".format, hosts, paths),
    st.builds("ssh://me@{}:{}/{}:{}".format, hosts, ports, hosts, ports),
    st.builds("@{}".format, paths),
)


# A machine that is busy with something else is no reason to fail.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@patient
@given(st.one_of(alike, st.text(max_size=40)), st.booleans())
@example("ssh://h/~/x", False)
@example("~root/x", False)
def test_the_canonical_text_means_the_same(text: str, listening: bool) -> None:
    try:
        address = parse(text, listening=listening)
    except ValueError as error:
        assert str(error).startswith(repr(text[:200]))
        return
    assert parse(str(address), listening=listening) == address
    assert str(parse(str(address), listening=listening)) == str(address)
    assert hash(address) == hash(parse(str(address), listening=listening))


@patient
@given(words.filter(lambda given: given[0] != ""))
def test_words_survive(given_words: list[str]) -> None:
    text = f"exec:{shlex.join(given_words)}"
    if "\r" not in text and text == text.strip():
        assert parse(text) == ExecAddress(tuple(given_words))


@patient
@given(st.integers())
def test_ports_never_wrap(port: int) -> None:
    try:
        address = parse(f"127.0.0.1:{port}", listening=True)
    except ValueError:
        assert not 0 <= port <= 65535
    else:
        assert address == TcpAddress("127.0.0.1", port)


def loaded_by(text: str) -> set[str]:
    """Understands an address in a Python of its own; returns the modules that are there then."""
    program = f"import sys, proxyables.net.addresses as a; a.parse({text!r}); print(*sys.modules)"
    sources = str(Path(proxyables.net.addresses.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        check=True,
        timeout=30,
    )
    return set(done.stdout.decode().split())


def test_importing_it_is_cheap() -> None:
    dear = {"asyncio", "socket", "ssl", "ipaddress", "urllib.parse", "msgpack"}
    assert not loaded_by(":9000") & dear


def test_stdio_needs_none_of_the_other_kinds() -> None:
    others = {"proxyables.net.grammar", "proxyables.net.address_kinds"}
    assert not loaded_by("stdio:") & others
    assert loaded_by(":9000") > others


def test_the_kinds_are_there_by_name_and_nothing_else_is() -> None:
    for name in proxyables.net.addresses.__all__:
        assert hasattr(proxyables.net.addresses, name)
    with pytest.raises(AttributeError, match="no attribute 'PipeAddress'"):
        _ = proxyables.net.addresses.PipeAddress  # type: ignore[attr-defined]


def test_every_scheme_has_its_parser() -> None:
    assert tuple(grammar._PARSERS) == SCHEMES
