"""``python -m proxyables_cli``: the command, for where it is not on the PATH."""

import sys

from proxyables_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
