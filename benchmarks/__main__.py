"""``python -m benchmarks [--rounds N] [--seconds S] [--json FILE]``."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from contextlib import ExitStack, closing
from pathlib import Path

from .cases import CASES
from .contestants import ORIGINAL_PYTHON, Contestant, find_original
from .table import OURS, Rates, ratios, render

_WARM_UP = 0.3


def _start(stack: ExitStack) -> list[Contestant]:
    pythons = dict.fromkeys(("raw echo", OURS, "ours blocking"), sys.executable)
    if importlib.util.find_spec("rpyc") is None:
        print("RPyC is left out: `pip install -e '.[bench]'` brings it")
    else:
        pythons["rpyc"] = sys.executable
    original = find_original()
    if original is None:
        print(
            "the PyPI original is left out: `make original` makes .venv-original, and "
            f"{ORIGINAL_PYTHON} can name another interpreter that has it"
        )
    else:
        pythons["original"] = original
    started = []
    for name, python in pythons.items():
        contestant = stack.enter_context(closing(Contestant(name, python)))
        print(f"{name}: Python {contestant.python}, {contestant.loop}")
        started.append(contestant)
    return started


def _run(contestants: list[Contestant], rounds: int, seconds: float) -> Rates:
    """Measures all in turn, round by round; the first round only warms up."""
    rates: dict[str, dict[str, list[float]]] = {case.name: {} for case in CASES}
    for number in range(rounds + 1):
        for case in CASES:
            for contestant in contestants:
                if not contestant.can_run(case):
                    continue
                rate = contestant.measure(case, seconds if number else _WARM_UP)
                if number:
                    rates[case.name].setdefault(contestant.name, []).append(rate)
        print(f"round {number} of {rounds}" if number else "warm", file=sys.stderr, flush=True)
    return rates


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of each measurement (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every rate to FILE")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("at least one round, of more than 0 seconds")
    with ExitStack() as stack:
        try:
            contestants = _start(stack)
        except ChildProcessError as error:
            sys.exit(f"benchmarks: {error}")
        rates = _run(contestants, options.rounds, options.seconds)
        print(render(rates, [contestant.name for contestant in contestants]))
        if options.json is not None:
            report = {
                "rounds": options.rounds,
                "seconds": options.seconds,
                "contestants": {
                    each.name: {"python": each.python, "loop": each.loop} for each in contestants
                },
                "rates": rates,
                "ratios": ratios(rates),
            }
            options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
