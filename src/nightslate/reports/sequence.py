"""What a fitted Q says of the sequences of decisions that it learnt from: the figures behind the charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints, Keys
from nightslate.core.fitted_q import FittedQPolicy, importance
from nightslate.core.hashing import lowest, mix, seed
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.rewards import eligible_arms
from nightslate.models.files import ModelFile

TRANSITION_COLUMNS = ("trajectory_id", "step", "user_id", "arm_id", "eligible_arms")
"""What is read of the table `transitions`, besides the program's context columns."""

LARGEST_SAMPLE = 100_000
MAP_SAMPLE = 1_500
_FEWEST_NEIGHBOURS = 10
_PERPLEXITY = 30.0

Row = dict[str, Any]


@dataclass(frozen=True)
class SequenceFigures:
    """All figures of one fitted_q learner, as they are also kept in a JSON file.

    sweep: epsilon, value, lower, upper, confidence, ess, n: what its Q is worth, played epsilon-greedily.
    logged: the value of the policy that wrote the logs. curve: how far the targets moved by iteration, until
    no further than `tolerance`. decisions: how many the rest is about, of the newest sequences.
    segments: first (arm of the sequence's first offer; None before any), decisions, recommended (the arm that
    most of them are recommended), share (of them that are), value (mean of the best arm's Q), values (by arm,
    its mean Q where it was eligible; None where it never was).
    states: x, y (on the map), value, action (recommended), decisions: each distinct state of a sample.
    importance: by feature. ess_by_step: how many equally weighted sequences the estimate of its policy is
    worth, up to each step."""

    learner: str
    arms: list[str]
    sweep: list[Row]
    logged: float | None
    curve: list[float]
    tolerance: float
    decisions: int
    segments: list[Row]
    states: list[Row]
    importance: dict[str, float]
    ess_by_step: list[float]

    def to_json(self) -> Row:
        """Every field by its name; nothing in it is a NaN."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Decisions:
    """Decisions as a model sees them: `values` (n, A) are -inf where an arm was not eligible."""

    first: pa.Array
    order: Keys
    states: Floats
    eligible: Bools
    values: Floats

    @property
    def recommended(self) -> Ints:
        return np.asarray(self.values.argmax(axis=1))

    @property
    def value(self) -> Floats:
        return np.asarray(self.values.max(axis=1, initial=-np.inf))

    def take(self, rows: AnyArray) -> _Decisions:
        first = self.first.take(pa.array(np.arange(len(self.first))[rows]))
        return _Decisions(first, self.order[rows], self.states[rows], self.eligible[rows], self.values[rows])


def sequence_figures(
    model: ModelFile,
    transitions: pa.Table,
    sweeps: pa.Table,
    *,
    estimator: str,
    tolerance: float,
    logged: float | None = None,
    ess_by_step: Sequence[float] = (),
) -> SequenceFigures:
    """The figures of a model of kind fitted_q.

    `transitions`: TRANSITION_COLUMNS and the context columns of whole trajectories. `sweeps`: rows of the
    table of that name; those of the model's learner and of `estimator` are taken."""
    policy = cast(FittedQPolicy, model.policy)
    decisions = _valued(model, policy, transitions)
    of_map = decisions.take(lowest(decisions.order, MAP_SAMPLE))
    swept = sweeps.filter((pc.field("learner") == model.learner) & (pc.field("estimator") == estimator))
    slices = cast(Encoder, model.encoder).slices if len(of_map.first) else {}
    columns = ["epsilon", "value", "lower", "upper", "confidence", "ess", "n"]
    return SequenceFigures(
        learner=model.learner,
        arms=list(model.arms),
        sweep=swept.select(columns).sort_by("epsilon").to_pylist(),
        logged=logged,
        curve=policy.curve.tolist(),
        tolerance=tolerance,
        decisions=len(decisions.first),
        segments=_segments(decisions, model.arms),
        states=_map(of_map, model.arms),
        importance=importance(policy, of_map.states, slices, seed("importance", model.learner)),
        ess_by_step=list(ess_by_step),
    )


def _valued(model: ModelFile, policy: FittedQPolicy, transitions: pa.Table) -> _Decisions:
    """The decisions of a sample of users in which the model knows an arm that was eligible."""
    users = mix(user_keys(transitions), seed("sequence report"))
    kept = lowest(users, LARGEST_SAMPLE) & eligible_arms(transitions, model.arms).any(axis=1)
    rows = transitions.append_column("first", _first_offers(transitions)).filter(pa.array(kept))
    states, eligible = model.encoder(rows), eligible_arms(rows, model.arms)
    return _Decisions(
        first=rows["first"].combine_chunks(),
        order=mix(users[kept], rows["step"].to_numpy().astype(np.uint64)),
        states=states,
        eligible=eligible,
        values=np.where(eligible, policy.action_values(states), -np.inf),
    )


def _first_offers(transitions: pa.Table) -> pa.ChunkedArray:
    """(n,) the arm that each row's trajectory began with; null in its first row, before which was none."""
    begins = pc.equal(transitions["step"], 1)
    firsts = transitions.filter(begins)
    place = pc.index_in(transitions["trajectory_id"], firsts["trajectory_id"].combine_chunks())
    return firsts["arm_id"].take(pc.if_else(begins, None, place))


def _segments(decisions: _Decisions, arms: Sequence[str]) -> list[Row]:
    """A row for what came first, nothing before the arms in the order of their ids."""
    firsts = sorted(decisions.first.unique().to_pylist(), key=lambda arm: (arm is not None, arm))
    return [_segment(first, decisions, arms) for first in firsts]


def _segment(first: str | None, decisions: _Decisions, arms: Sequence[str]) -> Row:
    same = pc.is_null(decisions.first) if first is None else pc.equal(decisions.first, first)
    here = decisions.take(pc.fill_null(same, False).to_numpy(zero_copy_only=False))
    counts = np.bincount(here.recommended, minlength=len(arms))
    eligible = here.eligible.sum(axis=0)
    sums = here.values.sum(axis=0, where=here.eligible)
    return {
        "first": first,
        "decisions": len(here.first),
        "recommended": arms[int(counts.argmax())],
        "share": float(counts.max() / len(here.first)),
        "value": float(here.value.mean()),
        "values": {
            arm: float(total / n) if n else None for arm, total, n in zip(arms, sums, eligible, strict=True)
        },
    }


def _map(sample: _Decisions, arms: Sequence[str]) -> list[Row]:
    """The distinct states, near one another where they are alike. What was eligible is part of a state."""
    if not len(sample.first):
        return []
    described = np.hstack([sample.states, sample.eligible])
    distinct, rows, counts = np.unique(described, axis=0, return_index=True, return_counts=True)
    shown = sample.take(rows)
    return [
        {"x": float(x), "y": float(y), "value": float(value), "action": arms[action], "decisions": int(n)}
        for (x, y), value, action, n in zip(
            embedded(distinct), shown.value, shown.recommended, counts, strict=True
        )
    ]


def embedded(points: Floats) -> Floats:
    """(n > 0, d) -> (n, 2): neighbours stay neighbours. t-distributed stochastic neighbour embedding (van der
    Maaten and Hinton, 2008) of the standardised columns, from their principal components on, so that equal
    points give an equal map; where points or columns are too few for it, the principal components."""
    # Pages of programs without sequences need none of it, and it takes half a second to import.
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    varying = points[:, (points != points[:1]).any(axis=0)]
    standard = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    n, columns = standard.shape
    if n < _FEWEST_NEIGHBOURS or columns < 3:
        flat = np.zeros((n, 2))
        parts = min(n, columns, 2)
        if parts:
            flat[:, :parts] = PCA(parts, svd_solver="full").fit_transform(standard)
        return flat
    perplexity = min(_PERPLEXITY, (n - 1) / 3)
    return np.asarray(
        TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(standard), dtype=np.float64
    )
