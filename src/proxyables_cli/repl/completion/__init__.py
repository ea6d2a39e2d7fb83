"""Completion at the prompt: where the cursor is, what could stand there, what the call takes."""

from proxyables_cli.repl.completion.arguments import Arguments
from proxyables_cli.repl.completion.candidate import Candidate
from proxyables_cli.repl.completion.completer import Completer
from proxyables_cli.repl.completion.remote import Descriptions
from proxyables_cli.repl.completion.signatures import Help

__all__ = ["Arguments", "Candidate", "Completer", "Descriptions", "Help"]
