"""The two ends of an address: `connect` dials it, `serve` listens on it."""

from proxyables.net.dialing import Connecting, DialledPeer, connect
from proxyables.net.server import Server
from proxyables.net.serving import serve

__all__ = ["Connecting", "DialledPeer", "Server", "connect", "serve"]
