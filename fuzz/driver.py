"""Runs one check under atheris, beginning with the seeds.

Atheris is libFuzzer for Python: it keeps what reaches new lines of the code, and changes that
further. What it finds is written to the current directory as ``crash-…``, and makes it end with a
failure.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import atheris


def fuzz(check: Callable[[bytes], None], seeds: Iterable[bytes]) -> None:
    """Gives `check` bytes until the options of the command line (libFuzzer's) say that it ends."""
    with tempfile.TemporaryDirectory() as directory:
        for seed in seeds:
            (Path(directory) / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
        # The first directory is where it writes; a run leaves nothing behind.
        atheris.Setup([*sys.argv, directory], check)
        atheris.Fuzz()
