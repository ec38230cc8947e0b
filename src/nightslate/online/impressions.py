"""The impressions that a decision is logged as."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from nightslate.online.contacts_now import SHOWN
from nightslate.online.edition import Ranked
from nightslate.online.requests import Answer, Asked
from nightslate.programs.logs import Logs

Row = dict[str, Any]


def impressions(logs: Logs, asked: Asked, answer: Answer, ranked: Ranked) -> list[Row]:
    """One for each slot, as they land."""
    kind, chance = logs.propensity, answer.issue_probability or 1.0
    same = {
        "decision_id": answer.decision_id,
        "user_id": asked.user_id,
        "occurred_at": answer.occurred_at,
        "propensity_kind": kind,
        "issue": answer.issue,
        "issue_probability": answer.issue_probability,
        "variant": answer.variant,
        "policy": answer.policy,
        "model_digest": answer.model_digest,
        "release_digest": ranked.model.release.digest,
        **({"issue_models": list(ranked.issue_models)} if ranked.issue_models is not None else {}),
        **({"surface": asked.surface} if asked.surface is not None else {}),
        **({"eligible_arms": list(asked.eligible_arms)} if asked.eligible_arms is not None else {}),
        **{column.name: asked.context[column.name] for column in logs.context},
    }
    return [
        {
            "impression_id": f"{answer.decision_id}-{slot}",
            "slot": slot,
            "arm_id": arm,
            "propensity": propensity * (chance if kind == "marginal" or slot == 1 else 1.0),
            **same,
        }
        for slot, (arm, propensity) in enumerate(ranked.shown, 1)
    ]


def as_shown(landing: Sequence[Row], pseudonym: str, at: datetime) -> pa.Table:
    """Such rows of a decision that was made at this moment, as `SHOWN`."""
    return pa.Table.from_pylist([{**row, "user_id": pseudonym, "occurred_at": at} for row in landing], SHOWN)
