"""How a command on files says how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Told how much is done of how much, by name."""
