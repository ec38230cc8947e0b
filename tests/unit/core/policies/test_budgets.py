"""Budgets, held against a convex solver, a linear programme, and what they say of themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.exposure import ExposureSums, solve, tilt
from nightslate.core.policies.exposure_goals import Budget, Goal, Unmoved
from nightslate.core.policies.exposure_prices import divergence_price, reward_prices

from .test_exposure import ARMS, policy, totals_of

TOLERANCE = 1e-3


def budget(name, costs, most, arms=ARMS):
    by_arm = np.zeros(arms)
    by_arm[list(costs)] = list(costs.values())
    return Budget(name, by_arm, most)


def counted(name, places, most, arms=ARMS):
    return budget(name, dict.fromkeys(places, 1.0), most, arms)


def assert_kept_and_no_stronger_than_needed(budgets, solution, tolerance=TOLERANCE):
    for one, multiplier in zip(budgets, solution.by_budget, strict=True):
        used = one.used(solution.exposures)
        assert used <= one.most
        assert multiplier == 1 or used >= one.most * (1 - tolerance)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sets(st.integers(0, ARMS - 1), min_size=1, max_size=4), st.floats(0.4, 1.2)), max_size=3
    ),
    st.floats(0.8, 1.3),
    st.integers(1, 5),
    st.integers(0, 9),
)
def test_budgets_and_goals_are_kept_together_or_named(asked, more, slots, seed):
    totals = totals_of(policy(60, 0.5, seed), slots)
    plain = totals(np.ones(ARMS))
    budgets = tuple(
        counted(f"budget {b}", arms, plain[list(arms)].sum() * share) for b, (arms, share) in enumerate(asked)
    )
    goal = Goal("goal", (0,), exposures=float(plain[0] * more))
    try:
        solution = solve((goal,), totals, slots, np.ones(ARMS), TOLERANCE, budgets=budgets)
    except InvalidInputError as error:
        assert "budget" in str(error)  # noqa: PT017
        return
    assert_kept_and_no_stronger_than_needed(budgets, solution)
    assert solution.exposures[0] >= goal.exposures * (1 - TOLERANCE)
    np.testing.assert_array_equal(totals(solution.multipliers), solution.exposures)


def test_costs_of_several_sizes_are_one_budget():
    totals = totals_of(policy(), 1)
    spread = budget("cost", {0: 100.0, 1: 1.0, 2: 0.01}, 500.0)
    solution = solve((), totals, 1, np.ones(ARMS), TOLERANCE, budgets=(spread,))
    assert_kept_and_no_stronger_than_needed((spread,), solution)
    assert solution.by_budget[0] < solution.multipliers[1] < solution.multipliers[2] < 1


def test_a_budget_of_policies_that_are_nearly_sure_of_their_arms_takes_few_passes():
    """Multipliers near 1 hardly move them, and from some other one on they change their minds together."""
    sure = np.full((200, 2), 0.001)
    sure[:, 0] = 0.999
    sure[80:] = sure[80:, ::-1]
    sure[:8, 0] = 0.9
    totals = totals_of(sure / sure.sum(axis=1, keepdims=True), 1, floor=0.01)
    most = totals(np.ones(2))[0] - 1.5
    chats = counted("chats", [0], most, arms=2)
    solution = solve((), totals, 1, np.ones(2), TOLERANCE, budgets=(chats,))
    assert_kept_and_no_stronger_than_needed((chats,), solution)
    assert solution.passes <= 20


def test_a_budget_that_is_not_used_up_multiplies_nothing():
    solution = solve((), totals_of(policy(), 2), 2, np.ones(ARMS), budgets=(counted("much", [0], 300.0),))
    assert solution.by_budget == [1.0]
    assert solution.passes == 1
    np.testing.assert_array_equal(solution.multipliers, 1.0)


# Six users of four arms, one slot, with a floor: small enough for a solver that knows nothing of multipliers.
FLOOR, USERS, FEW = 0.1, 6, 4
COST = budget("cost", {2: 2.0, 3: 5.0}, 6.5, FEW)
CHATS = counted("chats", [3], 0.7, FEW)
HELP = Goal("help", (1,), exposures=2.2)
WORLDS = [((), (CHATS,)), ((), (COST,)), ((HELP,), (CHATS, COST)), ((HELP,), (COST,))]


def small(seed):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(FEW), USERS)
    return probabilities, lambda tilted: (1 - FLOOR) * tilted + FLOOR / FEW


def constraints(goals, budgets, stored):
    """Of probabilities before the floor, each >= 0."""
    yield from (
        {"type": "ineq", "fun": lambda t, b=b: b.most - b.used(stored(t.reshape(USERS, FEW)).sum(0))}
        for b in budgets
    )
    yield from (
        {
            "type": "ineq",
            "fun": lambda t, g=g: stored(t.reshape(USERS, FEW)).sum(0)[list(g.arms)].sum() - g.exposures,
        }
        for g in goals
    )
    yield {"type": "eq", "fun": lambda t: t.reshape(USERS, FEW).sum(axis=1) - 1}


@pytest.mark.parametrize(("goals", "budgets"), WORLDS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_multipliers_are_the_projection_that_a_convex_solver_finds(goals, budgets, seed):
    probabilities, stored = small(seed)
    totals = lambda m: ExposureSums.zero(FEW).update(stored(tilt(probabilities, m)), 1).totals  # noqa: E731
    solution = solve(goals, totals, 1, np.ones(FEW), 1e-9, budgets=budgets)
    tilted = tilt(probabilities, solution.multipliers)
    found = minimize(
        lambda t: float((t * np.log(t / probabilities.ravel())).sum()),
        probabilities.ravel(),
        jac=lambda t: np.log(t / probabilities.ravel()) + 1,
        bounds=[(1e-12, 1)] * (USERS * FEW),
        constraints=list(constraints(goals, budgets, stored)),
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    np.testing.assert_allclose(tilted.ravel(), found.x, atol=1e-6)
    divergence = (tilted * np.log(tilted / probabilities)).sum()
    assert divergence == pytest.approx(found.fun, abs=1e-6)


@pytest.mark.parametrize("limit", [CHATS, COST])
def test_the_dual_is_what_a_little_more_budget_takes_off_the_divergence(limit):
    probabilities, stored = small(1)
    totals = lambda m: ExposureSums.zero(FEW).update(stored(tilt(probabilities, m)), 1).totals  # noqa: E731

    def projected(more):
        now = Budget(limit.name, limit.costs, limit.most + more)
        solution = solve((HELP,), totals, 1, np.ones(FEW), 1e-11, budgets=(now,))
        tilted = tilt(probabilities, solution.multipliers)
        return (tilted * np.log(tilted / probabilities)).sum(), solution.by_budget[0]

    (less, _), (more, _), (_, multiplier) = projected(-1e-4), projected(1e-4), projected(0.0)
    price = divergence_price(limit, multiplier, FLOOR)
    assert price > 0
    assert (less - more) / 2e-4 == pytest.approx(price, rel=1e-4)


def test_the_price_in_rewards_is_what_a_little_more_budget_earns():
    probabilities, stored = small(1)
    rewards = np.random.default_rng(3).uniform(size=(USERS, FEW))
    shown = lambda m: stored(tilt(probabilities, m))  # noqa: E731
    totals = lambda m: shown(m).sum(axis=0)  # noqa: E731

    def earned(budgets):
        solution = solve((HELP,), totals, 1, np.ones(FEW), 1e-11, budgets=budgets)
        return (shown(solution.multipliers) * rewards).sum(), solution

    both = lambda m: (totals(m), float((shown(m) * rewards).sum()))  # noqa: E731
    slack = counted("slack", [0], 5.9, FEW)
    for limit in (CHATS, COST):
        more, less = (Budget(limit.name, limit.costs, limit.most + step) for step in (1e-4, -1e-4))
        _, solution = earned((slack, limit))
        prices = reward_prices((HELP,), (slack, limit), solution, both)
        assert prices[0] == 0
        expected = (earned((slack, more))[0] - earned((slack, less))[0]) / 2e-4
        assert prices[1] == pytest.approx(expected, rel=1e-3)


def test_exploration_costs_what_a_linear_programme_earns_more():
    """The most that the same floor, budget and goal allow, and what the projection of a policy earns."""
    for seed in range(5):
        _, stored = small(seed)
        rewards = np.random.default_rng(seed + 50).uniform(size=(USERS, FEW))
        probabilities = np.exp(5 * rewards) / np.exp(5 * rewards).sum(axis=1, keepdims=True)
        totals = lambda m: ExposureSums.zero(FEW).update(stored(tilt(probabilities, m)), 1).totals  # noqa: B023, E731
        solution = solve((HELP,), totals, 1, np.ones(FEW), 1e-9, budgets=(CHATS, COST))
        earned = float((stored(tilt(probabilities, solution.multipliers)) * rewards).sum())
        per_user = [np.tile(row, USERS) * (1 - FLOOR) for row in (CHATS.costs, COST.costs, -np.eye(FEW)[1])]
        floors = FLOOR / FEW * USERS * np.array([1.0, 7.0, -1.0])
        best = linprog(
            -(1 - FLOOR) * rewards.ravel(),
            A_ub=np.array(per_user),
            b_ub=np.array([CHATS.most, COST.most, -HELP.exposures]) - floors,
            A_eq=np.kron(np.eye(USERS), np.ones(FEW)),
            b_eq=np.ones(USERS),
            method="highs",
        )
        optimum = FLOOR / FEW * rewards.sum() - best.fun
        print(f"world {seed}: projection {earned:.4f}, linear programme {optimum:.4f} of {USERS} users")
        assert earned < optimum


def test_what_randomised_users_use_is_taken_off_first():
    adjusted, fixed = totals_of(policy(), 1), np.full(ARMS, 5.0)
    chats = counted("chats", [0], 11.0)
    unmoved = Unmoved(fixed, np.full(ARMS, 150 * 0.02 / ARMS))
    solution = solve((), lambda m: fixed + adjusted(m), 1, np.ones(ARMS), budgets=(chats,), unmoved=unmoved)
    assert_kept_and_no_stronger_than_needed((chats,), solution)
    assert adjusted(solution.multipliers)[0] <= 6
    for one, says in ((4.0, r"chats \(at most 4, of which randomised variants use 5 and the floor 0.25\)"),):
        with pytest.raises(InvalidInputError, match=says):
            solve(
                (),
                lambda m: fixed + adjusted(m),
                1,
                np.ones(ARMS),
                budgets=(counted("chats", [0], one),),
                unmoved=unmoved,
            )


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_floors_that_alone_exceed_a_budget_are_named_with_the_numbers(slots):
    says = "budget chats: at most 0.2, and where .* no more than the floor they still use [0-9.]+, of which"
    with pytest.raises(InvalidInputError, match=says):
        solve((), totals_of(policy(), slots), slots, np.ones(ARMS), budgets=(counted("chats", [0], 0.2),))


def test_a_budget_that_cannot_be_met_together_with_a_goal_is_named_with_the_numbers():
    goal, other = Goal("help", (0, 1), exposures=60.0), Goal("else", (5,), share=0.01)
    budgets = (counted("chats", [0], 20.0), counted("calls", [1], 30.0), counted("rest", [7], 5.0))
    says = r"together: help \(at least 60 exposures\), chats \(at most 20, .*\), calls \(at most 30, .*\); 1"
    with pytest.raises(InvalidInputError, match=says) as caught:
        solve((goal, other), totals_of(policy(), 1), 1, np.ones(ARMS), budgets=budgets)
    assert "rest" not in str(caught.value)
    assert "else" not in str(caught.value)


def test_a_goal_that_the_floor_keeps_a_budget_from_is_named_with_the_numbers():
    """The other arms' floor needs what the goal asks for: known before any step if the floor is."""
    goal, chats = Goal("rest", tuple(range(1, ARMS)), exposures=147.4), counted("chats", [0], 2.0)
    nearly = Goal("nearly", tuple(range(2, ARMS)), exposures=149.9)
    with pytest.raises(InvalidInputError, match=r"nearly \(1.* of 149.9 exposures\)"):
        solve((nearly,), totals_of(policy(), 1), 1, np.ones(ARMS), budgets=(chats,))
    solution = solve((goal,), totals_of(policy(), 1), 1, np.ones(ARMS), budgets=(chats,))
    assert_kept_and_no_stronger_than_needed((chats,), solution)


def test_the_floor_holds_under_a_budget():
    solution = solve((), totals_of(policy(), 1), 1, np.ones(ARMS), budgets=(counted("few", [0, 1, 2], 3.0),))
    stored = mix_floor(tilt(policy(), solution.multipliers), 0.02)
    assert (stored.astype(np.float64) >= 0.02 / ARMS).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: counted("b", [0], 0.0), "must allow a number > 0"),
        (lambda: budget("b", {0: -1.0}, 1.0), "finite costs >= 0"),
        (lambda: budget("b", {0: np.nan}, 1.0), "finite costs >= 0"),
        (
            lambda: solve((), totals_of(policy(), 1), 1, np.ones(ARMS), budgets=(counted("b", [0], 1.0, 3),)),
            "a cost of each of 12 arms",
        ),
        (
            lambda: solve(
                (Goal("b", (1,), share=0.1),),
                totals_of(policy(), 1),
                1,
                np.ones(ARMS),
                budgets=(counted("b", [0], 1.0),),
            ),
            "names of their own",
        ),
    ],
)
def test_what_means_nothing_is_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()
