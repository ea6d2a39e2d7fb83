"""Fuzzers, driven by coverage: ``make fuzz``. What they check is in `tests/invariants.py`."""
