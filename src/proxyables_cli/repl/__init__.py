"""The REPL: Python on live remote objects, at a prompt or from a script."""
