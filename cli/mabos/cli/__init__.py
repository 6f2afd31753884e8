"""The terminal door: the ``mabos`` command."""
