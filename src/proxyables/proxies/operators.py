"""Python's operators on a cursor: each is one more step, run over there with Python's semantics.

`==` and `!=` are not among them: they compare cursors, locally.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cursor import ProxyCursor


class Operators:
    """What `ProxyCursor` inherits; `_operate` adds the step."""

    __slots__ = ()

    @abstractmethod
    def _operate(self, name: str, *args: object) -> ProxyCursor: ...

    def __add__(self, other: object) -> ProxyCursor:
        return self._operate("add", other)

    def __radd__(self, other: object) -> ProxyCursor:
        return self._operate("radd", other)

    def __sub__(self, other: object) -> ProxyCursor:
        return self._operate("sub", other)

    def __rsub__(self, other: object) -> ProxyCursor:
        return self._operate("rsub", other)

    def __mul__(self, other: object) -> ProxyCursor:
        return self._operate("mul", other)

    def __rmul__(self, other: object) -> ProxyCursor:
        return self._operate("rmul", other)

    def __matmul__(self, other: object) -> ProxyCursor:
        return self._operate("matmul", other)

    def __rmatmul__(self, other: object) -> ProxyCursor:
        return self._operate("rmatmul", other)

    def __truediv__(self, other: object) -> ProxyCursor:
        return self._operate("truediv", other)

    def __rtruediv__(self, other: object) -> ProxyCursor:
        return self._operate("rtruediv", other)

    def __floordiv__(self, other: object) -> ProxyCursor:
        return self._operate("floordiv", other)

    def __rfloordiv__(self, other: object) -> ProxyCursor:
        return self._operate("rfloordiv", other)

    def __mod__(self, other: object) -> ProxyCursor:
        return self._operate("mod", other)

    def __rmod__(self, other: object) -> ProxyCursor:
        return self._operate("rmod", other)

    def __divmod__(self, other: object) -> ProxyCursor:
        return self._operate("divmod", other)

    def __rdivmod__(self, other: object) -> ProxyCursor:
        return self._operate("rdivmod", other)

    def __pow__(self, other: object, modulus: object = None) -> ProxyCursor:
        return self._operate("pow", *((other,) if modulus is None else (other, modulus)))

    def __rpow__(self, other: object) -> ProxyCursor:
        return self._operate("rpow", other)

    def __lshift__(self, other: object) -> ProxyCursor:
        return self._operate("lshift", other)

    def __rlshift__(self, other: object) -> ProxyCursor:
        return self._operate("rlshift", other)

    def __rshift__(self, other: object) -> ProxyCursor:
        return self._operate("rshift", other)

    def __rrshift__(self, other: object) -> ProxyCursor:
        return self._operate("rrshift", other)

    def __and__(self, other: object) -> ProxyCursor:
        return self._operate("and", other)

    def __rand__(self, other: object) -> ProxyCursor:
        return self._operate("rand", other)

    def __or__(self, other: object) -> ProxyCursor:
        return self._operate("or", other)

    def __ror__(self, other: object) -> ProxyCursor:
        return self._operate("ror", other)

    def __xor__(self, other: object) -> ProxyCursor:
        return self._operate("xor", other)

    def __rxor__(self, other: object) -> ProxyCursor:
        return self._operate("rxor", other)

    def __lt__(self, other: object) -> ProxyCursor:
        return self._operate("lt", other)

    def __le__(self, other: object) -> ProxyCursor:
        return self._operate("le", other)

    def __gt__(self, other: object) -> ProxyCursor:
        return self._operate("gt", other)

    def __ge__(self, other: object) -> ProxyCursor:
        return self._operate("ge", other)

    def __neg__(self) -> ProxyCursor:
        return self._operate("neg")

    def __pos__(self) -> ProxyCursor:
        return self._operate("pos")

    def __abs__(self) -> ProxyCursor:
        return self._operate("abs")

    def __invert__(self) -> ProxyCursor:
        return self._operate("invert")

    def __round__(self, digits: int | None = None) -> ProxyCursor:
        return self._operate("round") if digits is None else self._operate("round", digits)
