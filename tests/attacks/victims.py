"""A server under attack as who attacks it sees it: its memory, its log, its other clients."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack

from proxyables.limits import KIB
from proxyables.wire.hello import PING
from proxyables.wire.instructions import EXECUTE, HELLO
from proxyables.yamux import Session
from proxyables.yamux.frames import HEADER
from raw_peers import hello

_HERE = Path(__file__).parent
_PATIENCE = 20.0  # seconds until whatever is awaited must have happened


class Victim:
    """A server process and an honest client of it, which is another process.

    Args:
        address: Of the server.
        server: Its process.
        witness: That of the honest client.
        log: Where the server's log goes.
    """

    def __init__(
        self,
        address: str,
        server: subprocess.Popen[str],
        witness: subprocess.Popen[str],
        log: Path,
    ) -> None:
        self.address = address
        self._server = server
        self._witness = witness
        self._log = log

    @property
    def log(self) -> str:
        """What the server has told so far."""
        return self._log.read_text()

    def memory(self, key: str = "VmRSS") -> int:
        """Bytes of memory that the server holds now, or has held at the most (``VmHWM``)."""
        status = Path(f"/proc/{self._server.pid}/status").read_text()
        found = re.search(rf"^{key}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * KIB

    @contextlib.contextmanager
    def costs_at_most(self, size: int) -> Iterator[None]:
        """Fails if the server's memory grows by more than `size` bytes, even for a moment."""
        before = self.memory()
        Path(f"/proc/{self._server.pid}/clear_refs").write_text("5")  # sets the peak to the present
        yield
        grown = self.memory("VmHWM") - before
        assert grown <= size, f"{grown / KIB:.0f} KiB more at the peak, at most {size / KIB:.0f}"

    def latency(self, calls: int = 200) -> float:
        """Returns the median seconds of the honest client's calls, which all succeed."""
        self._ask(calls)
        return self._hear()

    def latency_while(self, attack: Callable[[], None], calls: int = 200) -> float:
        """As `latency`, of calls of which the first are under way when the attack begins."""
        self._ask(calls)
        attack()
        return self._hear()

    def _ask(self, calls: int) -> None:
        assert self._witness.stdin is not None
        self._witness.stdin.write(f"{calls}\n")
        self._witness.stdin.flush()

    def _hear(self) -> float:
        assert self._witness.stdout is not None
        line = self._witness.stdout.readline()
        assert line, "the honest client was hurt"
        return float(line)

    def dial(self) -> Attacker:
        """Returns a connection that has said nothing yet."""
        host, _, port = self.address.removeprefix("tcp://").rpartition(":")
        connection = socket.socket()
        # Little fits into the system's own buffers, so that who does not read is soon noticed.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(_PATIENCE)
        connection.connect((host, int(port)))
        return Attacker(connection)

    def until_told(self, text: str, times: int = 1) -> None:
        """Waits until the log tells `text` so many times."""
        end = time.monotonic() + _PATIENCE
        while self.log.count(text) < times:
            assert time.monotonic() < end, f"no {text!r} in the log:\n{self.log[-2000:]}"
            time.sleep(0.01)

    def until_refused(self, text: str, times: int) -> None:
        """Waits until the log tells of so many connections that were refused with this text.

        After the first few, one line stands for the others of ten seconds.
        """
        end = time.monotonic() + _PATIENCE
        while (told := self._refused(text)) < times:
            assert time.monotonic() < end, f"{told} times {text!r}:\n{self.log[-2000:]}"
            time.sleep(0.01)
        assert told == times

    def _refused(self, text: str) -> int:
        lines = [line for line in self.log.splitlines() if text in line]
        more = [re.search(r" (\d+) more like it ", line) for line in lines]
        return sum(int(found[1]) if found else 1 for found in more)


class Attacker:
    """A connection to the server that is driven by hand, without a loop.

    Attributes:
        socket: To which everything is sent.
        session: A Yamux for those attacks that begin decently.
        received: What `read` has read.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.session = Session(client=True)
        self.received = b""

    def __enter__(self) -> Attacker:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    def greet(self) -> None:
        """Goes through the handshake."""
        self.session.ping(PING)
        stream = self.session.open_stream()
        self.session.send(stream, msgpack.packb([HELLO, hello()]))
        self.flush()
        answer = b""
        while b"nonce" not in answer:
            data = self.socket.recv(65536)
            assert data, "the server did not greet"
            answer += data
        self.session.receive_data(answer)
        self.flush()

    def ask(self, *steps: object) -> None:
        """Sends a request on a stream of its own."""
        stream = self.session.open_stream()
        self.session.send(stream, msgpack.packb([EXECUTE, None, list(steps)]))

    def flush(self) -> None:
        """Has what the session has queued leave."""
        self.socket.sendall(b"".join(self.session.data_to_send()))

    def send(self, data: bytes) -> None:
        """Sends as much as the server takes before it ends the connection."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)

    def read(self, size: int) -> None:
        """Reads so many bytes, or until nothing more comes."""
        while size > 0 and (data := self.socket.recv(1 << 20)):
            self.received += data
            size -= len(data)

    def frames(self) -> Counter[tuple[int, int]]:
        """Returns how many frames of each type and flags `read` has read."""
        heads = HEADER.iter_unpack(self.received)
        return Counter((kind, flags) for _version, kind, flags, _stream, _value in heads)

    def is_cut_off(self) -> bool:
        """Waits until the server has ended the connection; False if it does not."""
        try:
            while self.socket.recv(1 << 20):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True


@contextlib.contextmanager
def attacked(log: Path, loop: str, **limits: float) -> Iterator[Victim]:
    """A server with these limits and an honest client; both must be alive and well at the end."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with contextlib.ExitStack() as stack:

        def start(script: str, *args: str, told: int | None = None) -> subprocess.Popen[str]:
            return stack.enter_context(
                _process([sys.executable, str(_HERE / script), *args], environment, told)
            )

        file = stack.enter_context(log.open("w"))
        server = start("server.py", loop, json.dumps(limits), told=file.fileno())
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        victim = Victim(address, server, start("witness.py", address), log)
        victim.latency()
        yield victim
        victim.latency()
        assert "Traceback" not in victim.log


@contextlib.contextmanager
def _process(
    command: list[str], environment: dict[str, str], told: int | None
) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=told, text=True, env=environment
    )
    with process:  # which closes its stdin, and waits
        try:
            yield process
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 0, command
