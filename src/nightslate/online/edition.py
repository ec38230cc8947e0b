"""What a night has published for a day, as the app serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Keys
from nightslate.core.policies.plackett_luce import marginal_propensities_of
from nightslate.kernels.lists import matrix, places
from nightslate.online.contacts_now import ContactsNow, contacts_now
from nightslate.online.known_features import AsOfDecision, AsOfEndOfDay, FeaturesNow, NoFeatures, features_now
from nightslate.pipeline.night import Night
from nightslate.pipeline.served_issues import ServedIssue, one_of, served_issue
from nightslate.serving.issue_draws import OneOfIssues
from nightslate.serving.ranking import ServedModel
from nightslate.serving.released import named
from nightslate.serving.requests import Request, eligible_among


@dataclass(frozen=True)
class Ranked:
    """What a model has drawn for a user. shown: the arms of its slots, each with its propensity as the
    program's logs mean it; empty where the user may get nothing. issue_models: by which models its issue was
    drawn, where one was."""

    variant: str
    model: ServedModel
    ranking: tuple[str, ...]
    propensities: tuple[float, ...]
    shown: tuple[tuple[str, float], ...]
    issue_models: tuple[str, ...] | None = None


def ranked(
    issue: ServedIssue,
    variant: str,
    user: pa.Table,
    eligible_arms: tuple[str, ...] | None,
    decision: Keys,
    day: date,
    solved_for: date,
) -> Ranked:
    """For the row of a user in this variant, with its whole context. Raises ContractError for arms that the
    model does not rank, and where no night has solved the multipliers."""
    model, eligible = issue.models[variant], None
    if eligible_arms is not None:
        eligible = eligible_among(pa.array([eligible_arms], pa.list_(pa.string())), model.model.arms)
    context = [feature.name for feature in model.release.context]
    request = Request(user.select(["user_id", *context]), [day], np.zeros(1, dtype=np.int64), eligible)
    slates = model.slates(request, variant, decision, solved_for)
    ranking = slates["ranking"][0].as_py()
    shown = _propensities(issue, slates)[: issue.slots] if ranking else []
    return Ranked(
        variant,
        model,
        tuple(ranking),
        tuple(slates["propensities"][0].as_py()),
        tuple(zip(ranking[: issue.slots], shown, strict=True)),
    )


def _propensities(issue: ServedIssue, slate: pa.Table) -> list[float]:
    """Of the ranked arms of one slate, in the meaning of the program's logs."""
    if issue.propensity == "conditional" or issue.slots == 1:
        return list(slate["propensities"][0].as_py())
    ids = slate["candidates"].combine_chunks().flatten()
    ranking = places(slate["ranking"].combine_chunks().flatten(), ids)[None, : issue.slots]
    return list(marginal_propensities_of(matrix(slate["weights"]), ranking)[0].tolist())


@dataclass(frozen=True)
class Edition:
    """day: that of the slates, whose night this is. version: of the table `slates`, by which a newer one is
    known."""

    day: date
    version: int
    issues: Mapping[str, ServedIssue]
    features: FeaturesNow
    choice: OneOfIssues | None = None
    contacts: ContactsNow | None = None

    @property
    def ds(self) -> date:
        """The last day that its night has taken in."""
        return self.day - timedelta(days=1)

    def serves(self, day: date) -> bool:
        """Whether decisions of a day may be made by it: those of its own, and of the day after until the
        night between has published, where no feature needs what that night takes in."""
        return day == self.day or (day == self.day + timedelta(days=1) and self._knows_without_nights)

    @property
    def _knows_without_nights(self) -> bool:
        if self.contacts is not None and self.contacts.counts_contacts:
            return False
        match self.features:
            case NoFeatures():
                return True
            case AsOfDecision(by_log):
                return set(by_log) <= {"activity"}
            case AsOfEndOfDay():
                return False
        raise TypeError(self.features)

    def variants(self, user: pa.Table, issues: Sequence[str]) -> dict[str, str]:
        """The variant of each of these issues that the user of this row is in."""
        return {name: self.issues[name].variant_of(user) for name in issues}

    def issue_models(self, variants: Mapping[str, str]) -> tuple[str, ...]:
        """By which models one of these issues is drawn for a user in these variants of them, as impressions
        name them."""
        return tuple(named(self.issues[name].models[variant].release) for name, variant in variants.items())

    @classmethod
    def of_night(cls, night: Night, version: int) -> Edition:
        """What a night has published. Raises what `served_issue` raises."""
        named = ("models", "promotions", "allocations")
        issues = {
            each.issue.name: served_issue(each, *(each.table(table) for table in named))
            for each in night.issues
        }
        features, contacts = features_now(night), contacts_now(night)
        return cls(night.slate_date, version, issues, features, one_of(night, issues), contacts)
