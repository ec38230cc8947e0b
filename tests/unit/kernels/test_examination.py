"""How likely slots are looked at, against sums by hand."""

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.examination import ExaminationSums
from nightslate.kernels.examination import Examination, FoldExaminations, Randomised

SURFACES = ("app", "web", None)


def impressions(*rows):
    """(surface, slot, variant, propensity, reward)"""
    surfaces, slots, variants, propensities, rewards = zip(*rows, strict=True)
    return pa.table(
        {
            "surface": pa.array(surfaces, pa.string()),
            "slot": pa.array(slots, pa.int32()),
            "variant": pa.array(variants, pa.string()),
            "propensity": pa.array(propensities, pa.float64()),
            "propensity_kind": pa.repeat("marginal", len(rows)),
            "reward": pa.array(rewards, pa.float64()),
        }
    )


ROWS = impressions(
    ("web", 1, "random", 0.5, 1.0),
    ("web", 2, "random", 0.25, 2.0),
    ("web", 2, "learned", 0.5, 64.0),
    (None, 1, "random", 0.5, 4.0),
    (None, 2, None, 0.125, 8.0),
)


def test_a_row_has_the_examination_of_its_surface_and_slot():
    known = Examination(SURFACES, np.array([[1.0, 0.1], [1.0, 0.2], [1.0, 0.3]]))
    np.testing.assert_array_equal(known.of_impressions(ROWS), [1.0, 0.2, 0.2, 1.0, 0.3])
    np.testing.assert_array_equal(known.of_all_slots(ROWS)[:, 1], [0.2, 0.2, 0.2, 0.3, 0.3])


@pytest.mark.parametrize(
    ("variant", "rewards"),
    [("random", [[0, 0], [1, 2], [4, 0]]), ("learned", [[0, 0], [0, 64], [0, 0]]), ("unheard of", 0)],
)
def test_only_the_randomised_variant_counts_and_rows_of_none_are_not_its(variant, rewards):
    sums = Randomised(variant, by_propensity=False).sums(ROWS, SURFACES, slots=2)
    np.testing.assert_array_equal(sums.reward, np.broadcast_to(rewards, (3, 2)))


def test_where_no_variant_is_named_all_traffic_is_randomised():
    sums = Randomised(None, by_propensity=False).sums(ROWS, SURFACES, slots=2)
    np.testing.assert_array_equal(sums.weight, [[0, 0], [1, 2], [1, 1]])
    np.testing.assert_array_equal(sums.reward, [[0, 0], [1, 66], [4, 8]])


def test_marginal_propensities_weigh_and_conditional_ones_do_not():
    weighted = Randomised(None, by_propensity=True).sums(ROWS, SURFACES, slots=2)
    np.testing.assert_array_equal(weighted.weight, [[0, 0], [2, 4 + 2], [2, 8]])
    np.testing.assert_array_equal(weighted.reward, [[0, 0], [2, 8 + 128], [8, 64]])


def traffic(mean):
    """1000 impressions in each of two slots of the web, of mean reward 1 in the first."""
    slots = np.repeat([1, 2], 1000)
    return ExaminationSums.zero(3, 2).update(np.ones(2000, dtype=int), slots, np.where(slots == 1, 1.0, mean))


def test_a_fold_has_what_the_others_say_and_a_surface_without_data_the_prior():
    means = (0.9, 0.6, 0.3)
    found = FoldExaminations(SURFACES, tuple(map(traffic, means)), prior_strength=1e-9)
    for fold, examination in enumerate(found.for_folds):
        others = np.mean([mean for other, mean in enumerate(means) if other != fold])
        np.testing.assert_allclose(examination.probabilities[:, 1], [0.5, others, 0.5], rtol=1e-9)
    assert found.by_surface() == {"web": pytest.approx([1.0, 0.6])}


def test_where_there_is_one_fold_everyone_has_a_say():
    found = FoldExaminations(SURFACES, (traffic(0.9),), prior_strength=1e-9)
    (examination,) = found.for_folds
    np.testing.assert_allclose(examination.probabilities[1], [1.0, 0.9], rtol=1e-9)


def test_no_surfaces_have_nothing_to_say():
    nothing = FoldExaminations((), (), 1.0)
    assert nothing.for_folds == ()
    assert nothing.by_surface() == {}


def test_slots_that_the_program_had_once_say_nothing_of_those_it_has():
    """A third slot is looked at as the second, and conditional propensities tell of first slots alone."""
    third = impressions(("web", 3, "random", 0.5, 16.0))
    known = Examination(SURFACES, np.array([[1.0, 0.1], [1.0, 0.2], [1.0, 0.3]]))
    np.testing.assert_array_equal(known.of_impressions(third), [0.2])
    rows = pa.concat_tables([ROWS, third])
    weighted = Randomised(None, by_propensity=True)
    assert weighted.sums(rows, SURFACES, slots=2).reward.tolist() == [[0, 0], [2, 8 + 128], [8, 64]]
    at = rows.column_names.index("propensity_kind")
    rows = rows.set_column(at, "propensity_kind", pa.repeat("conditional", rows.num_rows))
    assert weighted.sums(rows, SURFACES, slots=2).reward.tolist() == [[0, 0], [2, 0], [8, 0]]
