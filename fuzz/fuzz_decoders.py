"""``python -m fuzz.fuzz_decoders [-max_total_time=SECONDS]``: any bytes to what reads messages."""

from __future__ import annotations

import atheris

with atheris.instrument_imports(include=["proxyables.wire"]):
    import invariants
    import seeds

from fuzz.driver import fuzz


def check(data: bytes) -> None:
    """Gives the same bytes to all of them."""
    for decoder in invariants.DECODERS.values():
        decoder(data)


if __name__ == "__main__":
    fuzz(check, seeds.messages())
