"""``python -m fuzz.fuzz_session [-max_total_time=SECONDS]``: any bytes to a Yamux session."""

from __future__ import annotations

import atheris

with atheris.instrument_imports(include=["proxyables.yamux"]):
    import invariants
    import seeds

from fuzz.driver import fuzz

if __name__ == "__main__":
    fuzz(invariants.check_session, seeds.sessions())
