"""The handshake: every stage, every message, every combination of secrets."""

from __future__ import annotations

from typing import Any

import pytest

from proxyables.errors import AuthenticationFailed, HandshakeFailed, PeerProtocolError, RemoteError
from proxyables.peer.handshake import Handshake, Stage
from proxyables.wire.hello import PING, Hello, dump_hello, prove
from proxyables.wire.instructions import (
    AUTH,
    EXECUTE,
    HELLO,
    ITEMS,
    RELEASE,
    RETURN,
    THROW,
    Message,
)

MESSAGES = {
    "hello": [HELLO, dump_hello(Hello(max_message=1, max_streams=1))],
    "auth": [AUTH, bytes(32)],
    "execute": [EXECUTE, None, []],
    "return": [RETURN, 1],
    "release": [RELEASE, [1, 1]],
    "items": [ITEMS, []],
    "unknown": [99, None],
}


def make(*, client: bool, token: bytes | None = None, **changes: Any) -> Handshake:
    demands = "" if token is None else "token"
    hello = Hello(max_message=100, max_streams=10, demands=demands, **changes)
    return Handshake(hello, client=client, token=token)


def meet(client: Handshake, server: Handshake) -> None:
    """Carries messages between the two until both are done."""
    message = client.on_first_ping(PING)
    assert server.on_first_ping(PING) is None
    while message is not None:
        message = client.on_answer(server.on_request(message))
    assert client.stage is server.stage is Stage.DONE


def at(stage: Stage, *, client: bool) -> Handshake:
    """Returns a handshake, with a secret, that has come to `stage`."""
    made = make(client=client, token=b"t")
    other = make(client=not client, token=b"t")
    if stage is Stage.WAITING:
        return made
    pair = (made, other) if client else (other, made)
    hello = pair[0].on_first_ping(PING)
    pair[1].on_first_ping(PING)
    if stage is Stage.HELLO:
        return made
    assert hello is not None
    auth = pair[0].on_answer(pair[1].on_request(hello))
    if stage is Stage.DONE:
        assert auth is not None
        pair[0].on_answer(pair[1].on_request(auth))
    assert made.stage is stage
    return made


@pytest.mark.parametrize("token", [None, b"secret"])
def test_two_sides_get_to_know_each_other(token: bytes | None) -> None:
    client = make(client=True, token=token, root="c", instance="1")
    server = make(client=False, token=token, root="s", instance="2")
    meet(client, server)
    assert client.info is not None
    assert server.info is not None
    assert (client.info.root, client.info.instance) == ("s", "2")
    assert (server.info.root, server.info.instance) == ("c", "1")


def test_without_a_secret_hello_is_all() -> None:
    client, server = make(client=True), make(client=False)
    hello = client.on_first_ping(PING)
    server.on_first_ping(PING)
    assert hello is not None
    answer = server.on_request(hello)
    assert server.stage is Stage.DONE
    assert client.on_answer(answer) is None
    assert client.stage is Stage.DONE


# -- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [
        (b"a", b"b", "the client does not know the token"),
        (b"a", None, "demands a token, and none was given"),
        (None, b"b", "a token is demanded, and none was given"),
    ],
)
def test_secrets_that_do_not_agree_are_refused_by_the_server(
    ours: bytes | None, theirs: bytes | None, text: str
) -> None:
    client, server = make(client=True, token=ours), make(client=False, token=theirs)
    with pytest.raises(AuthenticationFailed, match=text):
        meet(client, server)
    assert server.info is None
    assert client.info is None


@pytest.mark.parametrize(
    ("token", "demands", "text"),
    [
        (None, "token", "none was given"),
        (b"a", "", "demands none"),
        (b"a", "ticket", "demands none"),
    ],
)
def test_the_client_checks_too_what_a_lying_server_demands(
    token: bytes | None, demands: str, text: str
) -> None:
    client = make(client=True, token=token)
    client.on_first_ping(PING)
    lie = dump_hello(Hello(max_message=1, max_streams=1, demands=demands))
    with pytest.raises(AuthenticationFailed, match=text):
        client.on_answer([HELLO, lie])
    assert client.info is None


def test_a_server_that_does_not_know_the_secret_is_found_out() -> None:
    client, server = make(client=True, token=b"secret"), make(client=False, token=b"guess")
    hello = client.on_first_ping(PING)
    server.on_first_ping(PING)
    assert hello is not None
    auth = client.on_answer(server.on_request(hello))
    assert auth is not None
    assert auth[0] == AUTH
    with pytest.raises(AuthenticationFailed, match="the server does not know the token"):
        client.on_answer([AUTH, prove(b"guess", "server", bytes(32), bytes(32))])
    assert client.info is None


@pytest.mark.parametrize("client", [True, False])
def test_a_nonce_sent_back_to_its_maker_is_refused(client: bool) -> None:
    made = make(client=client, token=b"t")
    made.on_first_ping(PING)
    mirror = [HELLO, dump_hello(made._hello)]
    with pytest.raises(AuthenticationFailed, match="own nonce"):
        made.on_answer(mirror) if client else made.on_request(mirror)


def test_a_proof_sent_back_to_its_maker_is_refused() -> None:
    client, server = make(client=True, token=b"t"), make(client=False, token=b"t")
    hello = client.on_first_ping(PING)
    server.on_first_ping(PING)
    assert hello is not None
    auth = client.on_answer(server.on_request(hello))
    assert auth is not None
    with pytest.raises(AuthenticationFailed):
        client.on_answer(auth)


def test_a_proof_of_another_session_is_refused() -> None:
    first, second = make(client=False, token=b"t"), make(client=False, token=b"t")
    client = make(client=True, token=b"t")
    hello = client.on_first_ping(PING)
    assert hello is not None
    first.on_first_ping(PING)
    second.on_first_ping(PING)
    auth = client.on_answer(first.on_request(hello))
    second.on_request(hello)
    assert auth is not None
    with pytest.raises(AuthenticationFailed):
        second.on_request(auth)
    first.on_request(auth)
    assert first.stage is Stage.DONE


@pytest.mark.parametrize("proof", [None, "", b"", [1], {"a": 1}])
def test_a_malformed_proof_is_refused(proof: Any) -> None:
    with pytest.raises(AuthenticationFailed):
        at(Stage.AUTH, client=False).on_request([AUTH, proof])
    with pytest.raises(AuthenticationFailed):
        at(Stage.AUTH, client=True).on_answer([AUTH, proof])


# -- every stage, every message -------------------------------------------------------------------

EXPECTED = {Stage.HELLO: "hello", Stage.AUTH: "auth"}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("name", MESSAGES)
def test_a_server_serves_nothing_out_of_turn(stage: Stage, name: str) -> None:
    if EXPECTED.get(stage) == name:
        return
    server = at(stage, client=False)
    with pytest.raises(PeerProtocolError, match=f"message {MESSAGES[name][0]} while"):
        server.on_request(MESSAGES[name])
    assert (server.info is not None) == (stage is Stage.DONE)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("name", MESSAGES)
def test_a_client_is_asked_nothing_during_the_handshake(stage: Stage, name: str) -> None:
    with pytest.raises(PeerProtocolError):
        at(stage, client=True).on_request(MESSAGES[name])


@pytest.mark.parametrize("stage", [Stage.HELLO, Stage.AUTH])
@pytest.mark.parametrize("name", MESSAGES)
def test_a_client_takes_only_the_answer_that_is_due(stage: Stage, name: str) -> None:
    if EXPECTED[stage] == name:
        return
    client = at(stage, client=True)
    with pytest.raises(HandshakeFailed, match=f"answered with message {MESSAGES[name][0]}"):
        client.on_answer(MESSAGES[name])
    assert client.info is None


@pytest.mark.parametrize("stage", [Stage.HELLO, Stage.AUTH])
def test_a_refusal_keeps_its_type_and_text(stage: Stage) -> None:
    def refusal(type_name: str) -> Message:
        return [THROW, RemoteError("not you", type_name=type_name)]

    with pytest.raises(AuthenticationFailed, match="the peer refused: not you"):
        at(stage, client=True).on_answer(refusal("AuthenticationFailed"))
    with pytest.raises(HandshakeFailed, match="the peer refused: not you"):
        at(stage, client=True).on_answer(refusal("HandshakeFailed"))
    with pytest.raises(HandshakeFailed, match="the peer refused: 5"):
        at(stage, client=True).on_answer([THROW, 5])


@pytest.mark.parametrize("told", [None, 5, [], {}, {"version": 1}, {"version": 2}])
def test_a_malformed_hello_is_refused_by_both_sides(told: Any) -> None:
    for client in (True, False):
        made = at(Stage.HELLO, client=client)
        with pytest.raises(HandshakeFailed):
            made.on_answer([HELLO, told]) if client else made.on_request([HELLO, told])
        assert made.info is None


# -- the first frame ------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [True, False])
def test_only_the_client_speaks_first(client: bool) -> None:
    made = make(client=client)
    first = made.on_first_ping(PING)
    assert (first is not None) == client
    assert made.stage is Stage.HELLO
    assert made.info is None


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_in_the_ping_is_named(version: int) -> None:
    made = make(client=False)
    with pytest.raises(HandshakeFailed, match=f"protocol version {version}, this side speaks 1"):
        made.on_first_ping(0x5058_0000 | version << 8)
    assert made.info is None


@pytest.mark.parametrize("opaque", [0, 1, 2**32 - 1])
def test_any_other_ping_is_a_classic_peers(opaque: int) -> None:
    made = make(client=False)
    assert made.on_first_ping(opaque) is None
    assert made.stage is Stage.DONE
    assert made.info is not None
    assert (made.info.dialect, made.info.version) == ("classic", 0)


def test_a_classic_peer_is_known_by_its_software_if_it_shows() -> None:
    made = make(client=True)
    made.on_classic("something")
    assert made.info is not None
    assert made.info.software == "something"


def test_a_secret_is_no_secret_to_a_peer_that_cannot_be_asked_for_it() -> None:
    for first in (lambda made: made.on_classic(), lambda made: made.on_first_ping(0)):
        dialled = make(client=True, token=b"t")
        with pytest.raises(AuthenticationFailed, match="without authentication"):
            first(dialled)
        assert dialled.info is None
        made = make(client=False, token=b"t")
        first(made)
        assert "without authentication" in str(made.refusal)
