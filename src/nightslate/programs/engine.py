"""Which engine runs the heavy steps of a program."""

from __future__ import annotations

from nightslate import settings
from nightslate.programs.spec import Program
from nightslate.settings import EngineName


def engine_of(program: Program, unless_told: EngineName) -> EngineName:
    """What the program says, else what the installation says ($NIGHTSLATE_ENGINE), else `unless_told`."""
    return program.engine or settings.engine() or unless_told
