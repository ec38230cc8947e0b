"""The worlds whose truth is known: it is."""

import numpy as np
import pytest
from tests.oracles import bandit_logs

worlds = pytest.mark.parametrize(
    "made", [bandit_logs.light_tails, bandit_logs.heavy_tails, bandit_logs.clustered_users]
)


@worlds
def test_the_truth_is_what_weighted_rewards_tend_to(made):
    world = made()
    samples, cluster = world.draw(users=60_000, seed=1)
    users, first = np.unique(cluster, return_inverse=True)
    assert users.size == 60_000
    for name, sample in zip(world.policies, samples, strict=True):
        for terms, truth in ((sample.weight * sample.reward, world.value(name)), (sample.weight, 1.0)):
            residuals = np.bincount(first, weights=terms - truth)
            assert abs(residuals.sum()) < 4 * np.sqrt(np.square(residuals).sum())
        assert sample.weight.max() <= world.largest_weight


@worlds
def test_a_seed_is_a_log_and_its_users_are_its_own(made):
    (one, *_), cluster = made().draw(users=50, seed=1)
    (again, *_), same = made().draw(users=50, seed=1)
    _, other = made().draw(users=50, seed=2)
    np.testing.assert_array_equal(one.reward, again.reward)
    np.testing.assert_array_equal(cluster, same)
    assert not np.isin(other, cluster).any()


def test_clustered_users_are_alike_and_differ_by_how_often_they_come():
    world = bandit_logs.clustered_users()
    samples, cluster = world.draw(users=5000, seed=1)
    _, user, impressions = np.unique(cluster, return_inverse=True, return_counts=True)
    assert set(impressions) == {1, 3, 10, 30}
    means = np.bincount(user, weights=samples[0].reward) / impressions
    assert means[impressions == 30].std() > 1.5 * np.sqrt(0.25 / 30)
    assert means[impressions == 1].mean() > means[impressions == 30].mean() + 0.1
