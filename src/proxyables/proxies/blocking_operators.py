"""Python's operators and conversions on a blocking proxy: each runs over there, at once.

`==`, `!=` and `hash` are not among them: what needs no asking is answered by the proxy itself.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from proxyables.wire.instructions import OPERATE, Step


def _operator(name: str) -> Callable[[Any, object], Any]:
    def operate(self: BlockingOperators, other: object) -> Any:
        return self._operate(name, other)

    return operate


def _comparison(name: str) -> Callable[[Any, object], Any]:
    def operate(self: BlockingOperators, other: object) -> Any:
        return self._compare(name, other)

    return operate


def _in_place(name: str) -> Callable[[Any, object], Any]:
    def operate(self: BlockingOperators, other: object) -> Any:
        return self._fetch([OPERATE, name, [other]])

    return operate


def _conversion(name: str) -> Callable[[Any], Any]:
    def operate(self: BlockingOperators) -> Any:
        return self._operate(name)

    return operate


class BlockingOperators:
    """What `BlockingProxy` inherits; it says how to ask."""

    __slots__ = ()

    @abstractmethod
    def _operate(self, name: str, *args: object) -> Any: ...

    @abstractmethod
    def _compare(self, name: str, other: object) -> Any: ...

    @abstractmethod
    def _fetch(self, step: Step) -> Any: ...

    __lt__ = _comparison("lt")
    __le__ = _comparison("le")
    __gt__ = _comparison("gt")
    __ge__ = _comparison("ge")

    __add__ = _operator("add")
    __sub__ = _operator("sub")
    __mul__ = _operator("mul")
    __matmul__ = _operator("matmul")
    __truediv__ = _operator("truediv")
    __floordiv__ = _operator("floordiv")
    __mod__ = _operator("mod")
    __divmod__ = _operator("divmod")
    __lshift__ = _operator("lshift")
    __rshift__ = _operator("rshift")
    __and__ = _operator("and")
    __or__ = _operator("or")
    __xor__ = _operator("xor")

    __radd__ = _operator("radd")
    __rsub__ = _operator("rsub")
    __rmul__ = _operator("rmul")
    __rmatmul__ = _operator("rmatmul")
    __rtruediv__ = _operator("rtruediv")
    __rfloordiv__ = _operator("rfloordiv")
    __rmod__ = _operator("rmod")
    __rdivmod__ = _operator("rdivmod")
    __rpow__ = _operator("rpow")
    __rlshift__ = _operator("rlshift")
    __rrshift__ = _operator("rrshift")
    __rand__ = _operator("rand")
    __ror__ = _operator("ror")
    __rxor__ = _operator("rxor")

    __iadd__ = _in_place("iadd")
    __isub__ = _in_place("isub")
    __imul__ = _in_place("imul")
    __imatmul__ = _in_place("imatmul")
    __itruediv__ = _in_place("itruediv")
    __ifloordiv__ = _in_place("ifloordiv")
    __imod__ = _in_place("imod")
    __ipow__ = _in_place("ipow")
    __ilshift__ = _in_place("ilshift")
    __irshift__ = _in_place("irshift")
    __iand__ = _in_place("iand")
    __ior__ = _in_place("ior")
    __ixor__ = _in_place("ixor")

    __neg__ = _conversion("neg")
    __pos__ = _conversion("pos")
    __abs__ = _conversion("abs")
    __invert__ = _conversion("invert")
    __int__ = _conversion("int")
    __float__ = _conversion("float")
    __complex__ = _conversion("complex")
    __index__ = _conversion("index")
    __floor__ = _conversion("floor")
    __ceil__ = _conversion("ceil")
    __trunc__ = _conversion("trunc")
    __str__ = _conversion("str")

    def __bool__(self) -> bool:
        return bool(self._operate("bool"))

    def __pow__(self, other: object, modulus: object = None) -> Any:
        return self._operate("pow", *((other,) if modulus is None else (other, modulus)))

    def __round__(self, digits: int | None = None) -> Any:
        return self._operate("round", *(() if digits is None else (digits,)))

    def __format__(self, spec: str) -> str:
        text: str = self._operate("format", spec)
        return text
