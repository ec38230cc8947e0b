"""The text of a program as one word of a command line: a step can run where there is no DAGs folder."""

from __future__ import annotations

import base64
import zlib

from nightslate.errors import SpecError


def pack(text: str) -> str:
    """Letters, digits, `-`, `_` and `=` alone: nothing that a shell or a template would read."""
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode()


def unpack(packed: str) -> str:
    """The text again. Raises SpecError where the word is no such text."""
    try:
        return zlib.decompress(base64.urlsafe_b64decode(packed)).decode()
    except (ValueError, zlib.error) as error:
        raise SpecError(f"what was given as a packed program is none ({error})") from error
