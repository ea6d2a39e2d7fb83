"""What an operation of the closed table would cost, before it is begun.

One small message could otherwise have integers multiplied for minutes, or a string repeated until
the memory ends. Only builtin integers and sequences are looked at: what an operator of the user's
own class costs is that class's business.
"""

from __future__ import annotations

from typing import Any

from proxyables.errors import LimitExceeded
from proxyables.limits import Limits

_SEQUENCES = (str, bytes, bytearray, list, tuple)


def check_cost(name: str, value: Any, args: list[Any], limits: Limits) -> None:
    """Refuses an operation whose outcome no message could carry.

    Raises:
        LimitExceeded: Its outcome would be over ``max_integer_bits`` or ``max_message``.
    """
    plain = name.removeprefix("i")
    if len(args) != 1 or plain.removeprefix("r") not in ("pow", "lshift", "mul"):
        return
    left, right = (args[0], value) if plain.startswith("r") else (value, args[0])
    operation = plain.removeprefix("r")
    if type(left) is int and type(right) is int:
        _check_bits(operation, left, right, limits)
    elif operation == "mul":
        for sequence, count in ((left, right), (right, left)):
            if type(sequence) in _SEQUENCES and type(count) is int:
                size = len(sequence) * count
                if size > limits.max_message:
                    raise LimitExceeded("max_message", limits.max_message, size, "sequence")


def _check_bits(operation: str, left: int, right: int, limits: Limits) -> None:
    if operation == "mul":
        bits = left.bit_length() + right.bit_length()
    elif right < 0 or left == 0:
        return
    elif operation == "lshift":
        bits = left.bit_length() + right
    else:
        bits = left.bit_length() * right if left.bit_length() > 1 else 1
    if bits > limits.max_integer_bits:
        raise LimitExceeded("max_integer_bits", limits.max_integer_bits, bits, "integer")
