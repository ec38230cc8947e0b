"""The one error of core."""

from nightslate.errors import NightslateError


class InvalidInputError(NightslateError, ValueError):
    """An argument breaks what the function says it needs. Nothing is repaired, dropped or guessed."""

    exit_code = 65
