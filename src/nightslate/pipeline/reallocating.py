"""Between nights: what somebody stopped, and signals that have landed since, take treatments from users of
the day at once; what may grow again waits for the night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from nightslate.core.allocation import NO_EFFECT, Signal, SignalEffect
from nightslate.kernels.conform import Conformer
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.assigning import control_in, publish_sound, staged_assignments
from nightslate.pipeline.contextual_users import contextual_users
from nightslate.pipeline.log_intake import conformed_at_once, rejected_in_words
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.open_day_files import LandedSoFar, landed_so_far
from nightslate.pipeline.rollout_control import Control, effects_now
from nightslate.pipeline.rollout_facts import Facts, at_moment, signals_of
from nightslate.pipeline.served_users import UserTables
from nightslate.pipeline.user_consents import open_night
from nightslate.programs.days import end_of

_DAY = timedelta(days=1)


def run(night: Night, at: datetime | None = None) -> str:
    """Update who is in which variant on the day of the night, as of a moment of it (default: now); returns a
    line about it, and about what has landed of the day and is not heeded."""
    wanted = {"signals": night.program.logs.signals is not None, "users": bool(night.program.consents)}
    so_far = landed_so_far(night, [log for log, is_heeded in wanted.items() if is_heeded])
    night, rejected_users = open_night(night, so_far.files.get("users", []))
    landed, rejected_signals = _landed_signals(night, so_far)
    lines = {each.issue.name: _updated(each, landed, at) for each in night.issues}
    of_issues = [line if len(lines) == 1 else f"{name}: {line}" for name, line in lines.items()]
    return "; ".join([*of_issues, *rejected_signals, *rejected_users, *so_far.waiting_in_words])


def _updated(night: IssueNight, landed: Sequence[Signal], at: datetime | None) -> str:
    before, day = replace(night, ds=night.ds - _DAY), night.ds
    assignments, rollouts = before.table("assignments"), before.table("rollouts")
    if day not in assignments.snapshot().written():
        return f"waits for the night before, which has not assigned anybody for {day} yet"
    recorded = control_in(before, assignments.snapshot().metadata(day), rollouts.rows(day, day))
    facts = Facts.of(before, *(before.table(name) for name in Facts.READS))
    moment = at_moment(min(max(at or datetime.now(UTC), end_of(before.ds)), end_of(day)))
    now = _tightened(recorded, replace(facts, moment=moment, signals=(*facts.signals, *landed)))
    if now is None:
        return "nothing has been stopped since, and no signal asks for less"
    known_of, scores = UserTables.of(before), before.table("scores")
    users = contextual_users(before, now.of_change, known_of, scores, assignments, within_day=True)
    staged = staged_assignments(before, *users, assignments)
    rollouts.replace(day, rollouts.typed(now.control.rows(before)), before.commit_metadata)
    version = publish_sound(before, *users, assignments, staged, now.control)
    return f"{staged.rows} assignments of {day} published as version {version}: {now.control.in_words()}"


@dataclass(frozen=True)
class _Tightened:
    """control: what holds from now on; of_change: what of it is new, which is what shares are moved by."""

    control: Control
    of_change: Control


def _tightened(recorded: Control, facts: Facts) -> _Tightened | None:
    """None where nothing is stopped, and no signal asks for less, that was not so before."""
    stopped = {name: why for name, why in facts.stopped.items() if recorded.shares[name] > 0}
    now = effects_now(recorded.asked, facts)
    pairs = {
        region: (recorded.effects.get(region, recorded.effects[None]), now.get(region, now[None]))
        for region in {*recorded.effects, *now}
    }
    less = {region: _less(*pair) for region, pair in pairs.items()}
    if not stopped and not any(effect.do for effect in less.values()):
        return None
    baseline = np.array([0.0 if name in stopped else share for name, share in recorded.shares.items()])
    baseline[recorded.limits.control] += 1 - baseline.sum()
    control = replace(
        recorded,
        before=recorded.shares,
        limits=replace(recorded.limits, baseline=baseline),
        effects={region: max(pair, key=lambda effect: effect.strictness) for region, pair in pairs.items()},
        causes={**recorded.causes, **{name: ("stop", why) for name, why in stopped.items()}},
        update=recorded.update + 1,
    )
    return _Tightened(control, replace(control, effects=less))


def _less(before: SignalEffect, now: SignalEffect) -> SignalEffect:
    """What is to be done to shares that an effect has been done to already. To hold them is nothing within a
    day."""
    if now.strictness <= before.strictness or now.do == "hold":
        return NO_EFFECT
    if now.do == "reduce" and before.do == "reduce":
        return replace(now, factor=now.factor / before.factor)
    return now


def _landed_signals(night: Night, landed: LandedSoFar) -> tuple[list[Signal], list[str]]:
    """Those that have landed of the day itself so far, none of which is in a table yet; and which rows and
    files break the contract, in words."""
    if night.program.logs.signals is None:
        return [], []
    conformer = Conformer(night.contract("signals"), night.ds, Pseudonymiser.from_environment())
    found = conformed_at_once(landed.files["signals"], conformer)
    return signals_of(found.rows), rejected_in_words("signals", found.rejects)
