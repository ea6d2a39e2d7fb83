"""The ``bridge`` command: bytes between two addresses, or a listener for many."""
