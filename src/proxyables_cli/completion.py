"""``completion``: what makes a shell complete our command lines, and what that then asks."""

from __future__ import annotations

import os
import re
import shlex

from proxyables_cli import stdout
from proxyables_cli.exits import Code, Failure, printable
from proxyables_cli.options import Command, Common, switch, word

# Each hands over the line as far as the cursor, in the words of a POSIX shell, and gets lines back.
_BASH = """\
_proxyables() {
    local IFS=$'\\n'
    COMPREPLY=( $(PROXYABLES_LINE="${COMP_LINE:0:COMP_POINT}" \\
        PROXYABLES_BREAKS="$COMP_WORDBREAKS" proxyables completion bash --ask 2>/dev/null) )
    [[ "${COMPREPLY[0]}" == *[/:.] ]] && compopt -o nospace
}
complete -F _proxyables proxyables
"""

_ZSH = """\
#compdef proxyables
_proxyables() {
    local -a found
    found=("${(@f)$(PROXYABLES_LINE="${(j: :)${(@qq)words[1,CURRENT]}}" \\
        proxyables completion zsh --ask 2>/dev/null)}")
    [[ -n "$found" ]] && _describe 'proxyables' found
}
compdef _proxyables proxyables
"""

_FISH = """\
function __proxyables
    set -l typed (commandline -opc) (commandline -ct)
    set -lx PROXYABLES_LINE (string join ' ' (string escape --style=script -- $typed))
    proxyables completion fish --ask 2>/dev/null
end
complete -c proxyables -f -a '(__proxyables)'
"""

_PLAIN = re.compile(r"[\w@%+=:,./~-]+")
"""What no shell gives a meaning of its own."""

SHELLS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


class CompletionOptions(Common):
    """The command line of ``completion``."""

    shell: str = word("SHELL", text="bash, zsh or fish.")
    ask: bool = switch("--ask", text="Print what could stand at the cursor; the script asks this.")


def run(options: CompletionOptions) -> int:
    """Prints the script for a shell, or what it asks for."""
    script = SHELLS.get(options.shell)
    if script is None:
        told = f"no completion for {options.shell!r}"
        raise Failure(Code.USAGE, told, f"there is one for {', '.join(SHELLS)}")
    if not options.ask:
        stdout.write(script.encode())
        return Code.OK
    from proxyables_cli.completing import candidates

    words = split(os.environ.get("PROXYABLES_LINE", ""))
    # bash replaces only what stands behind the last of these characters.
    breaks = os.environ.get("PROXYABLES_BREAKS", "")
    kept = max((words[-1].rfind(each) for each in breaks), default=-1) + 1
    for name, meaning in candidates(words[1:]):
        if options.shell == "bash" and not _PLAIN.fullmatch(name):
            continue  # bash takes what it is given as it is: a file's name could be a command
        told = _told(options.shell, printable(name), printable(meaning))[kept:]
        stdout.write(f"{told}\n".encode())
    return Code.OK


def split(line: str) -> list[str]:
    """Takes a line apart as a shell does; the last word is the one at the cursor, maybe empty."""
    try:
        typed = shlex.split(line)
    except ValueError:  # an open quote
        typed = line.split()
    return [*typed, ""] if line[-1:].isspace() or len(typed) < 2 else typed


def _told(shell: str, name: str, meaning: str) -> str:
    if shell == "fish":
        return f"{name}\t{meaning}"
    return name if shell == "bash" else f"{name.replace(':', chr(92) + ':')}:{meaning}"


COMMANDS = (
    Command(
        "completion",
        CompletionOptions,
        run,
        help="Print the script that makes a shell complete command lines.",
        epilog='Example, in ~/.bashrc: eval "$(proxyables completion bash)"',
    ),
)

__all__ = ["COMMANDS", "SHELLS", "CompletionOptions", "run", "split"]
