"""Remote Python objects that feel local.

::

    async with proxyables.serve(API(), "tcp://127.0.0.1:9000") as server:
        await server.serve_forever()

    async with proxyables.connect("tcp://127.0.0.1:9000") as peer:
        total = await peer.root.compute(10, y=20)

Names are loaded when they are first used, so that ``import proxyables`` costs next to nothing.
"""

from __future__ import annotations

import importlib

from proxyables.version import __version__

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from typing import Any

    from proxyables.errors import (
        AccessDenied,
        AuthenticationFailed,
        ConnectionClosed,
        ConnectionLost,
        EncodingError,
        HandshakeFailed,
        LimitExceeded,
        NotSupported,
        PeerProtocolError,
        ProxyError,
        ReferenceNotFound,
        RemoteError,
        RemoteFrame,
    )
    from proxyables.limits import Limits
    from proxyables.muid import make_muid
    from proxyables.net.dialing import connect
    from proxyables.net.server import Server
    from proxyables.net.serving import serve
    from proxyables.objects.markers import expose, hidden
    from proxyables.objects.policy import Policy
    from proxyables.objects.registry import ObjectRegistry
    from proxyables.objects.wrappers import restrict, revocable
    from proxyables.peer.credentials import Credentials
    from proxyables.peer.deadlines import deadline
    from proxyables.peer.peer import Peer, current_peer
    from proxyables.peer.pool import StreamPool
    from proxyables.peer.reports import Status, TraceEvent
    from proxyables.proxies.cursor import ProxyCursor
    from proxyables.proxies.functions import (
        assign,
        construct,
        contains,
        copy,
        delete,
        describe,
        is_settled,
        peer_of,
        perform,
        ref,
        release,
        run,
    )
    from proxyables.proxies.typed import call, check_api
    from proxyables.proxyable import ExportedProxyable, ImportedProxyable, Proxyable
    from proxyables.wire.kinds import (
        ProxyInstruction,
        ProxyInstructionKinds,
        ProxyValueKinds,
        create_apply_instruction,
        create_construct_instruction,
        create_execute_instruction,
        create_get_instruction,
        create_instruction_unsafe,
        create_release_instruction,
        create_return_instruction,
        create_throw_instruction,
        decode,
        encode,
    )
    from proxyables.wire.payloads import Opaque
    from proxyables.wire.registration import by_reference, by_value, register_exception

_PLACES = {
    "errors": """AccessDenied AuthenticationFailed ConnectionClosed ConnectionLost EncodingError
        HandshakeFailed LimitExceeded NotSupported PeerProtocolError ProxyError ReferenceNotFound
        RemoteError RemoteFrame""",
    "limits": "Limits",
    "muid": "make_muid",
    "net.dialing": "connect",
    "net.server": "Server",
    "net.serving": "serve",
    "objects.markers": "expose hidden",
    "objects.policy": "Policy",
    "objects.registry": "ObjectRegistry",
    "objects.wrappers": "restrict revocable",
    "peer.credentials": "Credentials",
    "peer.deadlines": "deadline",
    "peer.peer": "Peer current_peer",
    "peer.pool": "StreamPool",
    "peer.reports": "Status TraceEvent",
    "proxies.cursor": "ProxyCursor",
    "proxies.functions": """assign construct contains copy delete describe is_settled peer_of
        perform ref release run""",
    "proxies.typed": "call check_api",
    "proxyable": "ExportedProxyable ImportedProxyable Proxyable",
    "wire.kinds": """ProxyInstruction ProxyInstructionKinds ProxyValueKinds
        create_apply_instruction create_construct_instruction create_execute_instruction
        create_get_instruction create_instruction_unsafe create_release_instruction
        create_return_instruction create_throw_instruction decode encode""",
    "wire.payloads": "Opaque",
    "wire.registration": "by_reference by_value register_exception",
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names.split()}

__all__ = [
    "AccessDenied",
    "AuthenticationFailed",
    "ConnectionClosed",
    "ConnectionLost",
    "Credentials",
    "EncodingError",
    "ExportedProxyable",
    "HandshakeFailed",
    "ImportedProxyable",
    "LimitExceeded",
    "Limits",
    "NotSupported",
    "ObjectRegistry",
    "Opaque",
    "Peer",
    "PeerProtocolError",
    "Policy",
    "ProxyCursor",
    "ProxyError",
    "ProxyInstruction",
    "ProxyInstructionKinds",
    "ProxyValueKinds",
    "Proxyable",
    "ReferenceNotFound",
    "RemoteError",
    "RemoteFrame",
    "Server",
    "Status",
    "StreamPool",
    "TraceEvent",
    "__version__",
    "assign",
    "by_reference",
    "by_value",
    "call",
    "check_api",
    "connect",
    "construct",
    "contains",
    "copy",
    "create_apply_instruction",
    "create_construct_instruction",
    "create_execute_instruction",
    "create_get_instruction",
    "create_instruction_unsafe",
    "create_release_instruction",
    "create_return_instruction",
    "create_throw_instruction",
    "current_peer",
    "deadline",
    "decode",
    "delete",
    "describe",
    "encode",
    "expose",
    "hidden",
    "is_settled",
    "make_muid",
    "peer_of",
    "perform",
    "ref",
    "register_exception",
    "release",
    "restrict",
    "revocable",
    "run",
    "serve",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
