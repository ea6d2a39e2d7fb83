"""`%save`: a session as a program that does the same, without the REPL."""

from __future__ import annotations

from proxyables_cli.repl.saving.program import Form, save

__all__ = ["Form", "save"]
