"""The controller of an experiment whose shares follow the context: what the variants may have on a day, and
why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa

from nightslate.core.allocation import (
    ZERO,
    Limits,
    RampState,
    SignalEffect,
    advanced,
    effect_of_signals,
    ramp_in_words,
    share_at,
)
from nightslate.core.errors import InvalidInputError
from nightslate.errors import SpecError
from nightslate.kernels.experiment_users import EPOCH
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.rollout_facts import Facts, ramp_recorded
from nightslate.pipeline.rollout_rules import ramp_of, signal_rules_of
from nightslate.pipeline.share_limits import limits_about, shares_of_everyone
from nightslate.programs.allocation import Allocation

Effects = Mapping[str | None, SignalEffect]
"""What signals do, by region; None: everywhere else."""


@dataclass(frozen=True)
class Control:
    """What holds on a day. variants: by name; limits: between what their shares move; effects: what signals
    do; ramp: where it stands, None without one; causes: by variant who or what made its share what it is, and
    the same in words; model, digest: whose scores are gone by; update: how many updates within the day there
    were."""

    asked: Allocation
    variants: Sequence[str]
    limits: Limits
    before: Mapping[str, float]
    effects: Effects
    ramp: RampState | None
    causes: Mapping[str, tuple[str, str]]
    model: str | None
    digest: str | None
    update: int = 0

    @property
    def shares(self) -> dict[str, float]:
        """Of users without a score, by variant."""
        return dict(zip(self.variants, self.limits.baseline.tolist(), strict=True))

    def in_words(self) -> str:
        """For the line that the step says."""
        said = [f"{name} {100 * share:.4g} %: {self.causes[name][1]}" for name, share in self.shares.items()]
        signals = [
            f"{effect.do} in {region or 'all regions'} ({', '.join(effect.signals)})"
            for region, effect in self.effects.items()
            if effect.do
        ]
        return "; ".join([*said, *signals])

    def rows(self, night: IssueNight) -> list[dict[str, Any]]:
        """Of the table `rollouts`."""
        return [*self._rows(night)]

    def _rows(self, night: IssueNight) -> Iterator[dict[str, Any]]:
        state = self.ramp or RampState(ZERO, (night.slate_date - EPOCH).days, "done", "begun")
        for region, effect in self.effects.items():
            for name, share in self.shares.items():
                cause, reason = self.causes[name]
                yield {
                    "issue": night.issue.name,
                    "experiment": night.issue.salt,
                    "variant": name,
                    "region": region,
                    "before": self.before.get(name),
                    "share": share,
                    "step": state.step + 1,
                    "step_since": EPOCH + timedelta(days=state.since),
                    "phase": state.phase,
                    "look": state.cause if self.ramp else None,
                    "ok_looks": state.ok_looks,
                    "update": self.update,
                    "signal": effect.do,
                    "factor": effect.factor,
                    "signals": list(effect.signals),
                    "cause": cause,
                    "reason": reason,
                    "range": self.limits.range,
                    "risk_tolerance": self.limits.risk_tolerance,
                    "scale": self.limits.scale,
                    "floor": self.limits.floor,
                    "least_move": self.asked.least_move,
                    "model": self.model,
                    "digest": self.digest,
                }


def controlled(night: IssueNight, facts: Facts) -> Control:
    """What holds on the day of slates of the night: the ramp after a look at users and guardrails, what is
    stopped, and what signals do."""
    asked = _asked(night)
    variants = tuple(sorted(night.issue.variants))
    _require_same(night, facts.before, variants)
    effects = effects_now(asked, facts)
    ramp = _ramp(night, asked, facts, effects[None])
    shares = _shares(night, asked, ramp, facts.stopped)
    causes = {name: _cause(name, asked, ramp, facts) for name in variants}
    return Control(
        asked=asked,
        variants=variants,
        limits=limits_about(night.issue, asked, variants, shares),
        before=facts.shares_before,
        effects=effects,
        ramp=ramp,
        causes=causes,
        model=facts.model,
        digest=facts.digest,
    )


def control_recorded(night: IssueNight, rollouts: pa.Table) -> Control:
    """As the step `allocate` recorded it. rollouts: rows of the day of slates."""
    asked, rows = _asked(night), rollouts.to_pylist()
    variants = tuple(sorted(night.issue.variants))
    effects = {
        row["region"]: SignalEffect(row["signal"], row["factor"], tuple(row["signals"])) for row in rows
    }
    shares = {row["variant"]: row["share"] for row in rows}
    return Control(
        asked=asked,
        variants=variants,
        limits=limits_about(night.issue, asked, variants, shares),
        before={row["variant"]: row["before"] for row in rows},
        effects=effects,
        ramp=ramp_recorded(rows),
        causes={row["variant"]: (row["cause"], row["reason"]) for row in rows},
        model=rows[0]["model"],
        digest=rows[0]["digest"],
        update=rows[0]["update"],
    )


def _asked(night: IssueNight) -> Allocation:
    asked = night.issue.allocation
    if asked is None:
        raise SpecError(f"{night.name} has no experiment.allocation")
    return asked


def _require_same(night: IssueNight, before: pa.Table, variants: Sequence[str]) -> None:
    """Raise SpecError unless shares of the day before are of these variants."""
    there = sorted({*before["variant"].to_pylist()})
    if there and there != list(variants):
        raise SpecError(
            f"variants: the experiment {night.issue.salt} had {', '.join(there)} and has"
            f" {', '.join(variants)} now; probabilities of users go on from there, so begin another one with"
            " a `salt` of its own"
        )


def effects_now(asked: Allocation, facts: Facts) -> Effects:
    """What signals do everywhere, and in regions where that is another thing."""
    rules = signal_rules_of(asked)
    everywhere = effect_of_signals(facts.signals, rules, facts.moment, None)
    regions = sorted({signal.region for signal in facts.signals if signal.region is not None})
    found = {name: effect_of_signals(facts.signals, rules, facts.moment, name) for name in regions}
    return {None: everywhere, **{name: effect for name, effect in found.items() if effect != everywhere}}


def _ramp(night: IssueNight, asked: Allocation, facts: Facts, everywhere: SignalEffect) -> RampState | None:
    if asked.ramp is None:
        return None
    day = (night.slate_date - EPOCH).days
    if facts.ramp is None:
        return RampState.begun(day)
    declared = ramp_of(asked.ramp)
    step = asked.ramp.steps[max(facts.ramp.step, 0)] if facts.ramp.step < len(asked.ramp.steps) else None
    guardrail = facts.guardrail(step.guardrails if step else ())
    try:
        return advanced(facts.ramp, declared, day, facts.treated, guardrail, everywhere.do is not None)
    except InvalidInputError as error:
        raise SpecError(f"experiment.allocation.ramp: {error}; steps can be added, not taken away") from error


def _shares(
    night: IssueNight, asked: Allocation, ramp: RampState | None, stopped: Mapping[str, str]
) -> dict[str, float]:
    allowed = None if asked.ramp is None or ramp is None else share_at(ramp_of(asked.ramp), ramp)
    return shares_of_everyone(night.issue, allowed, stopped)


def _cause(name: str, asked: Allocation, ramp: RampState | None, facts: Facts) -> tuple[str, str]:
    """Who or what made the share of a variant what it is, and why."""
    if name in facts.stopped:
        return "stop", facts.stopped[name]
    if asked.ramp is None or ramp is None:
        return "declared", "as the program declares it"
    said = ramp_in_words(ramp, ramp_of(asked.ramp))
    if ramp.cause in ("breached", "recovers"):
        return "guardrail", f"{said}: {facts.breaches}" if facts.breaches else said
    return "ramp", said
