"""``tls://`` end to end: who is trusted, who is let in, and what is said when it fails."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

import recording
from certificates import Certificates
from proxyables import Credentials, current_peer
from proxyables.errors import AuthenticationFailed, HandshakeFailed
from proxyables.limits import Limits
from proxyables.net.addresses import parse
from proxyables.net.endpoints import connect, serve
from recording import Run, eventually

run = recording.run  # the fixture


class Api:
    """What the tests export."""

    def add(self, a: int, b: int) -> int:
        return a + b

    def echo(self, data: bytes) -> bytes:
        return data

    def caller(self) -> tuple[str | None, str | None, list[str]]:
        found = current_peer().credentials
        return found.host, found.subject, list(found.names)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


# --- connections that stand ----------------------------------------------------------------------


def test_an_address_is_all_it_takes(run: Run, files: Certificates) -> None:
    async def main() -> None:
        async with serve(Api(), f"tls://localhost:0?cert={files.server}") as server:
            (address,) = server.addresses
            assert address.startswith("tls://localhost:")
            assert "?" not in address  # its files are the server's own
            async with connect(f"{address}?ca={files.ca}") as peer:
                assert await peer.root.add(1, 2) == 3
                blob = os.urandom(3 << 20)
                assert await peer.root.echo(blob) == blob
                transport = peer.writer.transport
                assert transport is not None
                assert transport.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")

    run(main())


def test_a_certificate_and_its_key_in_two_files(run: Run, files: Certificates) -> None:
    certificate, key = files.apart()

    async def main() -> None:
        where = f"tls://localhost:0?cert={certificate}&key={key}"
        async with (
            serve(Api(), where) as server,
            connect(f"{server.addresses[0]}?ca={files.ca}") as peer,
        ):
            assert await peer.root.add(1, 2) == 3

    run(main())


def test_a_tilde_is_the_home_directory(
    run: Run, files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, name = os.path.split(files.server)
    monkeypatch.setenv("HOME", home)

    async def main() -> None:
        async with (
            serve(Api(), f"tls://localhost:0?cert=~/{name}") as server,
            connect(f"{server.addresses[0]}?ca=~/ca.pem") as peer,
        ):
            assert await peer.root.add(1, 2) == 3

    run(main())


def test_the_system_says_whom_to_trust(
    run: Run, files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", files.ca)

    async def main() -> None:
        async with (
            serve(Api(), f"tls://localhost:0?cert={files.server}") as server,
            connect(server.addresses[0]) as peer,
        ):
            assert await peer.root.add(1, 2) == 3

    run(main())


def test_checking_is_only_left_out_in_so_many_words(run: Run, files: Certificates) -> None:
    async def main() -> None:
        async with (
            serve(Api(), f"tls://localhost:0?cert={files.expired}") as server,
            connect(f"{server.addresses[0]}?verify=no") as peer,
        ):
            assert await peer.root.add(1, 2) == 3
            assert peer.credentials.subject is None  # what was not checked tells nothing

    run(main())


def test_another_name_may_be_expected(run: Run, files: Certificates) -> None:
    certificate = files.issue("bank.example")

    async def main() -> None:
        async with serve(Api(), f"tls://localhost:0?cert={certificate}") as server:
            where = f"{server.addresses[0]}?ca={files.ca}"
            async with connect(f"{where}&server_name=bank.example") as peer:
                assert await peer.root.add(1, 2) == 3
            with pytest.raises(HandshakeFailed, match="not one for 'else.example'"):
                await connect(f"{where}&server_name=else.example")

    run(main())


def test_mutual_tls_tells_who_calls(run: Run, files: Certificates) -> None:
    async def main() -> None:
        where = f"tls://127.0.0.1:0?cert={files.server}&ca={files.ca}"
        async with serve(Api(), where) as server:
            address = f"{server.addresses[0]}?ca={files.ca}"
            async with connect(f"{address}&cert={files.client}") as peer:
                host, subject, names = await peer.root.caller()
                assert host == "127.0.0.1"
                assert subject is not None
                assert subject.startswith("CN=alice, ")
                assert subject.endswith(", O=Office")
                assert names == ["email:alice@example.org"]
                theirs = peer.credentials
                assert theirs.host == "127.0.0.1"
                assert theirs.names == ("DNS:localhost", "IP Address:127.0.0.1")
            with pytest.raises(HandshakeFailed, match=r"may want a client certificate \(cert="):
                await connect(address)
            with pytest.raises(HandshakeFailed, match="may not trust the client certificate"):
                await connect(f"{address}&cert={files.stranger}")
            await eventually(lambda: server.peers == [])

    run(main())


def test_contexts_of_ones_own(run: Run, files: Certificates) -> None:
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(files.server)
    ours = ssl.create_default_context(cafile=files.ca)

    async def main() -> None:
        # A TCP address becomes what it is with the context, and is shown so that it can be dialled.
        for where in ("localhost:0", "tls://localhost:0"):
            async with serve(Api(), where, ssl=theirs) as server:
                (address,) = server.addresses
                assert address.startswith("tls://localhost:")
                for dialled in (address, address.replace("tls", "tcp")):
                    async with connect(dialled, ssl=ours) as peer:
                        assert peer.address == address
                        assert await peer.root.add(1, 2) == 3

    run(main())


# --- connections that fail -----------------------------------------------------------------------


def test_who_cannot_be_trusted_is_refused(run: Run, files: Certificates) -> None:
    elsewhere = files.issue("elsewhere.example")
    untrusted = files.issue("localhost", trusted=False)
    cases = [
        (files.server, "", "is not trusted .*say whom to trust with ca=FILE"),
        (untrusted, f"?ca={files.ca}", "is not trusted"),
        (elsewhere, f"?ca={files.ca}", "is not one for 'localhost'; dial the host that it names"),
        (files.expired, f"?ca={files.ca}", "certificate has expired"),
    ]

    async def main() -> None:
        for certificate, parameters, message in cases:
            async with serve(Api(), f"tls://localhost:0?cert={certificate}") as server:
                with pytest.raises(HandshakeFailed, match=message) as caught:
                    await connect(server.addresses[0] + parameters)
                assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
                assert str(caught.value).startswith("cannot connect to tls://localhost:")
                await eventually(lambda: not server._arrivals)
                assert server.peers == []

    run(main())


@pytest.mark.parametrize("scheme", ["tls", "wss"])
def test_a_server_that_closes_when_it_hears_tls(run: Run, scheme: str) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            told = "the server closed the connection in the middle of the TLS handshake"
            with pytest.raises(HandshakeFailed, match=told):
                await connect(f"{scheme}://127.0.0.1:{port}")

    run(main())


def test_a_server_without_tls(run: Run) -> None:
    async def main() -> None:
        async with serve(Api(), "localhost:0") as server:
            address = server.addresses[0].replace("tcp", "tls")
            with pytest.raises(HandshakeFailed, match="does not speak TLS there.* as tcp://"):
                await connect(address)

    run(main())


def test_a_server_with_tls_that_is_dialled_without(run: Run, files: Certificates) -> None:
    async def main() -> None:
        async with serve(Api(), f"tls://localhost:0?cert={files.server}") as server:
            (address,) = server.addresses
            with pytest.raises(HandshakeFailed, match=f"expects TLS, dial {address}"):
                await connect(address.replace("tls", "tcp"))

    run(main())


def test_an_old_version_is_refused_by_both_sides(run: Run, files: Certificates) -> None:
    def old(purpose: ssl.Purpose) -> ssl.SSLContext:
        context = ssl.create_default_context(purpose, cafile=files.ca)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context

    dialling, listening = old(ssl.Purpose.SERVER_AUTH), old(ssl.Purpose.CLIENT_AUTH)
    listening.load_cert_chain(files.server)

    async def main() -> None:
        async with serve(Api(), f"tls://localhost:0?cert={files.server}") as server:
            with pytest.raises(HandshakeFailed):
                await connect(server.addresses[0], ssl=dialling)
        async with serve(Api(), "tls://localhost:0", ssl=listening) as server:
            with pytest.raises(HandshakeFailed):
                await connect(f"{server.addresses[0]}?ca={files.ca}")

    run(main())


def test_silence_ends_in_time_on_both_sides(run: Run, files: Certificates) -> None:
    limits = Limits(handshake_timeout=0.2)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            address = f"tls://127.0.0.1:{mute.getsockname()[1]}"
            with pytest.raises(HandshakeFailed, match="no TLS handshake within 0.2 s") as caught:
                await connect(address, limits=limits, timeout=None)
            assert caught.value.reason == "timeout"
        where = f"tls://127.0.0.1:0?cert={files.server}"
        async with serve(Api(), where, limits=limits) as server:
            port = parse(server.addresses[0]).port  # type: ignore[attr-defined]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x16\x03\x01")  # and never the rest
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            await eventually(lambda: not server._arrivals)

    run(main())


def test_giving_up_in_the_middle_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            address = f"tls://127.0.0.1:{mute.getsockname()[1]}"
            with pytest.raises(HandshakeFailed, match="no answer within 0.1 s"):
                await connect(address, timeout=0.1)

    run(main())


def test_a_server_that_says_why_it_refuses_is_believed(run: Run, files: Certificates) -> None:
    """OpenSSL itself sends an alert, where asyncio's servers only close."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(files.server)
    cases = [("", "wants a client certificate; give cert= and key=")]
    cases += [(f"&cert={files.stranger}", "does not trust the client certificate")]

    def welcome(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        # The other side is read to its end: closed with bytes unread, it would see a reset.
        with accepted.dup() as kept:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(accepted, server_side=True)
            kept.shutdown(socket.SHUT_WR)
            while kept.recv(65536):
                pass

    async def main() -> None:
        for parameters, message in cases:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                serving = asyncio.create_task(asyncio.to_thread(welcome, listener))
                address = f"tls://127.0.0.1:{listener.getsockname()[1]}?ca={files.ca}"
                with pytest.raises(HandshakeFailed, match=message):
                    await connect(address + parameters)
                await serving

    run(main())


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("?ca=/no/such.pem", "cannot read ca=/no/such.pem: no such file"),
        ("?cert=/no/such.pem", "cannot read cert=/no/such.pem: no such file"),
        ("?cert={server}&key=/no/such.pem", "cannot read key=/no/such.pem: no such file"),
        ("?key={server}", "give cert= too"),
        ("?cert={ca}", "no PEM certificate and key can be read from .*give key="),
        ("?cert={server}&key={client}", "the key is not that of the certificate"),
        ("?ca={text}", "no PEM certificate can be read from ca="),
        ("?cert={encrypted}", "the key is encrypted"),
        ("?verify=no&ca={ca}", "verify=no checks nothing"),
    ],
)
def test_files_that_cannot_be_used_are_told_at_once(
    files: Certificates, tmp_path: Path, parameters: str, message: str
) -> None:
    (tmp_path / "text").write_text("no certificate\n")
    found = {"text": tmp_path / "text", "encrypted": encrypted(tmp_path, files.server)}
    where = parameters.format(**vars(files), **found)
    with pytest.raises(ValueError, match=message) as caught:
        connect(f"tls://h:1{where}")  # no loop runs, and nothing is awaited
    assert str(caught.value).startswith("'tls://h:1?")


def encrypted(directory: Path, path: str) -> Path:
    from cryptography.hazmat.primitives import serialization

    content = Path(path).read_bytes()
    key = serialization.load_pem_private_key(content, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    found = directory / "encrypted.pem"
    found.write_bytes(locked + content[content.index(b"-----BEGIN CERTIFICATE") :])
    return found


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("tls://localhost:0", r"listening with TLS takes a certificate; add \?cert=FILE&key=FILE"),
        ("tls://localhost:0?cert={server}&verify=no", "verify= is for dialling"),
        ("tls://localhost:0?cert={server}&server_name=x", "server_name= is for dialling"),
        ("tls://localhost:0?cert=/no/such.pem", "cannot read cert=/no/such.pem"),
        ("wss://localhost:0/", "listening with TLS takes a certificate; give ssl="),
    ],
)
def test_what_cannot_be_listened_on(files: Certificates, where: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        serve(Api(), where.format(**vars(files)))


def test_one_thing_is_not_said_twice(files: Certificates) -> None:
    context = ssl.create_default_context()
    with pytest.raises(ValueError, match=r"ca= and ssl= say the same thing twice"):
        connect(f"tls://h:1?ca={files.ca}", ssl=context)
    with pytest.raises(ValueError, match=r"cert= and ssl= say the same thing twice"):
        serve(Api(), f"tls://h:1?cert={files.server}", ssl=context)
    connect("tls://h:1?server_name=other", ssl=context)  # which is another thing


def test_others_get_in_with_a_certificate_or_a_token_only(run: Run, files: Certificates) -> None:
    async def main() -> None:
        open_to_all = f"tls://*:0?cert={files.server}"
        # TLS alone says who the server is, and nothing about who calls.
        with pytest.raises(AuthenticationFailed, match="other machines can reach"):
            await serve(Api(), open_to_all)
        async with serve(Api(), open_to_all, token="secret"):
            pass
        async with serve(Api(), f"{open_to_all}&ca={files.ca}"):
            pass
        async with serve(Api(), open_to_all, insecure=True):
            pass

    run(main())


def test_without_tls_there_is_no_subject(run: Run) -> None:
    async def main() -> None:
        async with serve(Api(), ":0") as server, connect(server.addresses[0]) as peer:
            assert await peer.root.caller() == ("127.0.0.1", None, [])
            assert peer.credentials == Credentials(host="127.0.0.1")

    run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_is_forked_from_a_connected_process_ends_well(files: Certificates) -> None:
    """uvloop's own look-up of names starts threads that a forked child has not."""
    code = f"""
import os, sys
import proxyables.sync

class API:
    def add(self, a, b):
        return a + b

with proxyables.sync.serve(API(), "tls://localhost:0?cert={files.server}") as server:
    with proxyables.sync.connect(server.addresses[0] + "?ca={files.ca}") as peer:
        assert peer.root.add(1, 2) == 3
        child = os.fork()
        if child == 0:
            sys.exit(0)
        print(os.waitpid(child, 0)[1])
        assert peer.root.add(1, 2) == 3
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "0\n", done.stderr
