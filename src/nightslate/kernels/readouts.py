"""The sums over users that the readout of an experiment is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints, Sums
from nightslate.core.experiments import Moments, SampleRatio
from nightslate.kernels.experiment_users import DAY, Allocated, ExperimentUsers, Scope
from nightslate.kernels.named_states import MomentsByName, Place, SampleRatiosByName
from nightslate.kernels.rewards import Costs
from nightslate.kernels.user_totals import Done, rows_of
from nightslate.programs.days import end_of, microseconds
from nightslate.programs.readouts import Covariate, Measured, Metric

Period = Literal["cumulative", "day"]


@dataclass(frozen=True)
class Figure:
    """What moments are of: a metric; whose users count; of all the time since then, or of the night's day
    alone; and whether users are weighted."""

    metric: str
    scope: Scope
    period: Period
    weighted: bool = True


SAMPLE_RATIOS, COUNTS = "sample ratios", "counts"
Key = Figure | str


@dataclass(frozen=True, eq=False)
class Counts(Sums):
    """Of each of k variants: users assigned (k,) and exposed (k,); those exposed on the night's day, today
    (k,); of those exposed how many were shown something that names a variant (k,), and another one than they
    were assigned to (k,). rows (p,): in how many rows of logs each of p things was found that are
    measured."""

    assigned: Ints
    exposed: Ints
    today: Ints
    named: Ints
    crossed: Ints
    rows: Ints

    @classmethod
    def initial(cls, variants: int, parts: int) -> Counts:
        """Of no users."""
        nobody = np.zeros(variants, dtype=np.int64)
        return cls(nobody, nobody, nobody, nobody, nobody, np.zeros(parts, dtype=np.int64))


@dataclass(frozen=True)
class Readout:
    """What is read out on the night of ds. arms: those there are, with the columns that are looked at; costs:
    of showing them; caps: the most that a user counts for, by metric."""

    allocated: Allocated
    ds: date
    metrics: Mapping[str, Metric]
    covariates: Mapping[str, Covariate]
    segments: Sequence[str]
    arms: pa.Table
    costs: Costs
    caps: Mapping[str, float]

    @property
    def figures(self) -> list[Figure]:
        """All of which there are moments. Without weights they are of interest where these differ."""
        scopes: tuple[Scope, ...] = ("assigned", "exposed")
        periods: tuple[Period, ...] = ("cumulative", "day")
        return [
            Figure(name, scope, period, weighted)
            for name, metric in self.metrics.items()
            for scope in scopes
            for period in periods
            for weighted in ((True, False) if self.allocated.moves else (True,))
            if period == "cumulative" or metric.kind != "retention"
        ]

    @property
    def parts(self) -> dict[str, Measured]:
        """All that is measured, by how it is said."""
        parts = [part for metric in self.metrics.values() for part in metric.measured]
        return {_said(part): part for part in [*parts, *self.covariates.values()]}

    def initial(self) -> dict[Key, Any]:
        """Of no users."""
        return {
            **{figure: MomentsByName.initial() for figure in self.figures},
            SAMPLE_RATIOS: SampleRatiosByName.initial(),
            COUNTS: Counts.initial(len(self.allocated.variants), len(self.parts)),
        }

    def update(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[Key, Any]]:
        """Of some users: their `assignments` and `impressions`, and the other logs that are looked at."""
        users = ExperimentUsers.of(self.allocated, tables["assignments"], tables["impressions"])
        sources = dict.fromkeys(part.source for part in self.parts.values())
        rows = {source: rows_of(source, tables, self.arms, self.costs) for source in sources}
        done = {said: Done.of(part, rows[part.source], users.ids) for said, part in self.parts.items()}
        yield SAMPLE_RATIOS, self._sample_ratios(users)
        yield COUNTS, self._counts(users, done)
        for figure in self.figures:
            yield figure, self._moments(figure, users, done)

    def _moments(self, figure: Figure, users: ExperimentUsers, done: Mapping[str, Done]) -> MomentsByName:
        """By variant, and column and value of a segment."""
        metric, (who, since) = self.metrics[figure.metric], users.since(figure.scope)
        end = microseconds(end_of(self.ds) - end_of(date(1969, 12, 31)))
        first, begin, until = since, since + microseconds(metric.begins), np.full(since.size, end)
        if figure.period == "day":
            begin = np.maximum(since, end - DAY)
        elif metric.lasts is not None:
            until = begin + microseconds(metric.lasts)
        ready = until <= end
        if not ready.all():
            who, first, begin, until = who[ready], first[ready], begin[ready], until[ready]

        def totals(part: Measured, *moments: Ints) -> Floats:
            return done[_said(part)].totals(*(_of_all(each, who, users) for each in moments))[who]

        above, below = totals(metric, first, begin, until), np.ones(who.size)
        if metric.kind in ("share", "retention"):
            above = (above > 0).astype(np.float64)
        if figure.metric in self.caps:
            above = np.minimum(above, self.caps[figure.metric])
        if metric.per:
            below = totals(metric.per, first, begin, until)
        columns = [above, below]
        for covariate in self.covariates.values():
            before = first - microseconds(covariate.window)
            columns += [totals(covariate, before, before, first), np.ones(who.size)]
        values = np.stack(columns, axis=1)
        if figure.weighted:
            values *= users.weight[who][:, None]
        return self._by_variant(figure, users, who, values)

    def _by_variant(self, figure: Figure, users: ExperimentUsers, who: Ints, values: Floats) -> MomentsByName:
        found = dict[Place, Moments]()
        in_segments = figure.scope == "exposed" and figure.period == "cumulative" and figure.weighted
        for column in (None, *(self.segments if in_segments else ())):
            codes, names = users.segment(column)
            cell = users.variant[who] * len(names) + codes[who]
            sums = Moments.initial((len(self.allocated.variants), len(names)), values.shape[1])
            sums = sums.update(cell, values)
            for variant, name in zip(*np.nonzero(sums.n), strict=True):
                place = self.allocated.variants[variant], column, names[name]
                found[place] = sums.cell(variant, name)
        return MomentsByName(found)

    def _sample_ratios(self, users: ExperimentUsers) -> SampleRatiosByName:
        """Of users that were exposed, by column and value of a segment, and the day of the first exposure."""
        who, since = users.since("exposed")
        days, found = since // DAY, dict[Place, SampleRatio]()
        for column in (None, *self.segments):
            codes, names = users.segment(column)
            cells, cell = np.unique(np.stack([days, codes[who]]), axis=1, return_inverse=True)
            order = np.argsort(cell, kind="stable")
            ends = np.searchsorted(cell[order], np.arange(1, cells.shape[1]))
            for (day, code), places in zip(cells.T.tolist(), np.split(order, ends), strict=False):
                mine = who[places]
                ratio = SampleRatio.initial(len(self.allocated.variants))
                name = (date(1970, 1, 1) + timedelta(days=day)).isoformat()
                found[column, names[code], name] = ratio.update(
                    users.variant[mine], users.probabilities[mine]
                )
        return SampleRatiosByName(found)

    def _counts(self, users: ExperimentUsers, done: Mapping[str, Done]) -> Counts:
        own = pa.array(self.allocated.variants, pa.string()).take(pa.array(users.variant[users.shown_to]))
        says = users.shown["variant"].combine_chunks()
        named = np.asarray(says.is_valid(), dtype=np.bool_)
        other = np.asarray(pc.fill_null(pc.not_equal(says, own), False), dtype=np.bool_)
        today = users.shown_at // DAY == (self.ds - date(1970, 1, 1)).days
        everybody = np.ones(users.variant.size, dtype=np.bool_)

        def by_variant(which: Bools) -> Ints:
            return np.bincount(users.variant[which], minlength=len(self.allocated.variants))

        return Counts(
            assigned=by_variant(everybody),
            exposed=by_variant(users.first >= 0),
            today=by_variant(users.shown_of(today)),
            named=by_variant(users.shown_of(named)),
            crossed=by_variant(users.shown_of(other)),
            rows=np.array([each.user.size for each in done.values()], dtype=np.int64),
        )


def _said(part: Measured) -> str:
    """What is counted, as text: what is said twice is counted once."""
    return part.model_dump_json(include={*Measured.model_fields})


def _of_all(values: Ints, who: Ints, users: ExperimentUsers) -> Ints:
    """(u,) the values (m,) of some users, and moments that nothing is in of all others."""
    found = np.zeros(users.variant.size, dtype=np.int64)
    found[who] = values
    return found
