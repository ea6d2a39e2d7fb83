"""Stand-alone tables of references for tests of the two dialects."""

from __future__ import annotations

from typing import Any

from proxyables.errors import ReferenceNotFound
from proxyables.wire.dialect import Reference


class Borrowed:
    """What a reference of the other side becomes here."""

    def __init__(self, reference: Reference, kind: int, description: Any) -> None:
        self.reference = reference
        self.kind = kind
        self.description = description


class Path:
    """Stands for a cursor of this connection."""

    def __init__(self, target: Reference | None, steps: list[Any]) -> None:
        self.target = target
        self.steps = steps


class Lender:
    """The real protocol `References`, with lists instead of counts."""

    def __init__(self) -> None:
        self.lent: list[object] = []
        self.borrowed: list[Borrowed] = []

    def lend(self, value: object) -> int:
        self.lent.append(value)
        return len(self.lent)

    def tell_type(self, value: object) -> list[Any]:
        return [7, {"name": type(value).__name__}]

    def borrow(self, reference: Reference, kind: int, description: Any) -> Borrowed:
        self.borrowed.append(Borrowed(reference, kind, description))
        return self.borrowed[-1]

    def own(self, reference: Reference) -> object:
        if reference == 0:
            return "root"
        if not isinstance(reference, int) or reference > len(self.lent):
            raise ReferenceNotFound(f"no {reference}")
        return self.lent[reference - 1]

    def is_quiet(self, kind: type) -> bool:
        return False

    def check_key(self, value: object) -> None:
        hash(value)

    def path_to(self, value: object) -> tuple[Reference | None, list[Any]] | None:
        return (value.target, value.steps) if isinstance(value, Path) else None
