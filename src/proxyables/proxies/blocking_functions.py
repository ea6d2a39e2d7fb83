"""What is done with blocking proxies, as functions: no method of a proxy hides a remote name."""

from __future__ import annotations

from typing import Any

from proxyables.wire.dialect import ByReference
from proxyables.wire.instructions import COPY, DESCRIBE, REF

from .blocking import BlockingProxy, forget_root, is_blocking
from .cursor import RemoteValue


def copy(target: object) -> RemoteValue:
    """Returns the remote value itself, whatever the rule says.

    Raises:
        RemoteError: It has no form that travels by value.
    """
    return _checked(target, "copy")._request([COPY])


def ref(target: Any) -> Any:
    """Keeps a value where it is, and lets a reference travel, whatever the rule says.

    Of a blocking proxy: the proxy on the object itself. Of anything else: a wrapper to be given
    as an argument, or returned from a method.
    """
    if not is_blocking(target):
        return ByReference(target)
    return target._request([REF]) if target._steps or target._reference is None else target


def describe(target: object) -> dict[str, Any]:
    """Returns what the remote object offers; no property runs over there, nothing is called."""
    told: dict[str, Any] = _checked(target, "describe")._request([DESCRIBE])
    return told


def perform(target: object, operation: str, *args: object) -> RemoteValue:
    """Has an operation of the closed table done over there: ``perform(x, "repr")``.

    It is for what Python asks of this side only, or has no syntax for; the names are those that
    `proxyables.perform` takes.
    """
    return _checked(target, "perform")._operate(operation, *args)


def release(target: object) -> None:
    """Gives the remote object back now; any later use of it raises `ReferenceNotFound`.

    A root needs no reference, and can be used after it as before.
    """
    proxy = _checked(target, "release")
    reference = proxy._reference
    if proxy is proxy._desk.root:
        forget_root(proxy)
    if reference is not None:
        reference.release()


def _checked(target: object, function: str) -> BlockingProxy:
    if not is_blocking(target):
        raise TypeError(f"{function} takes a blocking proxy, got a {type(target).__name__}")
    return target  # type: ignore[return-value]


__all__ = ["copy", "describe", "perform", "ref", "release"]
