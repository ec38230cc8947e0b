"""What a program promises its users beside keeping their ids apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from nightslate.programs.strict import MOST_ROWS, Strict

if TYPE_CHECKING:
    from nightslate.programs.issue import Issue


class Privacy(Strict):
    """`min_cell`: no cell of fewer users than this is told in readouts and on pages."""

    min_cell: int = Field(ge=2, le=MOST_ROWS)


def require_cells(privacy: Privacy | None, issues: Mapping[str, Issue]) -> None:
    """Raise ValueError, naming the key, where pages would show users one by one all the same."""
    if privacy is None:
        return
    for name, issue in issues.items():
        if issue.sequence:
            raise ValueError(
                f"privacy.min_cell: the page of {name} is about decisions of a `sequence`, state by state, of"
                " however few users; leave one of them out"
            )
