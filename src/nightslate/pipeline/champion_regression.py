"""A champion that has coefficients: what it is taught, and what a night tells of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, cast

import pyarrow as pa

from nightslate.core.insights import (
    AnyRegression,
    BestShares,
    fitted_regression,
    is_regression,
    posterior_policy,
)
from nightslate.core.policies import LEARNERS
from nightslate.core.policies.learner import Arms
from nightslate.engines import Tables, Work
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.channels import OpenChannels
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.folds import Key
from nightslate.kernels.insights import Showings, best_of, lowest_users, of_some_users
from nightslate.kernels.rewards import arm_places
from nightslate.kernels.scoring import ScoredBy, Scoring
from nightslate.kernels.training import Lessons, arm_encoder
from nightslate.models.files import ModelFile
from nightslate.pipeline.arms import arm_ids
from nightslate.pipeline.champion_insights import Champion, Row
from nightslate.pipeline.fitting import described_arms, looked_at, model_seed, settings
from nightslate.pipeline.matured_logs import Logs
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.served_users import Served
from nightslate.programs.insights import Insights
from nightslate.programs.learners import Linear, ignored_by

_SAMPLED = 20_000
"""Impressions that importances are measured on: of more, those of some users."""

_BEST: Key = ("best", 0)


@dataclass(frozen=True)
class ChampionRegression:
    """The champion `name` of a night, its model of tonight, and the arms on offer."""

    night: IssueNight
    name: str
    model: ModelFile
    offered: pa.Table
    learner: AnyRegression

    @classmethod
    def of(cls, night: IssueNight, name: str, model: ModelFile, offered: pa.Table) -> Self | None:
        """None of a champion that has no coefficients."""
        said = night.issue.learners[name]
        if not isinstance(said, Linear):
            return None
        learner = LEARNERS[said.kind](**settings(said, None))
        return cls(night, name, model, offered, learner) if is_regression(learner) else None

    def lessons(self, logs: Logs) -> Lessons:
        """What impressions teach it, by fold of users."""
        folds, beside = self.night.issue.evaluation.folds, looked_at({self.name: self._arms})
        taught = {self.name: self.learner}
        return Lessons(logs.matured, taught, self._encoder, arm_ids(self.offered), folds, beside=beside)

    def rows(
        self,
        asked: Insights,
        states: Mapping[Key, Any],
        logs: Logs,
        users: Work,
        served: Served,
        channels: OpenChannels | None,
    ) -> list[Row]:
        """Of the table. states: what `logs` taught; users: those of the day, as they are read; served: who of
        them gets slates; channels: those of the arms, if they have any."""
        shown = self._shown(logs)
        if not shown.num_rows:
            return []
        champion = self._champion(states)
        weights = self.learner.forgetting ** logs.matured.ages(shown)
        return [
            *champion.effects(shown, asked.effects),
            *champion.importances(shown, weights),
            *champion.best(self._best(champion, users, served, channels)),
            *champion.examples(self._lowest(self._examples(asked), users, served), channels, shown),
        ]

    def _examples(self, asked: Insights) -> int:
        """Of how many users; each is a cell of one."""
        return asked.examples if self.night.program.min_cell == 1 else 0

    @cached_property
    def _encoder(self) -> Encoder:
        return cast(Encoder, self.model.encoder)

    @cached_property
    def _arms(self) -> Arms:
        ignored = ignored_by(self.night.issue.learners[self.name])
        return described_arms(self.night, self.offered, self._encoder, ignored)

    def _champion(self, states: Mapping[Key, Any]) -> Champion:
        everyone, of_others = Showings.taught(states)
        return Champion(
            program=self.night.name,
            ids=arm_ids(self.offered),
            regression=fitted_regression(self.learner, everyone, self._arms),
            held_out=[fitted_regression(self.learner, others, self._arms) for others in of_others],
            rows=everyone.rows,
            encoder=self._encoder,
            seen=self._encoder.of_one_arm(ignored_by(self.night.issue.learners[self.name])),
            described=arm_encoder(self.offered, self.night.program.logs.arm_features),
            pooled=self.learner.pooling != "disjoint",
            confidence=self.night.issue.evaluation.confidence,
        )

    def _shown(self, logs: Logs) -> pa.Table:
        """The showings of arms on offer, of some users where there are many, in the order of their ids."""
        of_one_in = math.ceil(logs.work.inputs["impressions"].rows / _SAMPLED) or 1
        program, ids = self.night.name, arm_ids(self.offered)

        def sampled(tables: Tables) -> pa.Table:
            rows = of_some_users(logs.rows(tables), program, of_one_in)
            return rows.filter(pa.array(arm_places(rows, ids) >= 0))

        return self.night.engine.map(sampled, logs.work).unify_dictionaries().sort_by("impression_id")

    def _best(
        self, champion: Champion, users: Work, served: Served, channels: OpenChannels | None
    ) -> BestShares:
        night, ids, model = self.night, arm_ids(self.offered), self.model
        policy = posterior_policy(champion.regression, model_seed(night, self.name))
        scoring = Scoring(
            program=night.name,
            issue=night.issue.name,
            slate_date=night.slate_date,
            depth=night.issue.depth,
            floor=night.issue.floor,
            assignment=Assignment.at_first(night.issue.salt, {self.name: 1.0}, night.slate_date),
            variants={self.name: ScoredBy(self.name, model.digest, ids, model.encoder, policy)},
            channels=channels,
        )

        def update(tables: Tables) -> Iterator[tuple[Key, BestShares]]:
            yield _BEST, best_of(scoring, served(tables), ids)

        return night.engine.fold({_BEST: BestShares.zero(len(ids))}, update, users)[_BEST]

    def _lowest(self, number: int, users: Work, served: Served) -> pa.Table:
        """So many users of tonight's slates."""
        program = self.night.name
        lowest = self.night.engine.map(
            lambda tables: lowest_users(served(tables), program, number), users
        ).unify_dictionaries()
        return lowest_users(lowest, program, number)
