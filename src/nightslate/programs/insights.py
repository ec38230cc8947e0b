"""What a program asks to be told of what drives its champion's choices."""

from __future__ import annotations

from pydantic import Field

from nightslate.programs.examination import Examination
from nightslate.programs.strict import Strict


class Insights(Strict):
    """`effects`: how many coefficients are told, the largest; `examples`: of how many users it is told what
    made their top arm the top one."""

    effects: int = Field(default=20, ge=1, le=1000)
    examples: int = Field(default=3, ge=0, le=100)


def require_rewards_as_shown(insights: Insights | None, examination: Examination | None) -> None:
    """Raise ValueError where what an impression teaches is not what it earned."""
    if insights and examination:
        raise ValueError(
            "insights: they hold rewards of impressions against what is expected of them as they were shown;"
            " they don't go with `examination`"
        )
