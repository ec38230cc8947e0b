"""An update between nights: what has landed of the open day, folded into the states of learners; the models
that come of it, published for serving and as slates of the day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import pyarrow as pa

from nightslate.engines.threads import one_blas_thread
from nightslate.errors import SpecError
from nightslate.kernels.scoring import ScoredBy
from nightslate.landing.objects import put_settled
from nightslate.models.files import scored_by
from nightslate.models.packages import Package
from nightslate.models.registry import UPDATED
from nightslate.models.tracking import NightRun
from nightslate.pipeline import reallocating
from nightslate.pipeline.champion_reigns import champion_as_of, digest_of
from nightslate.pipeline.experiments import assignment_recorded
from nightslate.pipeline.failures import cause
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.open_day import OpenDay, require_open
from nightslate.pipeline.releases import release_of
from nightslate.pipeline.served_users import UserTables
from nightslate.pipeline.steps import audit, publish, score
from nightslate.pipeline.updated_models import Refitted, learners_kept, refitted
from nightslate.pipeline.variant_models import variant_learners
from nightslate.programs.days import end_of
from nightslate.serving.mlmodel import package
from nightslate.serving.release import Release
from nightslate.tables.table import ROLLBACK

MODELS = "nightslate.update"
"""In the metadata of a commit to `slates`: the digests of the models that an update made them by, as JSON."""

REFUSING = "nightslate.refusing"
"""There too, where the program asks for consents: a digest of which users that have landed don't agree."""

Say = Callable[[str], None]
"""Tells a person what is being done."""

_READ = ("impressions", "credits", "features", "models", "promotions", "allocations", "slates")
"""The tables of nights that an update goes by."""


def run(night: Night, say: Say = lambda _: None) -> str:
    """Update the day of the night; returns a line about it. Raises as `require_open`, and as the steps of a
    night."""
    if night.program.updates is None:
        raise SpecError(f"{night.name} is not updated between nights: its YAML lacks the key `updates`")
    update = reallocating.run if night.program.allocates else partial(_run, say=say)
    try:
        require_open(night)
        with one_blas_thread():
            return update(night)
    except Exception as error:
        found = cause(error, night.home)
        if found is None or found is error:
            raise
        raise found from error


def _run(night: Night, *, say: Say) -> str:
    day = OpenDay.of(night)
    waiting = "".join(f"; {words}" for words in day.landed.waiting_in_words)
    if not day.has_slates:
        return f"waits for the night before, which has not published its slates of {night.ds} yet"
    done = day.home / "done"
    if done.is_file() and done.read_bytes() == _state(day):
        return f"nothing has landed since the last update{waiting}"
    day.clear_before()
    say("taking in what has landed")
    taken = day.take_in()
    known_until = day.known_until()
    lines = {each.issue.name: _Update(each, day, known_until).run(say) for each in day.night.issues}
    put_settled(done, _state(day))
    of_issues = [line if len(lines) == 1 else f"{name}: {line}" for name, line in lines.items()]
    return f"{taken}{waiting}; known until {known_until:%Y-%m-%d %H:%M} UTC; {'; '.join(of_issues)}"


def _state(day: OpenDay) -> bytes:
    """A digest of all that an update goes by: files, tables of nights, and the program."""
    night = day.night
    versions = {name: night.table(name).snapshot().version for name in _READ}
    said = night.program.model_dump_json()
    content = [day.landed.stamps, sorted(day.landed.closed), versions, said]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest().encode()


def _refusing(night: Night) -> dict[str, str]:
    if night.said_since is None:
        return {}
    rows = night.said_since.select(["user_id", *night.program.consents]).to_pylist()
    return {REFUSING: hashlib.sha256(json.dumps(rows).encode()).hexdigest()}


@dataclass(frozen=True)
class _Update:
    """That of one issue. `night`: that of the open day."""

    night: IssueNight
    day: OpenDay
    known_until: datetime

    def run(self, say: Say) -> str:
        """What was learnt, registered and published, in words."""
        kept = learners_kept(self.night)
        words = [f"{name} keeps last night's model: {why}" for name, why in kept.items()]
        if len(kept) == len(self.night.issue.learners):
            return "; ".join(words)
        if self.known_until <= end_of(self._before.ds):
            return "; ".join(["no hour of the day is over for the outcomes that have landed", *words])
        say(f"{self.night.issue.name}: learning")
        made = refitted(self.night, self.day, self.known_until)
        champion = champion_as_of(self._before, self.night.table("promotions"))
        say(f"{self.night.issue.name}: registering")
        serving = self._serve(made, champion)
        say(f"{self.night.issue.name}: scoring")
        return "; ".join([self._learnt(made), serving, self._publish(made, champion), *words])

    @property
    def _before(self) -> IssueNight:
        """The night whose slates are shown on the day."""
        return replace(self.night, ds=self.night.ds - timedelta(days=1))

    def _learnt(self, made: Refitted) -> str:
        rows = next(rows for _, rows in made.models.values())
        window = "the days before, and " if made.window_anew else ""
        units = f"{int(made.units.learnt)} of {int(made.units.all)} units of (bucket, hour)"
        return f"{len(made.models)} models on {rows} impressions that count, learnt anew: {window}{units}"

    def _serve(self, made: Refitted, champion: str) -> str:
        """Registers the models, records their releases and points @updated at the champion."""
        released = {
            name: release_of(self.night, made.offered, model) for name, (model, _) in made.models.items()
        }
        packages = {name: package(release) for name, release in released.items()}
        versions = self._registered(made, packages)
        self._record(made, released)
        if champion not in versions:
            return f"{champion}, the champion, is as it was"
        self.night.registry.update(versions[champion])
        return f"@{UPDATED} is version {versions[champion]} ({champion})"

    def _registered(self, made: Refitted, packages: Mapping[str, Package]) -> dict[str, str]:
        """The version of each model; those that there are not yet are registered."""
        night, registry = self.night, self.night.registry
        found = {
            name: registry.version_with(model.digest, packages[name])
            for name, (model, _) in made.models.items()
        }
        if None in found.values():
            tracked = NightRun.of_update(night.mlflow, night.home, night.name, night.ds, night.issue.name)
            tracked.log_params({"known_until": self.known_until.isoformat(), **night.commit_metadata})
            for name, (model, _) in made.models.items():
                if found[name] is None:
                    found[name] = registry.register(model, packages[name], tracked, night.ds)
                    tracked.log_version(name, model.digest, str(found[name]))
            tracked.finish()
        return {name: str(version) for name, version in found.items()}

    def _record(self, made: Refitted, released: Mapping[str, Release]) -> None:
        """What was fitted goes to the table `updates`, beside what earlier updates of the day have fitted:
        whoever has loaded one of these can load it again."""
        table, ds = self.night.table("updates"), self.night.ds
        there = table.rows(ds, ds)
        recorded = {*there["release_digest"].to_pylist()}
        rows = [
            {
                "issue": self.night.issue.name,
                "learner": name,
                "release_digest": released[name].digest,
                "digest": model.digest,
                "rows": count,
                "known_until": self.known_until,
            }
            for name, (model, count) in made.models.items()
            if released[name].digest not in recorded
        ]
        if rows:
            fresh = table.typed(rows)
            both = pa.concat_tables([there.select(fresh.schema.names), fresh])
            order = [(name, "ascending") for name in ("known_until", "learner", "release_digest")]
            table.replace(ds, both.sort_by(order), self.night.commit_metadata)

    def _publish(self, made: Refitted, champion: str) -> str:
        """Makes the slates of the day anew for all users of the night before, unless they are by these models
        already."""
        night, before, issue = self.night, self._before, self.night.issue
        if issue.exposure or issue.budgets:
            return "its slates stay: exposure goals and budgets are solved for a whole day"
        if night.program.contacts:
            return "its slates stay: contact rules count one slate of a user a day"
        by = variant_learners(before, champion)
        if made.models.keys().isdisjoint(by.values()):
            return "no variant shows these models, so slates stay"
        slates = before.table("slates")
        models = {name: self._scored_by(made, learner) for name, learner in by.items()}
        digests = json.dumps({name: model.digest for name, model in sorted(models.items())})
        made_by = {MODELS: digests, **_refusing(night)}
        said = slates.snapshot().metadata(night.ds)
        if ROLLBACK in said:
            return "the slates stay as somebody has rolled them back"
        if made_by.items() <= said.items():
            return "the slates are by these models already"
        known_of = UserTables.of(before)
        arms, withheld, capped, allocations, issue_choices = (
            before.table(name) for name in ("arms", "withheld", "capped", "allocations", "issue_choices")
        )
        assignment = assignment_recorded(before, allocations)
        scoring = score.scoring_by(before, made.offered, assignment, models)
        work, served = score.users_to_score(before, known_of, arms, withheld, capped, issue_choices)
        score.staged_slates(before, work, scoring, served, {"slates": slates.begin(night.ds)})
        audit.audit_issue(before, known_of, arms, withheld, capped, allocations, issue_choices, slates)
        staged = publish.audited(before, slates)
        version = slates.publish(staged, {**night.commit_metadata, **made_by})
        return f"{staged.rows} slates of {night.ds} published as version {version} of the table"

    def _scored_by(self, made: Refitted, learner: str) -> ScoredBy:
        """The model of a learner: as it was fitted now, or by the night before."""
        if learner in made.models:
            return scored_by(made.models[learner][0])
        digest = digest_of(self._before, self.night.table("models"), learner)
        return scored_by(self.night.registry.load(digest))
