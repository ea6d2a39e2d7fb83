"""The synchronous face of a remote object: what is done to it happens over there, at once.

A `BlockingProxy` stands for one object of the other side and behaves as that object does; each
operation waits for the other side, but for what says otherwise. Python calls special methods on
the class, so the class has all of them, whatever the remote object offers: what it does not is
its own error.

Containers that can change are not copied when they are read from an object, as
``del shop.stock["Emma"]`` would then change the copy. They are remote objects like any other.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from inspect import Signature
from typing import Any, NoReturn, Protocol, cast

from proxyables.errors import AccessDenied, ProxyError, RemoteError
from proxyables.objects.imports import Reference
from proxyables.wire.instructions import (
    CALL,
    DEL,
    DELITEM,
    DESCRIBE,
    ITEM,
    OPERATE,
    REF,
    SET,
    SETITEM,
    STREAM,
    Step,
)

from .blocking_operators import BlockingOperators
from .cursor import CHUNK, Caller, ProxyCursor, RemoteValue, path_of

_LIVE: Step = [REF, True]
"""Keeps a container that can change where it is; all else travels as it always does."""

_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


class Desk(Protocol):
    """Where a thread asks for what a connection does; the methods wait, in any thread but its own.

    Attributes:
        peer: The connection.
        root: The proxy on the other side's root object.
        is_classic: Whether the other side has no references to containers, and no descriptions.
        is_closed: Whether the connection has ended.
    """

    @property
    def peer(self) -> Caller: ...

    @property
    def root(self) -> BlockingProxy: ...

    @property
    def is_classic(self) -> bool: ...

    @property
    def is_closed(self) -> bool: ...

    def request(self, reference: Reference | None, steps: list[Step]) -> RemoteValue: ...

    def call(self, reference: Reference | None, steps: list[Step]) -> RemoteValue: ...

    def iterate(
        self, reference: Reference | None, steps: list[Step], keep: object
    ) -> Iterator[RemoteValue]: ...

    def proxy(self, reference: Reference | None, steps: list[Step]) -> BlockingProxy: ...

    def know_root(self, reference: Reference) -> None: ...

    def methods_of(self, described: object) -> frozenset[str]: ...


class _Told:
    """A special attribute that is asked of the other side, on instances only."""

    def __init__(self, read: Callable[[BlockingProxy], Any], on_class: object) -> None:
        self._read = read
        self._on_class = on_class

    def __get__(self, proxy: BlockingProxy | None, cls: type) -> Any:
        return self._on_class if proxy is None else self._read(proxy)


def _tell_doc(proxy: BlockingProxy) -> str | None:
    return _described(proxy).get("doc") or None


def _tell_signature(proxy: BlockingProxy) -> Signature | None:
    from .signatures import parse_signature  # few ask

    return parse_signature(_described(proxy).get("signature"))


def _described(proxy: BlockingProxy) -> dict[str, Any]:
    """Returns what the object offers; nothing if nobody can be asked: `help` must not fail."""
    try:
        told = proxy._request([DESCRIBE])
    except (ProxyError, RuntimeError):
        return {}
    return told if isinstance(told, dict) else {}


class BlockingProxy(BlockingOperators):
    """A remote object; see the module.

    Names that begin with an underscore stay local, and so does `repr`. May be used from any
    thread but that of the connection's own event loop, where it raises RuntimeError; but there,
    calling what a synchronous method was given gives a cursor to await.
    """

    __slots__ = ("__weakref__", "_desk", "_hash", "_reference", "_steps")

    _desk: Desk
    _hash: int  # once it was asked for: that of an object never changes
    _reference: Reference | None
    _steps: list[Step]

    __doc__ = _Told(_tell_doc, __doc__)
    __signature__ = _Told(_tell_signature, None)

    def __init__(self, desk: Desk, reference: Reference | None, steps: list[Step]) -> None:
        _set_desk(self, desk)
        _set_reference(self, reference)
        _set_steps(self, steps)

    # -- attributes, items, calls ---------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_":
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}: names that begin with "
                "an underscore stay local"
            )
        if not self._steps:
            reference = self._reference or _resolve_root(self)
            if reference is not None and name in self._desk.methods_of(reference.type):
                return BlockingMethod(self._desk, reference, [name])
        return self._fetch(name)

    def __setattr__(self, name: str, value: object) -> None:
        _check_name(name)
        self._request([SET, name, value])

    def __delattr__(self, name: str) -> None:
        _check_name(name)
        self._request([DEL, name])

    def __getitem__(self, key: object) -> Any:
        return self._fetch([ITEM, key])

    def __setitem__(self, key: object, value: object) -> None:
        self._request([SETITEM, key, value])

    def __delitem__(self, key: object) -> None:
        self._request([DELITEM, key])

    def __call__(self, /, *args: object, **kwargs: object) -> Any:
        step = [CALL, list(args), kwargs] if kwargs else [CALL, list(args)]
        return self._desk.call(self._reference, [*self._steps, step])

    def __dir__(self) -> list[str]:
        names: list[str] = list(self._operate("dir"))
        return names

    # -- containers, iterators, context managers --------------------------------------------------

    def __len__(self) -> int:
        told = self._told()
        if told.get("sized") is False:
            # `list(proxy)` asks for it as well, and must not fail where the policy would refuse.
            raise TypeError(f"object of type {_name_in(told)!r} has no len()")
        size: int = self._operate("len")
        return size

    def __contains__(self, item: object) -> bool:
        return bool(self._operate("contains", item))

    def __iter__(self) -> Iterator[Any]:
        found = self._found()
        if found is not self:
            return cast("Iterator[Any]", iter(cast("Any", found)))
        told = self._told()
        if told.get("iterable") is False and told.get("async_iterable") is False:
            raise TypeError(f"{_name_in(told)!r} object is not iterable")
        return self._desk.iterate(self._reference, [*self._steps, [STREAM, CHUNK]], self)

    def __reversed__(self) -> Iterator[Any]:
        found = self._found()
        if found is not self:
            return cast("Iterator[Any]", reversed(cast("Any", found)))
        try:
            its_own = self._operate("reversed")
        except AccessDenied:  # to its peers it has none, as a class has none
            its_own = NotImplemented
        if its_own is not NotImplemented:
            return cast("Iterator[Any]", its_own)
        told = self._told()
        if told.get("sized") is False or told.get("indexable") is False:
            raise TypeError(f"{_name_in(told)!r} object is not reversible")
        return (self[place] for place in range(len(self) - 1, -1, -1))

    def __bytes__(self) -> bytes:
        given = self._operate("bytes")
        if given is not NotImplemented:
            return cast("bytes", given)
        # As Python does: so many zeros, else the items.
        try:
            return bytes(self.__index__())
        except TypeError:
            pass
        try:
            items = iter(self)
        except TypeError:
            name = _name_in(self._told())
            raise TypeError(f"cannot convert {name!r} object to bytes") from None
        return bytes(items)

    def __next__(self) -> Any:
        try:
            return self._operate("next")
        except RemoteError as error:
            if error.type_name != "StopIteration":
                raise
        raise StopIteration

    def __enter__(self) -> Any:
        return self._operate("aenter")  # which takes managers of both kinds

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return bool(self._operate("aexit", error))

    # -- comparisons ------------------------------------------------------------------------------

    # A remote object that is gone equals no other one, and its hash stays what it was, so that it
    # can be taken out of the list or the set where somebody keeps it.

    def __eq__(self, other: object) -> Any:
        if _is_same(self, other) or _is_one_gone(self, other):
            return _is_same(self, other)
        return self._compare("eq", other)

    def __ne__(self, other: object) -> Any:
        if _is_same(self, other) or _is_one_gone(self, other):
            return not _is_same(self, other)
        return self._compare("ne", other)

    def __hash__(self) -> int:
        known: int | None = getattr(self, "_hash", None)
        if known is None:
            known = int(self._operate("hash"))
            _set_hash(self, known)
        return known

    # -- asking -----------------------------------------------------------------------------------

    def _found(self) -> object:
        """Returns what stands for the object itself, whose type's description is there.

        That is `self`, but where it is a path, whose end may be an object of this side.
        """
        if self._desk.is_classic:
            return self
        if self._steps:
            return self._request([REF])
        if self._reference is None:
            _resolve_root(self)
        return self

    def _told(self) -> dict[Any, Any]:
        """Returns the description of the object's type; nothing where it is not known yet."""
        told = None if self._steps or self._reference is None else self._reference.type
        return told if isinstance(told, dict) else {}

    def _request(self, step: Step) -> Any:
        return self._desk.request(self._reference, [*self._steps, step])

    def _operate(self, name: str, *args: object) -> Any:
        return self._request([OPERATE, name, list(args)])

    def _compare(self, name: str, other: object) -> Any:
        """Asks the remote object alone; if it has no answer, Python asks `other` here."""
        if type(other) in _PLAIN or self._desk.is_classic:
            return self._operate(name, other)
        return self._request([OPERATE, name, [other], True])

    def _fetch(self, step: Step) -> Any:
        """Runs a step whose outcome is a part of the object, which may be changed through it."""
        steps = [*self._steps, step] if self._desk.is_classic else [*self._steps, step, _LIVE]
        return self._desk.request(self._reference, steps)

    # -- what stays local -------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {path_of(cursor_of(self))}>"

    def __copy__(self) -> BlockingProxy:
        return self

    def __deepcopy__(self, memo: object) -> BlockingProxy:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a blocking proxy cannot be pickled: it belongs to its connection")

    def __mro_entries__(self, bases: object) -> NoReturn:
        raise TypeError("a class of the other side cannot be the base of one here")


_set_desk = BlockingProxy.__dict__["_desk"].__set__
_set_reference = BlockingProxy.__dict__["_reference"].__set__
_set_steps = BlockingProxy.__dict__["_steps"].__set__
_set_hash = BlockingProxy.__dict__["_hash"].__set__


class BlockingMethod(BlockingProxy):
    """A method of a remote object, read without asking: its type's description lists it."""

    __slots__ = ()
    __doc__ = _Told(_tell_doc, __doc__)

    @property
    def __name__(self) -> str:
        name = self._steps[-1]
        assert isinstance(name, str)  # nothing else makes one
        return name

    def __get__(self, owner: object, cls: type | None = None) -> BlockingMethod:
        # With this, `help` and `inspect` take it for the routine that it is.
        return self


def _resolve_root(proxy: BlockingProxy) -> Reference | None:
    """Fetches a reference to the root object, and with it the description of its type."""
    if proxy._desk.is_classic:
        return None
    found = proxy._desk.request(None, [[REF]])
    reference = found._reference if isinstance(found, BlockingProxy) else None
    _set_reference(proxy, reference)
    if reference is not None:
        proxy._desk.know_root(reference)
    return reference


def forget_root(root: BlockingProxy) -> None:
    """Has the root stand for itself again, whatever becomes of the reference to its object."""
    _set_reference(root, None)


def _check_name(name: str) -> None:
    if name[:1] == "_":
        raise AttributeError(
            f"{name!r} cannot be changed: names that begin with an underscore stay local"
        )


def _name_in(told: dict[Any, Any]) -> str:
    name = told.get("name")
    return name if isinstance(name, str) else "object"


def _is_same(proxy: BlockingProxy, other: object) -> bool:
    if proxy is other:
        return True
    return (
        is_blocking(other)
        and proxy._desk is other._desk  # type: ignore[attr-defined]
        and proxy._reference is other._reference  # type: ignore[attr-defined]
        and proxy._steps == other._steps  # type: ignore[attr-defined]
    )


def _is_one_gone(proxy: BlockingProxy, other: object) -> bool:
    """Whether the connection of one of two remote objects has ended."""
    if not is_blocking(other):
        return False
    return proxy._desk.is_closed or other._desk.is_closed  # type: ignore[attr-defined]


# -- between the two faces ------------------------------------------------------------------------


def is_blocking(value: object) -> bool:
    """Whether `value` is a blocking proxy; asks nothing of `value` itself."""
    return issubclass(type(value), BlockingProxy)


def blocking(cursor: ProxyCursor) -> BlockingProxy:
    """Returns the blocking proxy on what a cursor stands for, without I/O."""
    desk: Desk = cursor._peer.desk  # type: ignore[attr-defined]  # every peer has one
    return desk.proxy(cursor._reference, cursor._steps)


def cursor_of(proxy: Any) -> ProxyCursor:
    """Returns the cursor on what a blocking proxy stands for: always the same while it lives."""
    reference, peer = proxy._reference, proxy._desk.peer
    if proxy._steps or reference is None:
        return ProxyCursor(peer, reference, proxy._steps)
    cursor: ProxyCursor | None = reference.cursor()
    if cursor is None:
        cursor = ProxyCursor(peer, reference, [])
        reference.cursor = weakref.ref(cursor)
    return cursor


__all__ = [
    "BlockingMethod",
    "BlockingProxy",
    "Desk",
    "blocking",
    "cursor_of",
    "forget_root",
    "is_blocking",
]
