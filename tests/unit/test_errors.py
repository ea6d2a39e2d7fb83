"""The tree of errors: who is guilty, and what each one tells."""

from __future__ import annotations

import copy
import pickle

import pytest

import proxyables
from proxyables import errors
from proxyables.errors import (
    AccessDenied,
    ConnectionClosed,
    ConnectionLost,
    LimitExceeded,
    ProxyError,
    ReferenceNotFound,
    RemoteError,
    RemoteFrame,
)

BASES = {
    "RemoteError": (ProxyError,),
    "AccessDenied": (RemoteError, PermissionError),
    "ReferenceNotFound": (RemoteError, LookupError),
    "EncodingError": (ProxyError, TypeError),
    "NotSupported": (ProxyError,),
    "LimitExceeded": (ProxyError, ValueError),
    "AuthenticationFailed": (ProxyError, PermissionError),
    "HandshakeFailed": (ProxyError, ConnectionError),
    "ConnectionClosed": (ProxyError, ConnectionError),
    "ConnectionLost": (ConnectionClosed,),
    "PeerProtocolError": (ProxyError,),
}


@pytest.mark.parametrize("name", BASES)
def test_the_tree_is_the_documented_one(name: str) -> None:
    kind = getattr(errors, name)
    assert kind.__bases__ == BASES[name]
    assert getattr(proxyables, name) is kind
    assert name in str(errors.__doc__)


def test_nothing_else_is_in_the_tree() -> None:
    kinds = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    assert kinds == {*BASES, "ProxyError"}
    assert set(errors.__all__) == kinds | {"RemoteFrame"}


def test_the_root_keeps_the_fields_of_the_first_implementation() -> None:
    cause = ValueError("deep")
    error = ProxyError("shallow", cause, {"k": 1})
    assert (error.message, error.cause, error.extra) == ("shallow", cause, {"k": 1})
    assert error.__cause__ is cause
    assert str(error) == "shallow"
    told = ProxyError("m", "only a text")
    assert told.cause == "only a text"
    assert told.__cause__ is None
    assert ProxyError().extra is not ProxyError().extra


def test_a_remote_error_shows_the_type_that_it_had_there() -> None:
    assert str(RemoteError("m", type_name="Far")) == "Far: m"
    assert str(RemoteError("", type_name="Far")) == "Far"
    assert str(RemoteError("m")) == "m"
    assert str(AccessDenied("m", type_name="AccessDenied")) == "m"
    assert str(ReferenceNotFound("m", type_name="Other")) == "m"


def test_a_remote_error_carries_frames_code_and_cause() -> None:
    frame = RemoteFrame("f.py", 3, "run", "x()")
    error = RemoteError("m", frames=[frame], code="E1", cause=KeyError("k"), module="far")
    assert error.frames == (frame,)
    assert (error.code, error.module) == ("E1", "far")
    assert isinstance(error.__cause__, KeyError)


def test_a_limit_says_which_one_its_value_and_what_came() -> None:
    error = LimitExceeded("max_steps", 3, 5, "chain")
    assert (error.limit, error.allowed, error.got) == ("max_steps", 3, 5)
    assert str(error) == "chain: 5 is over the limit max_steps=3"
    assert str(LimitExceeded("max_steps", 3, 5)) == "5 is over the limit max_steps=3"


def test_a_closed_connection_says_by_whom_and_whether_it_may_have_run() -> None:
    plain = ConnectionClosed()
    assert (plain.local, plain.maybe_executed, str(plain)) == (False, False, "connection closed")
    cause = OSError(5, "io")
    lost = ConnectionLost("gone", local=True, cause=cause, maybe_executed=True)
    assert (lost.local, lost.maybe_executed, lost.__cause__) == (True, True, cause)


@pytest.mark.parametrize("kind", [ConnectionClosed, ConnectionLost, RemoteError, AccessDenied])
def test_errors_can_be_pickled(kind: type[ProxyError]) -> None:
    loaded = pickle.loads(pickle.dumps(kind("text")))
    assert type(loaded) is kind
    assert loaded.message == "text"


def test_a_passed_limit_can_be_copied_and_pickled() -> None:
    error = LimitExceeded("max_calls", 1, 2, "calls")
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(again), again.limit, again.got) == (str(error), "max_calls", 2)
