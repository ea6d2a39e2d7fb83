"""The parity agent: what the cross-language harness of the implementations starts for this one.

`parity_agent.py`, beside this package, is the program. The harness has an agent of each language
serve, and another drive it, scenario by scenario; an agent tells what happens in JSON lines.
"""
