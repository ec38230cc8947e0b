"""Samples of transitions that are taken where these lie are those that are taken of all at once."""

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core import npz
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.folds import of_others
from nightslate.kernels.rewards import folds_of
from nightslate.kernels.trajectory_sums import TrajectorySums
from nightslate.kernels.transitions import SamplingCounts, sampled, up_to

from .test_sequence_evaluation import ROWS

PARTS = [ROWS.filter(pa.array(user_keys(ROWS) % 5 == part)) for part in range(5)]


def counts(folds):
    """As an engine has them: of parts, packed and merged."""
    found = SamplingCounts.initial(folds)
    for part in PARTS:
        state = SamplingCounts.initial(folds).update(part, "shop")
        found = found.merge(SamplingCounts.from_arrays(npz.unpack(npz.pack(state.arrays()))))
    return found


def ids(rows):
    return sorted(rows["impression_id"].to_pylist())


@pytest.mark.parametrize("most", [1, 50, 399, 800, 10_000])
def test_a_sample_of_what_parts_send_is_a_sample_of_all(most):
    bound = counts(1).bound(most)
    sent = pa.concat_tables([up_to(part, bound, "shop") for part in PARTS])
    assert ids(sampled(sent, most, "shop")) == ids(sampled(ROWS, most, "shop"))
    if most < 400:
        assert sent.num_rows < most + 10  # and no more is sent than it takes


@pytest.mark.parametrize("most", [50, 300, 10_000])
def test_so_it_is_for_the_users_of_each_fold(most):
    bound = counts(4).bound(most)
    sent = pa.concat_tables([up_to(part, bound, "shop") for part in PARTS])
    for fold in range(4):
        of_all, of_sent = (
            rows.filter(pa.array(of_others(folds_of(user_keys(rows), "shop", 4), fold, 4)))
            for rows in (ROWS, sent)
        )
        assert ids(sampled(of_sent, most, "shop")) == ids(sampled(of_all, most, "shop"))


def test_no_transitions_need_none():
    nothing = SamplingCounts.initial(2)
    assert up_to(ROWS, nothing.bound(10), "shop").num_rows < 10
    assert TrajectorySums.initial().range == (None, None)
    assert TrajectorySums.initial().steps == 1


def test_sums_of_trajectories_are_those_of_their_parts():
    whole = TrajectorySums.of_rows(ROWS, 0.5)
    merged = TrajectorySums.initial()
    for part in PARTS:
        packed = npz.pack(TrajectorySums.of_rows(part, 0.5).arrays())
        merged = merged.merge(TrajectorySums.from_arrays(npz.unpack(packed)))
    assert merged == whole
    assert (whole.rows, whole.trajectories, whole.steps, whole.range) == (800, 400, 2, (0.0, 0.5))
    assert np.isfinite(whole.range).all()
