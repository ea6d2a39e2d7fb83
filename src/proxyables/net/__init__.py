"""Where bytes come from: addresses, the transports behind them, child processes, endpoints.

This package imports nothing by itself, so that ``proxyables.net.addresses``, which imports no
asyncio, stays cheap for a command that only has to understand its arguments.
"""
