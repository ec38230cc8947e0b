"""Small models, fitted."""

from datetime import date

import numpy as np

from nightslate.core.hashing import seed
from nightslate.core.policies import LEARNERS, Arms
from nightslate.kernels.encoding import Encoder
from nightslate.models.files import ModelFile
from nightslate.models.packages import Package

DS = date(2026, 11, 16)
ARMS = ("a", "b", "c")
PACKAGE = Package({"MLmodel": b"flavors: {}", "release.json": b"{}"})
ENCODER = Encoder(("colour", "age"), (("blue", "red"), None))


def fitted(kind="linear_thompson", rewards=(1.0, 0.0, 0.0, 1.0), **settings):
    learner = LEARNERS[kind](**settings)
    contexts = np.column_stack([np.ones((4, 1)), np.eye(4)[:, :3]])
    state = learner.initial(3, ENCODER.width).update(contexts, np.array([0, 1, 2, 0]), np.array(rewards))
    policy = learner.fit(state, Arms.plain(seed("arm", arm) for arm in ARMS), 9)
    return ModelFile(kind, f"my {kind}", ARMS, ENCODER, policy)
