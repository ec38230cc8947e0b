"""What policies are worth in truth at decisions that were logged."""

import numpy as np
import pyarrow as pa

from nightslate.worlds.marketing_templates.policy_values import Truth
from nightslate.worlds.marketing_templates.rec_engine import Moment
from nightslate.worlds.marketing_templates.templates import ARMS
from nightslate.worlds.marketing_templates.world import World

VALUES = {"purchased": 1.0, "clicked": 0.02, "unsubscribed": -1.5}
USERS = 400


def truth() -> Truth:
    world = World(USERS, 1)
    people, tired = world.customers(30), np.arange(USERS) % 4
    moment = Moment(30, people, np.ones(USERS, dtype=np.bool_), tired)
    worth = world.chances(people, tired).worth(VALUES)
    return Truth(pa.table({"user_id": people.ids}), worth, moment.eligible)


def test_a_policy_is_worth_the_mean_of_what_it_would_send_among_what_may_be_sent() -> None:
    found, rng = truth(), np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(len(ARMS)), USERS)
    expected = []
    for row in range(USERS):
        may = np.flatnonzero(found.eligible[row])
        share = weights[row, may] / weights[row, may].sum()
        expected.append(sum(p * found.worth[row, arm] for p, arm in zip(share, may, strict=True)))
    np.testing.assert_allclose(found.of_policy(weights), expected)
