"""A shop's model of five arms, released, with the users that a night would score by it."""

import hashlib
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from nightslate.contracts import load
from nightslate.core.hashing import seed
from nightslate.core.policies import LEARNERS, Arms
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.scoring import Scoring
from nightslate.kernels.slate_weights import WeightAdjustment
from nightslate.models.files import ModelFile, scored_by
from nightslate.programs.logs import Feature
from nightslate.serving.multipliers import Multipliers
from nightslate.serving.ranking import ServedModel
from nightslate.serving.release import Release
from nightslate.tables import Snapshot

ARMS = ("a", "b", "c", "d", "e")
CONTEXT = (Feature(name="device", type="category"), Feature(name="age", type="number"))
ENCODER = Encoder(("device", "age"), (("phone", "tablet"), None))
DAY, NEXT = date(2026, 11, 17), date(2026, 11, 18)
PLAIN = WeightAdjustment()
ADJUSTED = WeightAdjustment({"a": 3.0, "d": 0.25}, 0.5, {"a": "x", "b": "x", "c": "y", "d": "y"})
KINDS = ("uniform", "popularity", "linear_thompson", "linear_ucb", "logistic_ucb", "epsilon_greedy")


@cache
def model(kind: str = "linear_ucb") -> ModelFile:
    """Fitted to arms that each pay in their own way."""
    generator = np.random.default_rng(3)
    contexts = ENCODER(people(600))
    shown = generator.integers(0, len(ARMS), 600)
    rewards = (generator.random(600) < 0.1 + 0.1 * shown + 0.2 * contexts[:, 1] * (shown == 1)) * 1.0
    learner = LEARNERS[kind]()
    state = learner.initial(len(ARMS), ENCODER.width).update(contexts, shown, rewards)
    policy = learner.fit(state, Arms.plain(seed("arm", arm) for arm in ARMS), 5)
    return ModelFile(kind, f"my_{kind}", ARMS, ENCODER, policy)


def release(kind: str = "linear_ucb", adjustment: WeightAdjustment = PLAIN, **changes: object) -> Release:
    told = {
        "program": "shop",
        "issue": "all",
        "by_issue": False,
        "learner": f"my_{kind}",
        "model_digest": model(kind).digest,
        "context": CONTEXT,
        "eligible": {},
        "depth": 3,
        "floor": 0.1,
        "variants": {"personalised": True, "randomised": False},
        "multipliers": dict(adjustment.multipliers),
        "penalty": adjustment.penalty,
        "groups": dict(adjustment.groups),
        "goals": (),
    }
    return Release(**{**told, **changes})


def served(
    kind: str = "linear_ucb",
    adjustment: WeightAdjustment = PLAIN,
    solved: Snapshot | None = None,
    **changes: object,
) -> ServedModel:
    """solved: what the table `multipliers` has; nothing where it is not given."""
    released = release(kind, adjustment, **changes)
    nothing = Snapshot(load("multipliers"), Path(), None)
    return ServedModel(released, scored_by(model(kind)), Multipliers(released, solved or nothing))


def night(
    kind: str, day: date = DAY, variant: str = "personalised", adjustment: WeightAdjustment = PLAIN
) -> Scoring:
    """What the step `score` ranks by, all users being in one variant."""
    return Scoring(
        program="shop",
        issue="all",
        slate_date=day,
        depth=3,
        floor=0.1,
        assignment=Assignment.at_first("shop", {variant: 1.0}, day),
        variants={variant: scored_by(model(kind))},
        adjustment=adjustment,
        randomised=frozenset({"randomised"}),
    )


def people(n: int) -> pa.Table:
    """Of some of them the device or the age is not known."""
    generator = np.random.default_rng(1)
    ids = [hashlib.sha256(f"user {i}".encode()).hexdigest()[:32] for i in range(n)]
    device = [("phone", "tablet", "watch", None)[place] for place in generator.integers(0, 4, n)]
    age = generator.normal(size=n).tolist()
    return pa.table(
        {
            "user_id": ids,
            "device": pa.array(device, pa.string()),
            "age": pa.array([None if i % 7 == 0 else age[i] for i in range(n)], pa.float64()),
        }
    )


def asked(users: pa.Table, day: date = DAY, **columns: list[object]) -> object:
    """A request of users, as MLflow hands it over."""
    frame = users.to_pandas()
    frame["slate_date"] = day.isoformat()
    for name, values in columns.items():
        frame[name] = values
    return frame


def slates(scoring: Scoring, users: pa.Table) -> list[dict[str, object]]:
    """Those of a night, in the order of users."""
    rows = {row["user_id"]: row for row in scoring.scored(users).to_pylist()}
    day = scoring.slate_date.isoformat()
    return [{**rows[user], "slate_date": day} for user in users["user_id"].to_pylist()]
