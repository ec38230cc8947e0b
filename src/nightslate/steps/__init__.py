"""One file a step of the night: read, call, write. The only layer that sees all the others."""

from nightslate.steps.night import Night, run_step

__all__ = ["Night", "run_step"]
