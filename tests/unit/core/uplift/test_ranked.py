import numpy as np
import pytest
from tests.unit.core.uplift import worlds

from nightslate.core.errors import InvalidInputError
from nightslate.core.uplift import Grid, RankedSums, curves, figures_by_gain, per_cost, ranked_exactly


def folded(drawn, grid, parts):
    """Sums of the units in so many parts, merged."""
    state = RankedSums.initial(grid)
    for part in np.array_split(np.arange(drawn.gain.size), parts):
        one = RankedSums.initial(grid).update(
            grid, drawn.gain[part], drawn.effect[part], drawn.cost[part], drawn.users[part], 5
        )
        state = state.merge(RankedSums.from_arrays(one.arrays()))
    return state


@pytest.fixture(scope="module")
def drawn():
    return worlds.drawn(700, np.random.default_rng(2))


def test_the_split_of_rows_does_not_matter(drawn):
    grid = Grid.of_quantiles(drawn.gain)
    whole, parts = (folded(drawn, grid, parts) for parts in (1, 7))
    for name, array in whole.arrays().items():
        np.testing.assert_allclose(parts.arrays()[name], array, atol=1e-9)
    assert whole.units.sum() == drawn.gain.size


def test_groups_that_are_single_values_are_exact_ranks(drawn):
    few = worlds.Drawn(np.round(drawn.gain, 1), drawn.effect, drawn.cost, drawn.users)
    grid = Grid.of_quantiles(few.gain)
    assert grid.ends.tolist() == np.unique(few.gain)[::-1].tolist()
    by_grid = figures_by_gain(folded(few, grid, 3).ranked)
    exactly = figures_by_gain(ranked_exactly(few.gain, few.effect, few.cost, few.users, seed=5))
    for one, other in zip(by_grid, exactly, strict=True):
        assert (one.figure, one.at) == (other.figure, other.at)
        assert (one.value, one.lower, one.upper) == pytest.approx((other.value, other.lower, other.upper))


@pytest.mark.parametrize("groups", [2, 5, 100])
def test_groups_cost_less_than_their_bound(groups):
    """Effects that differ as much as they can within a group: the bound is about any of them."""
    generator, n = np.random.default_rng(groups), 20_000
    gain = np.arange(n, dtype=np.float64)
    exact, grid = Grid.of_each(gain), Grid.of_quantiles(gain, groups)
    place, spread = grid.places(gain), []
    for effect in (
        np.log(gain + 1),
        -1 / (n - gain),
        generator.normal(size=n),
        (gain > n - n / groups / 3) * 1.0,
    ):
        found = [
            curves.autoc(
                np.bincount(each.places(gain))[None, :].astype(float),
                np.bincount(each.places(gain), weights=effect)[None, :],
            )[0]
            for each in (exact, grid)
        ]
        within = max(effect[place == group].std() for group in range(grid.size))
        spread.append(abs(found[0] - found[1]) / within)
        assert spread[-1] <= (1 + np.log(groups) / 2) / groups
    assert max(spread) > 0.2 / groups  # the bound is about something


def test_groups_are_of_equal_size_and_the_highest_come_first():
    gain = np.random.default_rng(0).permutation(1000).astype(float)
    grid = Grid.of_quantiles(gain, 10)
    assert np.bincount(grid.places(gain)).tolist() == [100] * 10
    assert grid.places(np.array([999.0, 900.0, 899.0, 0.0, -7.0, 1e9])).tolist() == [0, 0, 1, 9, 9, 0]
    assert Grid.of_quantiles(np.empty(0)).places(gain).max() == 0


def test_what_costs_nothing_comes_first_if_it_gains_and_last_if_it_loses():
    found = per_cost(np.array([2.0, 1.0, 0.0, -1.0, -4.0]), np.array([4.0, 0.0, 0.0, 0.0, 2.0]))
    assert found.tolist() == [0.5, np.inf, 0.0, -np.inf, -2.0]
    grid = Grid.of_quantiles(found)
    assert grid.places(found).tolist() == [1, 0, 2, 4, 3]


def test_a_number_that_is_none_is_refused():
    one, two = np.ones(2), np.array([1.0, np.nan])
    users = np.arange(2, dtype=np.uint64)
    for given in ((two, one, one), (one, two, one), (one, one, two), (one, one, np.ones(3))):
        with pytest.raises(InvalidInputError):
            ranked_exactly(*given, users)
    assert ranked_exactly(np.array([np.inf, 1.0]), one, one, users).units.nnz == 2
