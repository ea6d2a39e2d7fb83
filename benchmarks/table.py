"""Rates as ratios, and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from .cases import CASES, GOALS

OURS = "ours"
_OPPONENTS = {"rpyc": "ours blocking"}
"""Which of our faces another contestant is compared with, if not the asynchronous one."""

Rates = Mapping[str, Mapping[str, Sequence[float]]]
"""By case and contestant: calls per second, one number per round."""


def ratios(rates: Rates) -> dict[str, dict[str, float]]:
    """Returns, by case and other contestant, the median of the rounds' ratios of ours to theirs."""
    return {
        case: {
            name: _ratio(row[_opponent(name)], others)
            for name, others in row.items()
            if name != OURS and _opponent(name) in row
        }
        for case, row in rates.items()
    }


def _opponent(name: str) -> str:
    return _OPPONENTS.get(name, OURS)


def _ratio(ours: Sequence[float], others: Sequence[float]) -> float:
    return median(our / other for our, other in zip(ours, others, strict=True))


def render(rates: Rates, names: Sequence[str]) -> str:
    """Returns the table, a line per case: rates are medians of the rounds."""
    others = [name for name in names if name != OURS]
    found = ratios(rates)
    lines = [
        f"{'calls/s':20}"
        + "".join(f"{name:>15}" for name in names)
        + "".join(f"{f'{_opponent(name)} / {name}':>24}" for name in others)
    ]
    for case in CASES:
        row = rates[case.name]
        shown = [f"{median(row[name]):,.0f}" if name in row else "-" for name in names]
        judged = [_judge(found[case.name].get(name), case.least.get(name)) for name in others]
        cells = [f"{text:>15}" for text in shown] + [f"{text:>24}" for text in judged]
        lines.append(f"{case.name:20}" + "".join(cells))
    for goal in GOALS:
        ratio = _ratio(rates[goal.case][OURS], rates[goal.other][OURS])
        lines.append(f"{goal.case} / {goal.other}, {OURS}: {_judge(ratio, goal.least)}")
    return "\n".join(lines)


def _judge(ratio: float | None, least: float | None) -> str:
    if ratio is None:
        return "-"
    if least is None:
        return f"{ratio:.2f}"
    return f"{ratio:.2f} ({'reaches' if ratio >= least else 'MISSES'} {least:.2g})"
