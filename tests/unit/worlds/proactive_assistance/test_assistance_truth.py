"""What decisions are worth in truth is what playing the world many times over gives on average."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nightslate import programs
from nightslate.core.arrays import Floats
from nightslate.core.hashing import seed
from nightslate.errors import SpecError
from nightslate.programs import Program
from nightslate.worlds.proactive_assistance.full_knowledge import FullKnowledge, Worths
from nightslate.worlds.proactive_assistance.population import Day, Population
from nightslate.worlds.proactive_assistance.rec_engine import (
    Chance,
    Decisions,
    DiscountRule,
    Moment,
    arms_of,
)
from nightslate.worlds.proactive_assistance.simulation import horizon_days
from nightslate.worlds.proactive_assistance.troubles import ARMS, DISCOUNT, ISSUES, NOTHING, SIGNS
from nightslate.worlds.proactive_assistance.truth import Horizon, Truth
from nightslate.worlds.proactive_assistance.world import World

PROGRAM = programs.load(Path(__file__).parents[4] / "dags" / "proactive_assistance.yaml")
H = horizon_days(PROGRAM)
USERS = 3000


@dataclass(frozen=True)
class Luckier(World):
    """A world whose users cancel, are helped and open help by other luck, and are otherwise the same."""

    luck: int = 0

    def _seed_for(self, *what: object) -> int:
        usual = super()._seed_for(*what)
        drawn = what[0] in ("cancels", "solves", "opens")
        return seed("luck", f"{self.luck}", f"{usual}") if drawn else usual


def played(world: World, decide: Callable[[Moment], Decisions], days: int = 2 * H) -> list[Day]:
    population = Population(world, PROGRAM, decide)
    return [population.play(day) for day in range(days)]


def credited(days: list[Day], program: Program) -> dict[tuple[int, str], Floats]:
    """What each decision of a horizon earned, as drawn, less its cost. Staying goes to the first."""
    earned, decided = {}, set[tuple[int, int]]()
    left = {int(n) for day in days for n in day.morning.people.number[day.cancelled]}
    for day in days:
        numbers = day.morning.people.number[day.decisions.place]
        for place, issue in enumerate(ISSUES):
            worths = Worths.of(program.issue(issue))
            row = np.flatnonzero(day.decisions.issue == place)
            values = worths.opened * day.opened[row] - worths.costs[day.decisions.arm[row]]
            for at, number in enumerate(numbers[row].tolist()):
                if (number, place) not in decided:
                    decided.add((number, place))
                    values[at] += 1.0 - worths.staying * (number in left)
            earned[day.day, issue] = values
    return earned


def truths(world: World, days: list[Day]) -> dict[tuple[int, str], Truth]:
    return Horizon(world, PROGRAM, days[-H:]).truths()


def test_the_mean_of_what_is_drawn_is_what_the_truth_of_what_was_shown_says() -> None:
    """Over lucks; of users whom chance decides about, so that nothing that is shown depends on luck but by
    who is still there."""
    gaps = []
    for luck in range(12):
        world = Luckier(USERS, 5, luck)
        days = played(world, Chance(world, PROGRAM))
        known, earned = truths(world, days), credited(days[-H:], PROGRAM)
        gaps.append(
            np.mean(np.concatenate([earned[at] - known[at].of_shown() for at in known if len(known[at])]))
        )
    assert abs(np.mean(gaps)) < 4 * np.std(gaps) / np.sqrt(len(gaps))
    assert np.std(gaps) < 0.1


def test_an_arm_that_is_shown_on_the_last_day_of_a_horizon_earns_its_worth() -> None:
    """Nothing follows, and nobody is decided about twice in a horizon: the arm, played with many lucks."""
    world, issue, lucks = World(USERS, 5), "usability", 60
    days = played(world, Chance(world, PROGRAM))
    day, place = days[-1], ISSUES.index(issue)
    truth, worths = truths(world, days)[day.day, issue], Worths.of(PROGRAM.issue(issue))
    lives = day.morning.take(truth.place)
    issues = np.full(len(lives), place)
    for arm in np.flatnonzero(arms_of(PROGRAM)[place]):
        earned = []
        for luck in range(lucks):
            other = Luckier(USERS, 5, luck)
            solves = other.solves(lives, issues, day.day)
            works = other.draws(lives.people, issues, day.day, "solves") < solves[:, arm]
            opened = other.draws(lives.people, issues, day.day, "opens") < other.opens(solves)[:, arm]
            after = other.after_help(lives, issues, np.full(len(lives), arm), works, day.day)
            gone = other.draws(lives.people, issues, day.day, "cancels") < other.cancels(after, day.day)
            drawn = 1 - worths.staying * gone + worths.opened * opened - worths.costs[arm]
            earned.append(float(drawn.mean()))
        error = np.std(earned) / np.sqrt(lucks)
        assert np.mean(earned) == pytest.approx(truth.worth[:, arm].mean(), abs=4 * error)


def test_a_policy_is_worth_the_mean_of_its_arms() -> None:
    nan = np.nan
    worth = np.array([[1.0, 0.5, nan], [0.0, 2.0, nan]])
    truth = Truth(np.array([0, 1]), np.array([0, 1]), np.array([1, 0]), worth)
    np.testing.assert_allclose(truth.of_shown(), [0.5, 0.0])
    np.testing.assert_allclose(truth.of_policy(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 0.0]])), [0.75, 2.0])


def test_arms_that_are_none_of_the_issue_are_worth_nothing_known() -> None:
    world = World(400, 1)
    for (_, issue), truth in truths(world, played(world, Chance(world, PROGRAM), H)).items():
        offered = arms_of(PROGRAM)[ISSUES.index(issue)]
        assert np.isnan(truth.worth[:, ~offered]).all()
        assert np.isfinite(truth.worth[:, offered]).all()
        assert (truth.worth[:, offered] <= 1.02).all()


def test_full_knowledge_is_better_than_chance_and_keeps_budgets_and_moments() -> None:
    world = World(USERS, 2)
    tight = {
        name: issue.model_copy(
            update={"budgets": tuple(b.model_copy(update={"most": 2.0}) for b in issue.budgets)}
        )
        for name, issue in PROGRAM.issues.items()
    }
    program = PROGRAM.model_copy(update={"issues": tight})
    worth = {}
    for name, decide in {
        "chance": Chance(world, program),
        "best": FullKnowledge(world, PROGRAM),
        "tight": FullKnowledge(world, program),
    }.items():
        days = played(world, decide)
        worth[name] = -np.mean([day.cancels.mean() for day in days])
        discounts = max(int((day.decisions.arm == DISCOUNT).sum()) for day in days)
        assert name != "tight" or discounts <= 2
        for day in days:
            offered = arms_of(program)[day.decisions.issue, day.decisions.arm]
            assert offered.all()
            assert len(np.unique(day.decisions.place)) == len(day.decisions.place)
    assert worth["best"] > worth["chance"]
    assert worth["best"] >= worth["tight"]


def test_the_rule_gives_a_discount_to_who_looks_at_prices_and_nobody_twice_in_a_week() -> None:
    world, rule = World(USERS, 2), DiscountRule()
    days = played(world, rule)
    given = dict[int, int]()
    for day in days:
        assert (day.decisions.arm == DISCOUNT).all()
        numbers = day.morning.people.number[day.decisions.place]
        for number in numbers.tolist():
            assert day.day - given.get(number, -99) >= 7
            given[number] = day.day
        looked = day.morning.people.number[day.visits.place[day.visits.signs[:, SIGNS.index("pricing")] > 0]]
        assert set(looked.tolist()) <= {n for n, at in given.items() if day.day - at < 7}
    assert given


def test_nothing_is_drawn_but_by_ids() -> None:
    world = World(300, 9)
    one, other = (played(world, Chance(world, PROGRAM), 3) for _ in range(2))
    for day, same in zip(one, other, strict=True):
        assert (day.decisions.arm == same.decisions.arm).all()
        assert day.events.columns.equals(same.events.columns)
    assert any((day.decisions.arm == NOTHING).any() for day in one)
    assert ARMS[NOTHING] == "nothing"


def test_policies_meet_the_same_users_and_the_same_luck() -> None:
    world = World(USERS, 2)
    chance, rule = played(world, Chance(world, PROGRAM), 1)[0], played(world, DiscountRule(), 1)[0]
    same = np.setdiff1d(np.arange(USERS), np.concatenate([chance.decisions.place, rule.decisions.place]))
    assert (chance.cancels[same] == rule.cancels[same]).all()
    assert (chance.cancelled[same] == rule.cancelled[same]).all()
    assert (chance.visits.place == rule.visits.place).all()


def test_a_program_without_staying_is_not_played() -> None:
    issue = PROGRAM.issues["support"]
    rewards = issue.rewards.model_copy(update={"survival": None})
    issues = {**PROGRAM.issues, "support": issue.model_copy(update={"rewards": rewards})}
    with pytest.raises(SpecError, match=r"proactive_assistance: .*all issues need the same rewards.survival"):
        horizon_days(PROGRAM.model_copy(update={"issues": issues}))
