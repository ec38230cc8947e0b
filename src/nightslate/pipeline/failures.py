"""What made a step fail, as an error of ours: out of the words of the operating system."""

from __future__ import annotations

from pathlib import Path

from nightslate.errors import DamageError, NightslateError, tells_of_full_disk


def cause(error: Exception, home: Path) -> NightslateError | None:
    """The error of ours that a step failed of; None where it is none, and a stack trace is what there is."""
    if isinstance(error, NightslateError):
        return error
    if tells_of_full_disk(error):
        return None
    if isinstance(error, OSError):
        return _of_the_system(error, home)
    return None


def _of_the_system(error: OSError, home: Path) -> DamageError | None:
    places = [str(name) for name in (error.filename2, error.filename) if name is not None]
    place = next((place for place in places if Path(place).is_relative_to(home)), None)
    if place is None:
        return None
    return DamageError(
        f"{place}: {error.strerror}. Move away what is in its place, or let this user write it; then run the"
        " step again"
    )
