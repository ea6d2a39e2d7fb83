"""`%save`: a session as a program that does the same, without the REPL."""

from __future__ import annotations

from proxyables_cli.repl.saving.frame import Form
from proxyables_cli.repl.saving.program import save

__all__ = ["Form", "save"]
