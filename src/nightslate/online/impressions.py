"""The impressions that a decision is logged as."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from nightslate.online.contacts_now import SHOWN
from nightslate.online.edition import Ranked
from nightslate.online.requests import Answer, Asked
from nightslate.programs import Program

Row = dict[str, Any]


def impressions(program: Program, asked: Asked, user: pa.Table, answer: Answer, ranked: Ranked) -> list[Row]:
    """One for each slot, as they land. user: as the app has taken it in."""
    kind, chance = program.logs.propensity, answer.issue_probability or 1.0
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
        **_context(program, asked, user),
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


def _context(program: Program, asked: Asked, user: pa.Table) -> Row:
    """What was posted of the user, but for what the user does not agree to; and which consents there were,
    which is what this was decided under, whatever the user says later."""
    given = {name: bool(user[name][0].as_py()) for name in program.consents}
    refused = {name for name, consent in program.needs.items() if not given[consent]}
    names = [column.name for column in program.logs.context]
    return {name: None if name in refused else asked.context[name] for name in names} | given


def as_shown(landing: Sequence[Row], pseudonym: str, at: datetime) -> pa.Table:
    """Such rows of a decision that was made at this moment, as `SHOWN`."""
    return pa.Table.from_pylist([{**row, "user_id": pseudonym, "occurred_at": at} for row in landing], SHOWN)
