"""A released model: it ranks the arms for the rows of a request as a night does for all users of a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from threadpoolctl import ThreadpoolController

from nightslate.core.arrays import Ints, Keys
from nightslate.errors import ContractError, NightslateError
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.scoring import SLATES, Group, ScoredBy, Scoring, chosen
from nightslate.kernels.slate_weights import WeightAdjustment
from nightslate.serving.mlmodel import DAY, VARIANT
from nightslate.serving.multipliers import SolvedFor
from nightslate.serving.release import Release
from nightslate.serving.requests import Frame, Request, read

_ROW = "row"


@dataclass(frozen=True)
class ServedModel:
    """What MLflow's python_function calls. Bits are those of a night on one kind of CPU: BLAS has one thread
    while it ranks, so one request is ranked at a time in a process."""

    release: Release
    model: ScoredBy
    multipliers: SolvedFor
    _threads: ThreadpoolController = field(default_factory=ThreadpoolController, repr=False)
    _one_at_a_time: Lock = field(default_factory=Lock, repr=False)

    def predict(self, model_input: Frame, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The slate of each row, in their order, as a dictionary. A weight, which is a float32, is the float
        that equals it. Raises MlflowException for what is wrong with the request, which MLflow's server
        answers with 400."""
        try:
            self._require_no_risks()
            request = read(model_input, self.release.context, self.model.arms, self.release.keyed)
            slates = self.slates(request, self._variant((params or {}).get(VARIANT)))
        except NightslateError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error
        days = pa.array([day.isoformat() for day in request.days], pa.string())
        return list(slates.append_column(DAY, days.take(pa.array(request.day_of))).to_pylist())

    def slates(
        self, request: Request, variant: str, decisions: Keys | None = None, solved_for: date | None = None
    ) -> pa.Table:
        """`SLATES` of the rows in their order. Who may get no arm has an empty ranking, and no slate of which
        there could be an id. decisions: see `Scoring.slates_among`. solved_for: the day whose multipliers
        are taken, where it is another than the row's."""
        with self._one_at_a_time, self._threads.limit(limits=1):
            return self._slates(request, variant, decisions, solved_for)

    def _require_no_risks(self) -> None:
        """Raise ContractError for an issue of which a request can't say whom it concerns."""
        if self.release.risks:
            raise ContractError(
                f"{self.release.issue}: whom it concerns goes by the detectors"
                f" ({', '.join(self.release.risks)}) of the night, which no request has; read its slates"
            )

    def _variant(self, asked: str | None) -> str:
        known, variant = self.release.variants, asked or self.release.variant
        if variant not in known:
            raise ContractError(
                f"{VARIANT} {variant!r} does not show {self.release.learner}: choose from {sorted(known)}"
            )
        return variant

    def _slates(
        self, request: Request, variant: str, decisions: Keys | None, solved_for: date | None
    ) -> pa.Table:
        users = request.users.append_column(_ROW, pa.array(np.arange(request.users.num_rows)))
        users = EligibleUsers(self.release.eligible, self.release.concern)(users)
        rows, eligible = users[_ROW].to_numpy(), request.eligible
        if eligible is not None:
            some = eligible[rows].any(axis=1)
            rows, users = rows[some], users.filter(pa.array(some))
        choices = chosen(Group(variant), self.model, users)
        parts, order = [], []
        for day, at in _alike(request, rows, self.release.depth):
            among = None if eligible is None else eligible[rows[at]]
            mine = choices if len(at) == len(rows) else choices.take(pa.array(at))
            drawn = None if decisions is None else decisions[rows[at]]
            scoring = self._scoring(variant, request.days[day], solved_for)
            parts.append(scoring.slates_among(Group(variant), mine, among, decisions=drawn))
            order.append(rows[at])
        none = np.setdiff1d(np.arange(request.users.num_rows), rows)
        if len(none):
            parts.append(self._without_slate(request.users["user_id"].take(pa.array(none)), variant))
            order.append(none)
        slates = pa.concat_tables([SLATES.empty_table(), *parts])
        if len(parts) > 1:
            slates = slates.take(pa.array(np.argsort(np.concatenate(order))))
        return slates

    def _scoring(self, variant: str, slate_date: date, solved_for: date | None) -> Scoring:
        """Everybody of a request is in the variant that it says."""
        release, adjusted = self.release, self.release.variants[variant]
        multipliers = self.multipliers.of(solved_for or slate_date) if adjusted else {}
        return Scoring(
            program=release.program,
            issue=release.issue,
            slate_date=slate_date,
            depth=release.depth,
            floor=release.floor,
            assignment=Assignment.at_first(release.program, {variant: 1.0}, slate_date),
            variants={variant: self.model},
            adjustment=WeightAdjustment(multipliers, release.penalty, release.groups),
            randomised=frozenset() if adjusted else frozenset({variant}),
        )

    def _without_slate(self, users: pa.ChunkedArray, variant: str) -> pa.Table:
        said = {
            "issue": self.release.issue,
            "variant": variant,
            "policy": self.model.learner,
            "model_digest": self.model.digest,
            **{name: [] for name in ("candidates", "weights", "ranking", "propensities")},
        }
        return pa.Table.from_pylist([{"user_id": user, **said} for user in users.to_pylist()], SLATES)


def _alike(request: Request, rows: Ints, depth: int) -> Iterator[tuple[int, Ints]]:
    """The day, and which of some rows of a request are for it and have rankings of one length."""
    key = request.day_of[rows] * (depth + 1)
    if request.eligible is not None:
        key += np.minimum(request.eligible[rows].sum(axis=1), depth)
    for one in np.unique(key).tolist():
        yield one // (depth + 1), np.flatnonzero(key == one)
