"""The parts of ``serve``."""
