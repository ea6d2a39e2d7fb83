"""The options that every way of making a peer has, checked before anything is opened."""

from __future__ import annotations

from typing import Any

from proxyables.limits import Limits
from proxyables.objects.policy import Policy


def check_options(
    *,
    policy: object,
    limits: object,
    token: Any,
    by_reference: Any = (),
    name: object = "",
    ssl: object = None,
) -> None:
    """Raises TypeError or ValueError for options that make no sense; see `proxyables.connect`."""
    if policy is not None and not isinstance(policy, Policy):
        raise TypeError(f"policy takes a proxyables.Policy, got {policy!r:.80}")
    if limits is not None and not isinstance(limits, Limits):
        raise TypeError(f"limits takes a proxyables.Limits, got {limits!r:.80}")
    if token is not None and not isinstance(token, (str, bytes)):
        raise TypeError(f"token takes text or bytes, got a {type(token).__name__}")
    if token is not None and not token:
        raise ValueError("token is empty, which is no secret")
    if isinstance(by_reference, type) or not all(isinstance(each, type) for each in by_reference):
        raise TypeError(f"by_reference takes a tuple of classes, got {by_reference!r:.80}")
    if not isinstance(name, str):
        raise TypeError(f"name takes text, got {name!r:.80}")
    if ssl is not None and not hasattr(ssl, "wrap_bio"):  # looked at without importing ssl
        raise TypeError(f"ssl takes an ssl.SSLContext, got {ssl!r:.80}")


__all__ = ["check_options"]
