"""Whatever a peer asks, telling of it gives a short line, runs nothing, and raises nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxyables.watch.arguments import arguments_of
from proxyables.watch.paths import path_of
from proxyables.wire.instructions import EXECUTE

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from(["accounts", "ada", "pay", "password", "status"])
    | st.integers(-2, 14)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner) | st.dictionaries(SCALARS, inner) | st.tuples(inner) | st.sets(SCALARS)
    ),
)
STEPS = st.lists(st.text() | st.lists(VALUES) | VALUES) | VALUES


class Account:
    def pay(self, amount: int, password: str) -> None:
        """Pays."""

    @property
    def balance(self) -> int:
        raise AssertionError("nothing is run to tell about a call")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("nothing is run to tell about a call")

    def __repr__(self) -> str:
        raise AssertionError("nothing is run to tell about a call")


class Bank:
    def __init__(self) -> None:
        self.accounts = {"ada": Account()}


@given(STEPS, VALUES)
def test_any_request_makes_a_line(steps: Any, target: Any) -> None:
    message = [EXECUTE, target, steps]
    for told in (
        path_of("bank", Bank(), message),
        path_of("", None, message),
        arguments_of(Bank(), message),
        arguments_of(Account, message),
        arguments_of(None, message),
    ):
        assert len(told) <= 200
        assert told.isprintable()


@given(st.lists(VALUES), st.dictionaries(st.text(), VALUES))
def test_any_arguments_make_a_line(args: list[Any], keywords: dict[str, Any]) -> None:
    for path in (["accounts", [3, "ada"], "pay"], ["nothing"], []):
        told = arguments_of(Bank(), [EXECUTE, None, [*path, [2, args, keywords]]])
        assert len(told) <= 200
        assert told.isprintable()
