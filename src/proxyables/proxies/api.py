"""What the classes are that describe remote objects to type checkers; see `typed` for their use."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeAlias, get_origin

if TYPE_CHECKING:
    # Defaults of type variables are in `typing` from Python 3.13 on. Every checker knows this
    # module without having it installed.
    from typing_extensions import TypeVar

    from .blocking import BlockingProxy
    from .cursor import ProxyCursor

    Root = TypeVar("Root", covariant=True, default=Any)
    Api = TypeVar("Api", default=ProxyCursor)
    BlockingApi = TypeVar("BlockingApi", default=BlockingProxy)
else:
    from typing import TypeVar

    Root = TypeVar("Root", covariant=True)
    Api = TypeVar("Api")
    BlockingApi = TypeVar("BlockingApi")

T = TypeVar("T")

ApiClass: TypeAlias = type[T] | Callable[..., T]
"""A class that describes a remote object whose type is then `T`.

To mypy a Protocol or an abstract class is no ``type[T]``, as that could be called; in this union
it is, and so is it to every other checker.
"""


def check_class(api: object) -> None:
    """Raises TypeError for what is neither a class nor one with its parameters, ``Store[int]``."""
    described = get_origin(api) or api
    if not isinstance(described, type) or described is UnionType:
        raise TypeError(f"a remote object is described by a class or Protocol, got {api!r:.200}")


__all__ = ["Api", "ApiClass", "BlockingApi", "Root", "T", "check_class"]
