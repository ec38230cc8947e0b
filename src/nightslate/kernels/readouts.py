"""The sums over users that the readout of an experiment is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Floats, Ints
from nightslate.core.hashing import deal, seed
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.comparable_users import by_variant
from nightslate.kernels.experiment_users import (
    DAY,
    Allocated,
    ExperimentUsers,
    Scope,
    with_former_variant,
)
from nightslate.kernels.fatigue import by_showing
from nightslate.kernels.features import USER
from nightslate.kernels.named_states import MomentsByName, SampleRatiosByName
from nightslate.kernels.readout_counts import Counts, Sample, counts_of, sample_ratios_of
from nightslate.kernels.readout_days import Daily, DailySums
from nightslate.kernels.readout_paths import OfPaths, Paths
from nightslate.kernels.readout_spans import Spans
from nightslate.kernels.rewards import Costs
from nightslate.kernels.user_features import KnownFeatures
from nightslate.kernels.user_totals import Counted, Done, Known, rows_of
from nightslate.programs.days import end_of, microseconds
from nightslate.programs.readouts import FEATURES, MOVED, Covariate, Fatigue, Measured, Metric

Period = Literal["cumulative", "day", "novelty", "before"]


@dataclass(frozen=True)
class Figure:
    """What moments are of: a metric; whose users count; of all the time since then, or of the night's day
    alone, or of the first days apart from the later ones, or, of a covariate, of the time before; and whether
    users are weighted."""

    metric: str
    scope: Scope
    period: Period
    weighted: bool = True


SAMPLE_RATIOS, COUNTS, FATIGUE, STAYING = "sample ratios", "counts", "fatigue", "staying"
Key = Figure | Daily | OfPaths | str


@dataclass(frozen=True)
class Readout:
    """What is read out on the night of ds. arms: those there are, with the columns that are looked at; costs:
    of showing them; caps: the most that a user counts for, by metric; features: those of users that
    are looked at, with their defaults; former: the salt of the experiment that told users apart before;
    by_path: whether metrics are told of the days on which users are in their first variant still, too."""

    allocated: Allocated
    ds: date
    metrics: Mapping[str, Metric]
    covariates: Mapping[str, Covariate]
    segments: Sequence[str]
    arms: pa.Table
    costs: Costs
    caps: Mapping[str, float]
    features: Mapping[str, float | str] = field(default_factory=dict)
    fatigue: Fatigue | None = None
    former: str | None = None
    by_path: bool = False

    @property
    def figures(self) -> list[Figure]:
        """All of which there are moments. Without weights they are of interest where these differ."""
        scopes: tuple[Scope, ...] = ("assigned", "exposed")
        periods: tuple[Period, ...] = ("cumulative", "day")
        cumulative_and_of_day = [
            Figure(name, scope, period, weighted)
            for name, metric in self.metrics.items()
            for scope in scopes
            for period in periods
            for weighted in ((True, False) if self.allocated.moves else (True,))
            if period == "cumulative" or metric.has_days
        ]
        of_parts = [name for name, metric in self.metrics.items() if metric.novelty]
        return [
            *cumulative_and_of_day,
            *(Figure(name, "exposed", "novelty") for name in of_parts),
            *(Figure(name, "exposed", "before") for name in self.covariates),
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
            **{
                key: state
                for figure in self.figures
                for sums in self._by_day(figure)
                for key, state in sums.initial()
            },
            SAMPLE_RATIOS: SampleRatiosByName.initial(),
            COUNTS: Counts.initial(len(self.allocated.variants), len(self.parts)),
            **({FATIGUE: MomentsByName.initial()} if self.fatigue else {}),
            **({STAYING: MomentsByName.initial()} if self.allocated.by_user else {}),
            **{OfPaths(name): MomentsByName.initial() for name in self._of_paths},
        }

    def update(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[Key, Any]]:
        """Of some users: their `assignments` and `impressions`, and the other logs that are looked at."""
        users, done = self._users(tables)
        variants, rows = self.allocated.variants, [each.rows for each in done.values()]
        yield SAMPLE_RATIOS, sample_ratios_of(users, self.segments, len(variants))
        yield COUNTS, counts_of(users, variants, self.ds, rows)
        if self.fatigue:
            yield FATIGUE, by_showing(self.fatigue, users, tables["credits"], variants, self._end)
        if self.allocated.by_user:
            yield from self._paths(tables, users, done)
        for measured, figures in groupby(self.figures, lambda figure: replace(figure, weighted=True)):
            spans = self._spans(measured, users)
            values = self._values(measured, spans, done)
            for figure in figures:
                yield figure, self._moments(figure, users, spans.who, values)
                for sums in self._by_day(figure):
                    yield from sums.of(users, spans.who, values[:, :2])

    def of_users(
        self, tables: Mapping[str, pa.Table]
    ) -> Iterator[tuple[Figure, ExperimentUsers, Ints, Floats]]:
        """Of each metric and scope the users, the places (m,) of those who count, and what they count for,
        unweighted (m, K): numerator and denominator, then those of each covariate."""
        users, done = self._users(tables)
        for figure in self.figures:
            if figure.weighted and figure.period == "cumulative":
                spans = self._spans(figure, users)
                yield figure, users, spans.who, self._values(figure, spans, done)

    @property
    def _of_paths(self) -> list[str]:
        """The metrics that are sums over days, where these are asked for."""
        asked = self.by_path and self.allocated.by_user
        return [name for name, metric in self.metrics.items() if asked and metric.adds_up]

    def _paths(
        self, tables: Mapping[str, pa.Table], users: ExperimentUsers, done: Mapping[str, Counted]
    ) -> Iterator[tuple[Key, Any]]:
        paths = Paths.of(self.allocated, tables["assignments"].filter(self._since_first), users)
        variants, everybody = self.allocated.variants, np.arange(users.variant.size)
        yield STAYING, paths.weights(users, self.segments, variants)
        for name in self._of_paths:
            metric = self.metrics[name]
            parts = [cast(Done, done[_said(part)]) for part in metric.measured]
            values = paths.sums(metric, parts, users.assigned)
            yield OfPaths(name), by_variant(users, variants, (), everybody, values)

    def _by_day(self, figure: Figure) -> Iterator[DailySums]:
        """Beside what is not weighted, of all the time, where all users of a day have its shares."""
        if not figure.weighted and figure.period == "cumulative" and not self.allocated.by_user:
            yield DailySums(figure.metric, figure.scope, self.allocated, self.ds)

    def finished(self, tables: Mapping[str, pa.Table]) -> tuple[ExperimentUsers, Ints, Floats]:
        """Some users; the places (m,) of those who were assigned so long ago that the time of every metric is
        over; and what each of these counts for (m, metrics)."""
        users, done = self._users(tables)
        spans = {name: self._spans(Figure(name, "assigned", "cumulative"), users) for name in self.metrics}
        over = np.all([np.isin(np.arange(len(users.ids)), each.who) for each in spans.values()], axis=0)
        values = [self._metric(name, each, done)[0][over[each.who]] for name, each in spans.items()]
        return users, np.flatnonzero(over), np.stack(values, axis=1)

    def no_samples(self, metrics: Sequence[str]) -> dict[str, Sample]:
        """Of no users, by metric."""
        return {name: Sample(np.empty(0)) for name in metrics}

    def samples(
        self, tables: Mapping[str, pa.Table], metrics: Sequence[str], of_one_in: int
    ) -> Iterator[tuple[str, Sample]]:
        """What exposed users count for, by metric: of one in so many, by a hash of the user."""
        users, done = self._users(tables)
        keys = user_keys(pa.table({USER: users.ids}))
        sampled = deal(keys, seed(self.allocated.salt, "quantiles"), of_one_in) == 0
        for name in metrics:
            spans = self._spans(Figure(name, "exposed", "cumulative"), users)
            yield name, Sample(self._above(name, spans, done)[sampled[spans.who]])

    def _users(self, tables: Mapping[str, pa.Table]) -> tuple[ExperimentUsers, dict[str, Counted]]:
        """The users, and what is counted of them, by how it is said."""
        assignments = tables["assignments"].filter(self._since_first)
        users = ExperimentUsers.of(self.allocated, assignments, self._shown(tables))
        if MOVED in self.segments:
            users = users.told_by_moves(self.allocated)
        sources = dict.fromkeys(part.source for part in self.parts.values())
        rows = {source: rows_of(source, tables, self.arms, self.costs) for source in sources}
        return users, {
            said: self._counted(part, rows[part.source], users.ids) for said, part in self.parts.items()
        }

    def _counted(self, part: Measured, rows: pa.Table, users: pa.Array) -> Counted:
        if part.source == FEATURES:
            name = str(part.column)
            return Known(name, users, rows, float(self.features[name]))
        return Done.of(part, rows, users)

    def _shown(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """The impressions, with what segments are told by that is not of contexts: features as of the end of
        the day before, and variants of before."""
        shown = tables["impressions"]
        if self.former:
            shown = with_former_variant(shown, tables["assignments"], self.former, self.allocated.since)
        of_features = {name: self.features[name] for name in self.segments if name in self.features}
        if of_features:
            shown = KnownFeatures(of_features, of_decisions=False).beside(shown, tables[FEATURES])
        return shown

    def _spans(self, figure: Figure, users: ExperimentUsers) -> Spans:
        """Of the users whose time is over."""
        who, since = users.since(figure.scope)
        if figure.period == "before":
            return Spans(who, since, since, since, users.variant.size)
        metric = self.metrics[figure.metric]
        end = self._end
        begin, until = since + microseconds(metric.begins), np.full(since.size, end)
        if figure.period == "day":
            begin = np.maximum(since, end - DAY)
        elif metric.lasts is not None:
            until = begin + microseconds(metric.lasts)
        over = until <= end
        return Spans(who[over], since[over], begin[over], until[over], users.variant.size)

    @property
    def _since_first(self) -> pc.Expression:
        """Of assignments those of the experiment's days."""
        return pc.field("slate_date") >= self.allocated.since

    @property
    def _end(self) -> int:
        """That of ds, in microseconds since 1970."""
        return microseconds(end_of(self.ds) - end_of(date(1969, 12, 31)))

    def _above(self, name: str, spans: Spans, done: Mapping[str, Counted]) -> Floats:
        """(m,) what each user counts for, or the part of a ratio above the line."""
        metric = self.metrics[name]
        measured = done[_said(metric)]
        if metric.kind == "time_to_event" and isinstance(measured, Done):
            return spans.days_until(measured)
        above = spans.totals(measured)
        return (above > 0).astype(np.float64) if metric.kind in ("share", "retention") else above

    def _values(self, figure: Figure, spans: Spans, done: Mapping[str, Counted]) -> Floats:
        """(m, K) what each user counts for, unweighted."""
        of_period = {"novelty": self._of_parts, "before": self._of_before}
        of_figure = of_period.get(figure.period, self._of_whole)
        return np.stack(of_figure(figure.metric, spans, done), axis=1)

    def _moments(self, figure: Figure, users: ExperimentUsers, who: Ints, values: Floats) -> MomentsByName:
        """By variant, and column and value of a segment."""
        if figure.weighted:
            values = values * users.weight[who][:, None]
        in_segments = figure.scope == "exposed" and figure.period == "cumulative" and figure.weighted
        segments = self.segments if in_segments else ()
        return by_variant(users, self.allocated.variants, segments, who, values)

    def _of_whole(self, name: str, spans: Spans, done: Mapping[str, Counted]) -> list[Floats]:
        """(m,) each, as in `core.experiments.metric`."""
        columns = self._metric(name, spans, done)
        for covariate in self.covariates:
            columns += self._of_before(covariate, spans, done)
        return columns

    def _metric(self, name: str, spans: Spans, done: Mapping[str, Counted]) -> list[Floats]:
        """(m,) its numerator and its denominator."""
        metric = self.metrics[name]
        above = np.minimum(self._above(name, spans, done), self.caps.get(name, np.inf))
        return [above, spans.totals(done[_said(metric.per)]) if metric.per else np.ones(spans.who.size)]

    def _of_before(self, covariate: str, spans: Spans, done: Mapping[str, Counted]) -> list[Floats]:
        """(m,) each, what is known of users before they are spoken of, and 1."""
        said = self.covariates[covariate]
        return [spans.before(said.looks_back).totals(done[_said(said)]), np.ones(spans.who.size)]

    def _of_parts(self, name: str, spans: Spans, done: Mapping[str, Counted]) -> list[Floats]:
        """(m,) each, as in `core.experiments.novelty`."""
        metric = self.metrics[name]
        return [
            column
            for part in spans.parted(metric.novelty or timedelta(0))
            for column in (
                self._above(name, part, done),
                part.totals(done[_said(metric.per)]) if metric.per else part.days,
            )
        ]


def _said(part: Measured) -> str:
    """What is counted, as text: what is said twice is counted once."""
    return part.model_dump_json(include={*Measured.model_fields})
