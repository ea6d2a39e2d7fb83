"""What is told of one call that a server is serving, or that its caller has given up."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Any

from proxyables.frozen import frozen
from proxyables.peer.jobs import Job
from proxyables.peer.pump import Pump
from proxyables.peer.service import Serving

from . import places
from .connections import Connection
from .paths import path_of

if TYPE_CHECKING:
    from proxyables.peer.reports import CallReport, Place

_DRAINING = Pump.drained.__code__
_JOB = Job.run.__code__


def report_of(connection: Connection, serving: Serving, root: str, now: float) -> CallReport:
    """Tells about a call.

    Args:
        connection: Which serves it.
        serving: The call.
        root: What the server's root object is called.
        now: Seconds on `time.monotonic`'s clock.
    """
    state, where = _stand(serving.coroutine)
    target = connection.service.find(serving.message[1])
    return {
        "connection": connection.number,
        "path": path_of(root, target, serving.message),
        "age": now - serving.begun,
        "state": state,
        "where": where,
    }


@frozen
class Abandoned:
    """A call whose caller has given it up.

    Attributes:
        connection: The number of its caller's.
        path: What was called.
        begun: When, on `time.monotonic`'s clock.
    """

    connection: int
    path: str
    begun: float


def report_of_abandoned(call: Abandoned, job: Job, now: float) -> CallReport:
    """Tells about a call that was given up while a worker ran it, as it still does."""
    _, where = _stand_of(job)
    return {
        "connection": call.connection,
        "path": call.path,
        "age": now - call.begun,
        "state": "abandoned",
        "where": where,
    }


def _stand(coroutine: Any) -> tuple[Any, Place | None]:
    """Returns the state of a call, and the user's own line that it stands at."""
    frames: list[FrameType] = []
    for link in places.awaited(coroutine):
        frame = places.frame_of(link)
        if frame is None:
            continue
        if frame.f_code is _DRAINING:
            return "sending", places.innermost(frames)
        job = frame.f_locals.get("self") if frame.f_code is Job.__await__.__code__ else None
        if type(job) is Job:
            return _stand_of(job)
        frames.insert(0, frame)
    return "waiting", places.innermost(frames)


def _stand_of(job: Job) -> tuple[Any, Place | None]:
    if not job.thread:
        return "queued", None
    if job.is_over:  # the loop has yet to learn of it
        return "running", None
    state = "running" if job.waiter is None else "calling"
    return state, places.innermost(places.thread_frames(job.thread, outer=_JOB))


__all__ = ["Abandoned", "report_of", "report_of_abandoned"]
