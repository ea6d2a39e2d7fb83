"""Rates as ratios, and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from .cases import CASES, Case

OURS = "ours"

Rates = Mapping[str, Mapping[str, Sequence[float]]]
"""By case and contestant: calls per second, one number per round."""


def ratios(rates: Rates) -> dict[str, dict[str, float]]:
    """Returns, by case and other contestant, the median of the rounds' ratios of ours to theirs."""
    return {
        case: {
            name: median(our / their for our, their in zip(row[OURS], others, strict=True))
            for name, others in row.items()
            if name != OURS
        }
        for case, row in rates.items()
    }


def render(rates: Rates, names: Sequence[str]) -> str:
    """Returns the table, a line per case: rates are medians of the rounds."""
    others = [name for name in names if name != OURS]
    found = ratios(rates)
    lines = [
        f"{'calls/s':18}"
        + "".join(f"{name:>12}" for name in names)
        + "".join(f"{'ours / ' + name:>28}" for name in others)
    ]
    for case in CASES:
        row = rates[case.name]
        shown = [f"{median(row[name]):,.0f}" if name in row else "-" for name in names]
        judged = [_judge(case, name, found[case.name].get(name)) for name in others]
        cells = [f"{text:>12}" for text in shown] + [f"{text:>28}" for text in judged]
        lines.append(f"{case.name:18}" + "".join(cells))
    return "\n".join(lines)


def _judge(case: Case, name: str, ratio: float | None) -> str:
    if ratio is None:
        return "-"
    least = case.least.get(name)
    if least is None:
        return f"{ratio:.2f}"
    return f"{ratio:.2f} ({'reaches' if ratio >= least else 'MISSES'} {least:g})"
