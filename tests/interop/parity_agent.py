#!/usr/bin/env python3
"""The parity agent, as the cross-language harness starts it; the package `parity` is all of it.

parity_agent.py serve
parity_agent.py drive --host 127.0.0.1 --port PORT --scenarios GetScalars,CallAdd
parity_agent.py bench --host 127.0.0.1 --port PORT --scenarios CallAdd --iterations 1000
parity_agent.py bridge --upstream-host 127.0.0.1 --upstream-port PORT --upstream-lang go
"""

import sys

from parity.agent import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
