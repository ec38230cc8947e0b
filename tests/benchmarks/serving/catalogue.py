"""A released model of 80 arms and users of whom no two are alike, registered as a night does it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from nightslate.contracts import load
from nightslate.core.arrays import Floats
from nightslate.core.hashing import seed
from nightslate.core.policies import LEARNERS, Arms
from nightslate.kernels.encoding import Encoder
from nightslate.models.client import connect
from nightslate.models.files import ModelFile
from nightslate.models.registry import Registry
from nightslate.models.tracking import NightRun
from nightslate.programs.logs import Feature
from nightslate.serving.mlmodel import package
from nightslate.serving.release import RELEASES, Release
from nightslate.tables import Warehouse

PROGRAM, DAY = "catalogue", date(2026, 11, 17)
ARMS = tuple(f"item-{place}" for place in range(80))
CITIES = tuple(f"city-{place:02}" for place in range(20))
NUMBERS = tuple(f"affinity_{place}" for place in range(8))
CONTEXT = (Feature(name="city", type="category"), *(Feature(name=n, type="number") for n in NUMBERS))
ENCODER = Encoder(("city", *NUMBERS), (CITIES, *(None for _ in NUMBERS)))
TAUGHT = 20_000


def registered(home: Path, kind: str) -> str:
    """The URI of a fitted model of a kind in an MLflow store in `home`."""
    model, client = fitted(kind), connect(home)
    release = Release(
        program=PROGRAM,
        issue="all",
        by_issue=False,
        learner=kind,
        model_digest=model.digest,
        context=CONTEXT,
        eligible={},
        depth=10,
        floor=0.1,
        variants={"personalised": True},
        multipliers={},
        penalty=None,
        groups={},
        goals=(),
    )
    run = NightRun.start(client, home, PROGRAM, DAY)
    version = Registry(client, PROGRAM).register(model, package(release), run, DAY)
    table = Warehouse(home).table(PROGRAM, load("models"))
    row = {"issue": "all", "learner": kind, "digest": model.digest, "rows": TAUGHT, "arms": len(ARMS)}
    before = [one for one in table.rows(DAY, DAY).to_pylist() if one["learner"] != kind]
    known = json.loads(table.snapshot().metadata(DAY).get(RELEASES, "[]"))
    table.replace(DAY, table.typed([*before, row]), {RELEASES: json.dumps([*known, release.digest])})
    return f"models:/{PROGRAM}/{version}"


def fitted(kind: str) -> ModelFile:
    random = np.random.default_rng(0)
    contexts = np.zeros((TAUGHT, ENCODER.width))
    contexts[:, 0] = 1.0
    contexts[np.arange(TAUGHT), random.integers(1, 1 + len(CITIES), TAUGHT)] = 1.0
    contexts[:, 1 + len(CITIES) :] = random.normal(size=(TAUGHT, len(NUMBERS)))
    shown = random.integers(len(ARMS), size=TAUGHT)
    rewards = (random.random(TAUGHT) < 0.1 + 0.1 * (shown % 5 == 0)) * 1.0
    learner = LEARNERS[kind]()
    state = learner.initial(len(ARMS), ENCODER.width).update(contexts, shown, rewards)
    policy = learner.fit(state, Arms.plain(seed("arm", arm) for arm in ARMS), 9)
    return ModelFile(kind, kind, ARMS, ENCODER, policy)


def users(rows: int) -> list[dict[str, Any]]:
    """Rows of a request."""
    random = np.random.default_rng(1)
    affinities: Floats = random.normal(size=(rows, len(NUMBERS)))
    return [
        {
            "user_id": f"{int(random.integers(2**62)):032x}"[::-1],
            "slate_date": DAY.isoformat(),
            "city": CITIES[int(random.integers(len(CITIES)))],
            **dict(zip(NUMBERS, values, strict=True)),
        }
        for values in affinities.tolist()
    ]
