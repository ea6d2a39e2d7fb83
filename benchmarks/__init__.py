"""How fast a call is, as ratios measured in one run: ``python -m benchmarks``.

Each contestant is two processes, a server and a client, with uvloop on both ends if it has loops.
The rounds are interleaved, so that what else the machine does meets all of them alike, and a ratio
is the median of the ratios of the rounds: absolute numbers of a shared machine mean little.
"""
