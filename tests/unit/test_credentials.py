"""What the kernel and TLS tell of a peer, over real sockets and from what ssl gives."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from connections import connected, on_both_loops
from proxyables import Credentials, current_peer
from proxyables.net.endpoints import connect, serve
from proxyables.peer.credentials import read_credentials


class Api:
    """Tells who calls."""

    def caller(self) -> tuple[Any, ...]:
        found = current_peer().credentials
        return found.host, found.pid, found.uid, found.gid, found.subject


class Told(asyncio.Transport):
    """A transport that only knows what it was told."""

    def __init__(self, **known: Any) -> None:
        super().__init__(known)


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the kernel tells nothing")
@on_both_loops
async def test_a_unix_socket_tells_the_process_and_the_user(tmp_path: Path) -> None:
    ours = (None, os.getpid(), os.getuid(), os.getgid(), None)
    async with serve(Api(), f"unix:{tmp_path}/s") as server:
        async with connect(server.addresses[0]) as peer:
            assert await peer.root.caller() == ours
            assert peer.credentials.uid == os.getuid()
        await peer.wait_closed()
        assert peer.credentials.uid == os.getuid()  # still known when the connection is gone


@on_both_loops
async def test_tcp_tells_the_address() -> None:
    for where in ("tcp://127.0.0.1:0", "tcp://[::1]:0"):
        async with serve(Api(), where) as server, connect(server.addresses[0]) as peer:
            host = where.removeprefix("tcp://").rpartition(":")[0].strip("[]")
            assert await peer.root.caller() == (host, None, None, None, None)


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the kernel tells nothing")
@on_both_loops
async def test_every_connection_has_its_own() -> None:
    async with connected(Api()) as pair:
        assert (await pair.client.root.caller())[1] == os.getpid()


def test_nothing_is_known_without_a_socket() -> None:
    assert read_credentials(Told()) == Credentials()
    assert read_credentials(Told()).source == ""


def test_what_a_certificate_says_cannot_pretend_to_be_more() -> None:
    certificate = {
        "subject": (
            (("countryName", "DE"),),
            (("organizationName", "A, B+C"),),
            (("commonName", "eve, CN=alice"), ("emailAddress", "e@x")),
            (("userId", " #1 "),),
            (("dnQualifier", "#"),),
        ),
        "subjectAltName": (
            ("DNS", "a.example"),
            ("IP Address", "127.0.0.1"),
            ("DirName", ((("commonName", "x"),),)),
        ),
    }
    found = read_credentials(Told(peercert=certificate))
    assert found.subject == (
        r"dnQualifier=\#, UID=\ #1\ , emailAddress=e@x, CN=eve\, CN\=alice, O=A\, B\+C, C=DE"
    )
    assert found.names == ("DNS:a.example", "IP Address:127.0.0.1")


def test_a_certificate_that_was_not_checked_tells_nothing() -> None:
    assert read_credentials(Told(peercert={})).subject is None
    assert read_credentials(Told(peercert={"version": 3})).subject == ""


@pytest.mark.parametrize(
    ("credentials", "source"),
    [
        (Credentials(), ""),
        (Credentials(uid=7, pid=1), "uid 7"),
        (Credentials(host="192.0.2.7"), "192.0.2.7"),
        (Credentials(host="::ffff:192.0.2.7"), "192.0.2.7"),
        (Credentials(host="2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
        (Credentials(host="2001:db8:1:2::1"), "2001:db8:1:2::/64"),
        (Credentials(host="fe80::1%eth0"), "fe80::/64"),
        (Credentials(host="no address"), "no address"),
    ],
)
def test_where_attempts_come_from(credentials: Credentials, source: str) -> None:
    assert credentials.source == source
