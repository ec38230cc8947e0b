"""The table of features as other steps read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from nightslate.engines import Input
from nightslate.kernels.calendar import Calendar
from nightslate.kernels.known_of_arms import KnownOfArms
from nightslate.kernels.user_features import JOINED_BY, KnownFeatures
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.night import Night
from nightslate.pipeline.stored_meaning import require_one_meaning
from nightslate.programs.features import of_arms, of_each_user, of_moments, of_users
from nightslate.tables import Table


def known_features(night: Night) -> KnownFeatures | None:
    """Which features of users stand beside rows of logs; None where the program has no features."""
    program = night.program
    if not program.features:
        return None
    defaults = {each.name: each.default for each in of_users(program.features)}
    known = {name: default for name, default in defaults.items() if default is not None}
    keyed = tuple(each.name for each in of_each_user(program.features) if each.spec.by)
    calendar = Calendar(of_moments(program.features))
    of_decisions, needs = program.features_as_of == "temporal", night.contract("features").needs
    return KnownFeatures(known, of_decisions, keyed, calendar=calendar, needs=needs)


def with_features_of_arms(
    night: Night, known: KnownFeatures, features_of_arms: Table, since: date
) -> KnownFeatures:
    """These, and those of arms alone that decisions from the day `since` on were made by, and those of the
    end of ds. Raises SpecError where some of them are what an earlier program said."""
    names = [each.name for each in of_arms(night.program.features)]
    if not names:
        return known
    before = since - timedelta(days=1)
    require_one_meaning(night, features_of_arms, "features", before)
    return replace(known, of_arms=KnownOfArms.of(features_of_arms.rows(before, night.ds), names))


def features_input(night: Night, features: Table, since: date) -> Input:
    """The features that decisions from the day `since` on were made by, and those of the end of ds. Raises
    SpecError where some of them are what an earlier program said."""
    before = since - timedelta(days=1)
    require_one_meaning(night, features, "features", before)
    names = [each.name for each in of_each_user(night.program.features)]
    return bucket_input(night, features, (*JOINED_BY["features"], *names), before)
