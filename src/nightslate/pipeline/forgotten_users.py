"""Users who asked to be forgotten, as the warehouse knows them."""

from __future__ import annotations

import re

from nightslate.kernels.forgotten_users import ForgottenUsers
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.night import Night

_TAG = re.compile(r"[0-9a-f]{32}")


def forgotten_users(night: Night, pseudonymise: Pseudonymiser) -> ForgottenUsers:
    """Of the program, as of now."""
    folder = night.warehouse.forgotten(night.name)
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return ForgottenUsers(pseudonymise, frozenset(name for name in names if _TAG.fullmatch(name)))
