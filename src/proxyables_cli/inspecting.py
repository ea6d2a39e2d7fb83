"""What the commands share that look into a running server: what a refusal means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from proxyables_cli.exits import Code, Failure


@contextmanager
def explained() -> Iterator[None]:
    """Says what a server means that refuses to be looked into.

    Raises:
        Failure: It does.
    """
    import proxyables

    try:
        yield
    except proxyables.AccessDenied as error:
        if "arguments" in str(error):
            hint = "it was not started with --show-arguments"
            raise Failure(Code.RAISED, str(error), hint) from None
        told = "the server does not let its peers look inside"
        hint = "that takes serve --introspection full"
        raise Failure(Code.RAISED, told, hint) from None


__all__ = ["explained"]
