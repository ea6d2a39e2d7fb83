"""What the log tells of requests that failed."""

from __future__ import annotations

import logging

from proxyables.errors import (
    AccessDenied,
    LimitExceeded,
    PeerProtocolError,
    ProxyError,
    ReferenceNotFound,
)
from proxyables.wire.exceptions import safe_text

log = logging.getLogger("proxyables")
_REFUSALS = (AccessDenied, ReferenceNotFound, LimitExceeded, PeerProtocolError)
_LOGGED = 400


def log_failure(peer: object, error: BaseException) -> None:
    """Notes a request of `peer` that failed; what was refused is worth a warning."""
    if isinstance(error, _REFUSALS) or type(error) is ProxyError:
        told = str(error)
        if "reason" in error.extra:
            told += f": {error.extra['reason']}"  # which is for us only
        log.warning("%s: refused: %s", peer, ascii(told[:_LOGGED]))
    elif log.isEnabledFor(logging.DEBUG):
        text = safe_text(error, _LOGGED)
        log.debug("%s: raised %s: %s", peer, type(error).__name__, ascii(text))
