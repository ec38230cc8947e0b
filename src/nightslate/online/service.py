"""Decisions: what is posted is taken in, help is chosen by what is known then, and all of it is on disk
before anybody is answered."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from secrets import token_hex
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.hashing import hex_to_uint64
from nightslate.errors import ContractError, NightslateError, SpecError, UnavailableError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.landing.log import Log
from nightslate.online.answers import ANSWERS, Answers, RequestKey
from nightslate.online.by_user import by_user
from nightslate.online.clock import Clock
from nightslate.online.contacts_now import SHOWN
from nightslate.online.edition import Edition, Ranked, ranked
from nightslate.online.impressions import as_shown, impressions
from nightslate.online.intake import Intake, Row
from nightslate.online.recent import Recent
from nightslate.online.requests import Answer, Asked
from nightslate.online.spool import Spool
from nightslate.pipeline.landing_files import BUCKETS, ID_FORM, KEY, id_form_of, require_same_layout
from nightslate.pipeline.night import Night
from nightslate.programs.days import end_of
from nightslate.records.instants import instants
from nightslate.records.json_lines import read_json_lines

NOT_CONCERNED = "no issue is for this user: the condition of `eligible` or `concerns` does not hold"
WITHHELD = "contact rules"
NO_ARM = "eligible_arms is empty: nothing may be shown"


class Service:
    """One program's app. night: any of its nights. closes: whether it puts the markers of days; else somebody
    does who lands more into the same logs."""

    def __init__(self, night: Night, clock: Clock | None = None, closes: bool = True) -> None:
        """Lands what a process that was killed has left. Raises CommitConflictError where another process
        serves the program, SpecError where its tables were written under another key."""
        self._night, self._clock, self._closes = night, clock or Clock(), closes
        self._pseudonymise = night.pseudonymiser or Pseudonymiser.from_environment()
        _require_same_ids(night, self._pseudonymise)
        self._intake = Intake(night, self._pseudonymise)
        logs = [name for name in ("impressions", "activity") if name in night.program.logs.names]
        self._logs = [Log(night.program, name, night.home) for name in logs]
        self._logs[0].make_folder()
        self._spool = Spool(night.warehouse.landing_log(night.name, "impressions").parent)
        self._lock, self._posted, self._shown = Lock(), Recent(), Recent()
        self._answers = Answers()
        self._edition: Edition | None = None
        self._why_not, self._seen = "no night has been looked for yet", (-2, date.min)
        self.counts: Counter[str] = Counter()
        self._spool.land_all()
        self._open_days = self._spool.open_days()
        self._remember()
        self._begin(self._clock.now().date())

    def decide(self, body: bytes, key: str | None = None) -> Answer:
        """What was answered before to the request of this key, or a new decision. Raises ContractError for
        what is wrong with the request, UnavailableError where there is nothing to decide by; nothing is taken
        in then."""
        asked, named = Asked.from_json(body), None if key is None else RequestKey.of(key, body)
        with self._lock:
            before = self._answers.of(named) if named else None
            if before is not None:
                self.counts.update(repeated=1)
                return before
            return self._decide(asked, named)

    def refresh(self) -> None:
        """Loads what a newer night has published, and closes days that are over. What goes wrong is said, and
        answered by."""
        try:
            self._load_newest()
        except NightslateError as error:
            self._why_not = f"{type(error).__name__}: {error}"
            print(f"nightslate serve: {self._why_not}", file=sys.stderr, flush=True)
        with self._lock:
            self._close_days()

    def state(self) -> dict[str, Any]:
        """What it serves, for who watches it."""
        edition = self._edition
        return {
            "program": self._night.name,
            "slates_of": edition.day.isoformat() if edition else None,
            "open_days": [day.isoformat() for day in self._open_days],
            "counts": dict(self.counts),
        }

    def close_day(self, ds: date) -> None:
        """Lands what was taken in of a day that is over, and puts its markers. Raises SpecError where it is
        not over yet."""
        if self._clock.now() < end_of(ds):
            raise SpecError(f"--close {ds}: the day is not over yet (UTC)")
        with self._lock:
            self._spool.land_all()
            self._put_markers(ds)
            self._spool.forget_day(ds)
            self._spool.close()

    def close(self) -> None:
        """Lands all that was taken in."""
        with self._lock:
            self._spool.close()

    def _decide(self, asked: Asked, named: RequestKey | None) -> Answer:
        at = self._clock.next()
        day, edition = at.date(), self._edition
        if edition is None or not edition.serves(day):
            raise UnavailableError(self._nothing_published(day))
        self._begin(day)
        self._require_issue(asked, edition)
        user = self._intake.user(asked.user_id, asked.context, day)
        taken = self._intake.activity(asked.user_id, asked.activity, at, self._open_days)
        pseudonym = str(user["user_id"][0].as_py())
        answer = Answer(decision_id=token_hex(16), occurred_at=self._clock.next().isoformat())
        answer.notes = [note for note in [self._intake.unknown_kinds(taken.values())] if note]
        posted = [*self._posted.of(pseudonym), *(each.typed for each in taken.values())]
        decided = datetime.fromisoformat(answer.occurred_at)
        known = edition.features.beside(user, pa.concat_tables(posted) if posted else pa.table({}), decided)
        rows: dict[tuple[str, date], list[Row]] = {
            ("activity", of_day): [*each.landing] for of_day, each in taken.items()
        }
        ranked = self._ranked(asked, edition, known, decided, answer)
        if ranked is not None and ranked.shown:
            rows["impressions", day] = impressions(self._night.program, asked, user, answer, ranked)
        if named is not None:
            rows[ANSWERS, day] = [named.row(answer)]
        if rows:
            self._spool.append(at, rows)
        for row in rows.get((ANSWERS, day), []):
            self._answers.add(day, row)
        for of_day, each in taken.items():
            self._posted.add(pseudonym, of_day, each.typed)
        shown = rows.get(("impressions", day), [])
        if shown:
            self._shown.add(pseudonym, day, as_shown(shown, pseudonym, decided))
        self.counts.update(decisions=1, activity=len(asked.activity), arms=len(shown))
        return answer

    def _ranked(
        self, asked: Asked, edition: Edition, known: pa.Table, at: datetime, answer: Answer
    ) -> Ranked | None:
        """What is drawn for a user; None where nothing may be. Both are put into the answer."""
        decision = hex_to_uint64(np.array([answer.decision_id]))
        if edition.contacts is not None:
            shown = pa.concat_tables([SHOWN.empty_table(), *self._shown.of(known["user_id"][0].as_py())])
            refusal = edition.contacts.refusal(known, shown, at)
            if refusal is not None:
                answer.reason = f"{WITHHELD}: {refusal}"
                return None
        answer.issue = asked.issue or next(iter(edition.issues))
        of_issues = [answer.issue]
        if asked.issue is None and edition.choice is not None:
            chances = edition.choice.chances(known)
            if not chances.any():
                answer.issue, answer.reason = None, NOT_CONCERNED
                return None
            place = int(edition.choice.drawn(known, chances, decision, at.date())[0])
            of_issues = edition.choice.names
            answer.issue, answer.issue_probability = of_issues[place], float(chances[0, place])
        variants = edition.variants(known, of_issues)
        issue, variant = edition.issues[answer.issue], variants[answer.issue]
        found = ranked(issue, variant, known, asked.eligible_arms, decision, at.date(), edition.day)
        if answer.issue_probability is not None:
            found = replace(found, issue_models=edition.issue_models(variants))
        answer.variant, answer.policy = found.variant, found.model.release.learner
        answer.model_digest = found.model.release.model_digest
        answer.ranking, answer.propensities = list(found.ranking), list(found.propensities)
        if found.shown:
            answer.arm = found.shown[0][0]
        else:
            answer.reason = NO_ARM if asked.eligible_arms == () else NOT_CONCERNED
        return found

    def _require_issue(self, asked: Asked, edition: Edition) -> None:
        """Raise ContractError where nothing says which of several issues is meant, or which there is not."""
        unsaid = asked.issue is None and (len(edition.issues) == 1 or edition.choice is not None)
        if not unsaid and asked.issue not in edition.issues:
            raise ContractError(f"issue: say one of {', '.join(edition.issues)}")

    def _remember(self) -> None:
        """What was posted and answered today and yesterday before this process began; the clock is past all
        of it."""
        today = self._clock.now().date()
        for day in sorted({today - timedelta(days=1), today, *self._open_days}):
            for path in self._spool.landed("activity", day):
                for user, rows in by_user(self._intake.typed_again("activity", path, day)):
                    self._posted.add(user, day, rows)
            for path in self._spool.landed("impressions", day):
                typed = self._intake.typed_again("impressions", path, day)
                for user, rows in by_user(typed.select(SHOWN.names).cast(SHOWN)):
                    self._shown.add(user, day, rows)
            for row in self._spool.rows(ANSWERS, day):
                self._answers.add(day, row)
            for log, column in (("activity", "landed_at"), ("impressions", "occurred_at")):
                for path in self._spool.landed(log, day):
                    for chunk in read_json_lines(iter([path.read_bytes()])):
                        self._clock.not_before(pc.max(instants(chunk.rows[column]).array).as_py())

    def _load_newest(self) -> None:
        today, snapshot = self._clock.now().date(), self._night.table("slates").snapshot()
        if (snapshot.version, today) == self._seen:
            return
        written = snapshot.written()
        day = next((day for day in (today, today - timedelta(days=1)) if day in written), None)
        if day is None:
            self._why_not = "no night has published slates for it or for the day before"
        else:
            commit, edition = written[day], self._edition
            version = commit.version if commit else 0
            if edition is None or (edition.day, edition.version) != (day, version):
                self._adopt(Edition.of_night(self._night.at(day - timedelta(days=1)), version))
            self._why_not = f"what there is are the slates of {day}, and features need the night between"
        self._seen = (snapshot.version, today)

    def _adopt(self, edition: Edition) -> None:
        with self._lock:
            self._edition = edition
            self._posted.forget(edition.ds)
            self._shown.forget(edition.ds)

    def _nothing_published(self, day: date) -> str:
        program, ds = self._night.name, day - timedelta(days=1)
        return (
            f"there is nothing to serve {program} by on {day}: {self._why_not}. Run the night of {ds}"
            f" (nightslate run --program {program} --ds {ds}), then ask again; nothing of this request was"
            " taken in"
        )

    def _begin(self, day: date) -> None:
        if day not in self._open_days:
            self._spool.open_day(day)
            self._open_days.append(day)

    def _close_days(self) -> None:
        """Lands what was taken in of days that are over for good, then puts their markers."""
        self._begin(self._clock.now().date())
        late = self._night.program.serving.late if self._night.program.serving else timedelta(0)
        over = [day for day in self._open_days if self._clock.now() >= end_of(day) + late]
        if over:
            self._spool.land_all()
        yesterday = self._clock.now().date() - timedelta(days=1)
        self._answers.forget(yesterday)
        self._spool.forget(ANSWERS, yesterday)
        for day in over:
            if self._closes:
                self._put_markers(day)
            self._spool.forget_day(day)
            self._open_days.remove(day)

    def _put_markers(self, day: date) -> None:
        for log in self._logs:
            log.close(day)


def _require_same_ids(night: Night, pseudonymise: Pseudonymiser) -> None:
    users = night.table("users").snapshot()
    layout = {BUCKETS: str(night.program.buckets), KEY: pseudonymise.key_name, ID_FORM: id_form_of(users)}
    require_same_layout(users, layout)
