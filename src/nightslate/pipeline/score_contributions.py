"""What features add to the scores of those whom scores move: the rows of the table `score_contributions`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from nightslate.core.effects.moved_contexts import TOWARDS, MovedContexts
from nightslate.models.effect_files import EffectFile
from nightslate.pipeline.effect_fitting import worth_of
from nightslate.pipeline.night import IssueNight
from nightslate.programs.allocation import Allocation


def contribution_rows(
    night: IssueNight, asked: Allocation, file: EffectFile, moved: MovedContexts
) -> Iterator[dict[str, Any]]:
    """By treatment, by where users are moved to, and by feature: means over these users. Nothing is told of a
    treatment that moves fewer users than `privacy.min_cell` to either side."""
    least, worth = night.program.min_cell, worth_of(asked)
    for place, treatment in enumerate(file.treatments):
        users = moved.users[place]
        if ((users > 0) & (users < least)).any():
            continue
        for side in np.flatnonzero(users).tolist():
            adds: dict[str, dict[str, float]] = defaultdict(dict)
            for each in file.contributions(moved.mean[place, side]):
                if each.variant == treatment:
                    adds[each.feature][each.metric] = each.value
            for feature, by_metric in adds.items():
                benefit, *harm = (by_metric[metric] for metric in file.metrics)
                yield {
                    "issue": night.issue.name,
                    "experiment": night.issue.salt,
                    "variant": treatment,
                    "towards": TOWARDS[side],
                    "feature": feature,
                    "users": int(users[side]),
                    "benefit": benefit,
                    "harm": harm[0] if harm else None,
                    "score": float(worth.of(np.array([benefit, *harm]))),
                }
