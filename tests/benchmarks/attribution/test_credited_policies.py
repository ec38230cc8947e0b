"""What attribution does to estimates, on homepages whose truth is known.

Two weeks of random pages, then a week of a better policy's, by the rules of the homepage that `nightslate
simulate onboarding_401k` plays. Key tasks name a topic and no impression, and are shared among the tiles of
that topic with time decay. For some half-lives prints over many worlds the bias of two policies' estimates,
in % of the truth on the very pages that count and with its standard error, and how often intervals at 95 %
hold it; and in the last row the same of what came of each tile in truth, tasks included that are to come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import track
from rich.table import Table

from nightslate.core.arrays import Floats, Ints
from nightslate.core.attribution import Rule
from nightslate.core.hashing import mix, seed
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import INTERVALS
from nightslate.core.ope.results import Results
from nightslate.core.ope.sample import Sample
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.plackett_luce import marginal_propensities, sample_rankings
from nightslate.kernels.attribution import Attributor
from nightslate.kernels.maturity import Kinds, known_maturity
from nightslate.kernels.rewards import rewarded
from nightslate.programs import load
from nightslate.programs.days import microseconds
from nightslate.worlds.onboarding_401k.landing import Landing
from nightslate.worlds.onboarding_401k.messages import MESSAGES, described
from nightslate.worlds.onboarding_401k.rec_engine import Pages, Ranked
from nightslate.worlds.onboarding_401k.rec_engine import RecEngine as Engine
from nightslate.worlds.onboarding_401k.responses import responses
from nightslate.worlds.onboarding_401k.truth import Truth
from nightslate.worlds.onboarding_401k.world import Participants, World

WORLDS, USERS, RANDOM_DAYS, DAYS = 100, 2000, 14, 21
HALF_LIVES = {
    "12 hours": timedelta(hours=12),
    "2 days": timedelta(days=2),
    "3 days": timedelta(days=3),
    "7 days": timedelta(days=7),
}
POLICIES = ("random", "better")
CONFIDENCE = 0.95

ISSUE = load(Path(__file__).parents[3] / "dags" / "onboarding_401k.yaml").only_issue
_ARMS = np.array([seed(message) for message in MESSAGES], dtype=np.uint64)


@dataclass(frozen=True, eq=False)
class Tiles:
    """All tiles of a log, (m,) each: their impressions, who saw them, the logged propensity, and what came of
    them in the end. By policy (2, m): its propensity, and the truth of the page by tile."""

    impression_id: pa.Array
    who: Ints
    logged: Floats
    came: Floats
    target: Floats
    truth: Floats


def test_credit_by_the_median_delay_leaves_estimates_where_they_belong(tmp_path: Path) -> None:
    ways = (*HALF_LIVES, "what came in truth")
    found = np.array(
        [figures(number, tmp_path / str(number)) for number in track(range(WORLDS), "worlds", transient=True)]
    )
    value, lower, upper, truth = np.moveaxis(found, -1, 0)
    error = value / truth - 1
    held = ((lower <= truth) & (truth <= upper)).mean(axis=0)
    table = Table(
        title=f"bias in % (standard error), coverage; {WORLDS} worlds",
        box=None,
        pad_edge=False,
    )
    for column in ("half-life", *(f"{policy} policy" for policy in POLICIES)):
        table.add_column(column, justify="left" if column == "half-life" else "right")
    stderr = error.std(axis=0, ddof=1) / WORLDS**0.5
    for way, *cells in zip(ways, error.mean(axis=0), stderr, held, strict=True):
        table.add_row(
            way, *(f"{100 * b:+.1f} ({100 * s:.1f}) {h:4.0%}" for b, s, h in zip(*cells, strict=True))
        )
    console = Console(width=160)
    console.print()
    console.print(table)
    in_truth, by_median = error[:, -1], error[:, ways.index("3 days")]
    assert (np.abs(in_truth.mean(axis=0)) < 4 * stderr[-1]).all()
    assert (np.abs(by_median.mean(axis=0)) < np.abs(error[:, 0].mean(axis=0))).all()


def figures(number: int, folder: Path) -> Floats:
    """(ways, policies, 4): value, lower and upper bound, and truth."""
    tiles = play(World(USERS, number), folder)
    impressions, outcomes = (pq.read_table(folder / log) for log in ("impressions", "outcomes"))
    known_at = datetime.combine(ISSUE.start_date, time(), UTC) + timedelta(days=DAYS)
    kinds = Kinds({kind: ISSUE.rewards.window_of(kind) for kind in ISSUE.rewards.values}, known_at)
    of_ways = []
    for half_life in HALF_LIVES.values():
        credits_known = pa.concat_tables(attributor(half_life).attribute(impressions, outcomes).credits())
        sums = kinds.observed({"impressions": impressions, "credits": credits_known})
        maturity = known_maturity(sums, kinds, ISSUE.rewards.min_seen)
        rows = rewarded(impressions, credits_known, maturity.counts_until, maturity)
        counted = np.asarray(pc.index_in(rows["impression_id"], tiles.impression_id), dtype=np.int64)
        of_ways.append(estimates(tiles, counted, rows["reward"].to_numpy()))
    return np.array([*of_ways, estimates(tiles, counted, tiles.came[counted])])


def play(world: World, folder: Path) -> Tiles:
    """All days of a world; its logs lie in the folder."""
    landing = Landing(folder, ISSUE.start_date, "marginal")
    engine = Engine(world, ISSUE.start_date, lambda people, seen, day: ranked(world, people, seen, day))
    days = []
    for day in range(DAYS):
        pages = engine.show(day)
        done, truth = responses(world, pages), Truth.of(world, pages, ISSUE.rewards.values)
        landing.land(world.participants(day), pages, done)
        impressions = pq.read_table(folder / "impressions" / f"ds={ISSUE.start_date + timedelta(days=day)}")
        row, slot = np.nonzero(pages.shown)
        worth = sum(ISSUE.rewards.values[kind] * here for kind, here in done.happened.items())
        of_policies = (np.ones((len(pages.place), len(MESSAGES))), better(world, pages.people, pages.seen))
        target = np.array([shown_with(weights, pages)[row, slot] for weights in of_policies])
        tiles = pages.shown.sum(axis=1)[row]
        days.append(
            Tiles(
                impressions["impression_id"].combine_chunks(),
                pages.people.number[row],
                target[0 if day < RANDOM_DAYS else 1],
                np.asarray(worth)[row, slot],
                target,
                np.array([truth.of_policy(weights)[row] / tiles for weights in of_policies]),
            )
        )
    ids = pa.concat_arrays([day.impression_id for day in days])
    rest = ("who", "logged", "came", "target", "truth")
    return Tiles(ids, *(np.concatenate([getattr(day, name) for day in days], axis=-1) for name in rest))


def ranked(world: World, people: Participants, seen: Ints, day: int) -> Ranked:
    """Random messages at first, then those of the better policy."""
    weights = np.ones(seen.shape) if day < RANDOM_DAYS else better(world, people, seen)
    drawn = sample_rankings(weights, world.keys(people, day, "ranking"), _ARMS, len(MESSAGES))
    nothing = pa.nulls(len(people), pa.string())
    return Ranked(drawn, nothing, nothing)


def better(world: World, people: Participants, seen: Ints) -> Floats:
    """(n, messages): weights that learn from nothing, and so owe nothing to chance: by the square of what
    messages are worth in truth."""
    weights = world.worth(people, seen, ISSUE.rewards.values) ** 2
    return mix_floor(weights / weights.sum(axis=1, keepdims=True), ISSUE.floor)


def shown_with(weights: Floats, pages: Pages) -> Floats:
    """(n, slots): the marginal probability of the message in each tile."""
    slots = range(pages.tiles.shape[1])
    chances = np.stack([marginal_propensities(weights, slot + 1, pages.allowed) for slot in slots], axis=1)
    return np.take_along_axis(chances, np.maximum(pages.tiles, 0)[:, :, None], axis=2)[:, :, 0]


def attributor(half_life: timedelta) -> Attributor:
    """That of the program, with this half-life."""
    rewards = ISSUE.rewards
    return Attributor(
        rule=Rule("time_decay", microseconds(half_life)),
        match=rewards.attribution.match,
        matches=rewards.attribution.matches,
        window=rewards.window,
        values=rewards.values,
        topics={arm["arm_id"]: arm["topic"] for arm in described()},
    )


def estimates(tiles: Tiles, counted: Ints, reward: Floats) -> Floats:
    """(policies, 4): of the tiles that count, the self-normalised estimate by tile."""
    samples = [
        Sample(reward=reward, propensity=tiles.logged[counted], target_propensity=target[counted])
        for target in tiles.target
    ]
    state = EvaluationState.initial(POLICIES, ("snips",))
    results = Results(
        state.update(samples, mix(tiles.who[counted].astype(np.uint64), 1)), RewardRange(0.0, 1.0)
    )
    found = [results.figures(p, None, "snips", CONFIDENCE, INTERVALS["delta"]) for p in range(len(POLICIES))]
    truth = tiles.truth[:, counted].mean(axis=1)
    return np.array(
        [[one["value"], one["lower"], one["upper"], true] for one, true in zip(found, truth, strict=True)],
        dtype=np.float64,
    )
