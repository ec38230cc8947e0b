"""A program whose arms are letters, texts and doing nothing, and users who want some of them."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.integration.nights import Declared, pseudonym

from . import world

PROGRAM = "marketing"
DAYS = [date(2026, 3, 27) + timedelta(days=number) for number in range(3)]
"""The slates of the middle one are for the day on which clocks are turned in Berlin."""
USERS = 80
CHANNEL_OF = {
    "mail-news": "email",
    "mail-offer": "email",
    "mail-thanks": "email",
    "text-news": "text",
    "text-offer": "text",
    "silence": "none",
}
ZONES = ("Europe/Berlin", "America/Los_Angeles", "Nowhere/Land", None, "Pacific/Auckland")
Row = dict[str, Any]

SPEC = """
program: marketing
description: Letters and texts to users who want them.
start_date: 2026-03-27
buckets: 2
slots: 1
depth: 4
floor: 0.2
logs:
  propensity: conditional
  context:
    - {name: zone, type: category}
    - {name: consent_email, type: category}
    - {name: consent_text, type: category}
  arm_features:
    - {name: channel, type: category}
  rejects: {max_share: 0.2}
sends:
  channel: channel
  nothing: none
  zone: zone
  ready: 4h
  channels:
    email: {consent: consent_email == yes, hours: [9, 18]}
    text: {consent: consent_text == yes, hours: [0, 3]}
rewards: {values: {reply: 1.0}, window: 12h}
learners:
  uniform: {kind: uniform}
  thompson: {kind: linear_thompson, draws: 32}
  greedy: {kind: epsilon_greedy, estimator: ridge, epsilon: auto}
  todays_rule:
    kind: rule
    choose:
      - {when: zone != 'Europe/Berlin', arms: channel == text}
      - when: consent_text == no or zone == 'Pacific/Auckland'
        arms: arm_id in ['mail-offer', 'mail-thanks']
      - {arms: channel == none}
variants:
  personalised: {share: 0.4, policy: thompson}
  randomised: {share: 0.2, policy: uniform}
  rule: {share: 0.4, policy: todays_rule}
evaluation: {folds: 2, resamples: 100, reward_range: [0.0, 1.0]}
gate: {first_champion: uniform, min_ess: 10.0, min_users: 2}
"""


def known(user: int) -> Row:
    """A consent that is not known is none."""
    return {
        "zone": ZONES[user % len(ZONES)],
        "consent_email": ("yes", "yes", "no", None)[user % 4],
        "consent_text": ("yes", "no", "no")[user % 3],
    }


def by_rule(about: Row, arms: Collection[str]) -> list[str]:
    """What the learner `todays_rule` says of a user who may get these arms, each as likely."""
    zone, text = about["zone"], about["consent_text"]
    lines = (
        (zone not in (None, "Europe/Berlin"), [arm for arm in arms if CHANNEL_OF[arm] == "text"]),
        (text == "no" or zone == "Pacific/Auckland", [a for a in arms if a in ("mail-offer", "mail-thanks")]),
        (True, [arm for arm in arms if CHANNEL_OF[arm] == "none"]),
    )
    return next(chosen for holds, chosen in lines if holds and chosen)


def land(home: Path, number: int, arms: list[Row] | None = None, by_rule: bool = False) -> None:
    """On the first day, or on all, somebody's rule sends; later what was published is sent to two users of
    three."""
    random, day = np.random.default_rng(number), DAYS[number]
    by_slates = number > 0 and not by_rule
    noon = datetime.combine(day, time(12), UTC)
    slates = {slate["user_id"]: slate for slate in slates_of(home, day)} if by_slates else {}
    shown: list[Row] = []
    done: list[Row] = []
    for user in range(USERS):
        name, raw, about = f"{day}-{user}", f"user-{user}", known(user)
        row = {"impression_id": name, "decision_id": name, "user_id": raw, "slot": 1, **about}
        row["occurred_at"] = (noon + timedelta(minutes=user)).isoformat()
        if by_slates:
            slate = slates.get(pseudonym(raw))
            if slate is None or random.random() < 1 / 3:
                continue
            row |= {"slate_id": slate["slate_id"], "arm_id": slate["ranking"][0]}
        else:
            may = [arm for arm, channel in CHANNEL_OF.items() if channel == "none" or user % 2 == 0]
            row |= {"arm_id": str(random.choice(may)), "propensity": 1 / len(may), "eligible_arms": may}
        shown.append(row)
        if random.random() < (0.7 if row["arm_id"] == "mail-thanks" else 0.2):
            at = (noon + timedelta(hours=4)).isoformat()
            outcome = {"outcome_id": f"{name}-reply", "user_id": raw, "kind": "reply", "value": 1.0}
            done.append(outcome | {"occurred_at": at, "arm_id": row["arm_id"]})
    people = [{"user_id": f"user-{user}", **known(user)} for user in range(USERS)]
    offered = arms or [{"arm_id": arm, "channel": channel} for arm, channel in CHANNEL_OF.items()]
    logs = {"impressions": shown, "outcomes": done, "users": people, "arms": offered}
    world.land_logs(home, PROGRAM, day, logs)


DECLARED = Declared(PROGRAM, DAYS)
night, rows, slates_of = DECLARED.night, DECLARED.rows, DECLARED.slates_of
