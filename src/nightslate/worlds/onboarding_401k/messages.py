"""The messages of the homepage, and who may see them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nightslate.core.arrays import Ints

TOPICS = (
    "account_setup",
    "contributions",
    "employer_match",
    "investing",
    "rollover",
    "beneficiary",
    "retirement_goal",
    "emergency_savings",
    "health_savings",
    "student_debt",
)
BEYOND_401K = ("emergency_savings", "health_savings", "student_debt")
FORMATS = ("card", "video", "checklist")
PLACES: tuple[tuple[int, int], ...] = tuple(
    (topic, form) for topic in range(len(TOPICS)) for form in range(len(FORMATS))
)
"""Topic and format of each message: every topic comes in every format."""

MESSAGES = tuple(f"{TOPICS[topic]}_{FORMATS[form]}" for topic, form in PLACES)
TOPIC_OF: Ints = np.array([topic for topic, _ in PLACES])
FORMAT_OF: Ints = np.array([form for _, form in PLACES])

_RISK: Mapping[str, str] = {"investing": "high", "rollover": "high", "contributions": "medium"}
_PRIORITY: Mapping[str, float] = {"employer_match": 2.0, "beneficiary": 1.5}


def described() -> list[dict[str, object]]:
    """The rows of the landing log `arms`. What is new is shown as such for a while: novelty 1 to 0."""
    return [
        {
            "arm_id": message,
            "topic": TOPICS[topic],
            "format": FORMATS[form],
            "risk_category": _RISK.get(TOPICS[topic], "low"),
            "novelty": form / (len(FORMATS) - 1),
            "campaign_priority": _PRIORITY.get(TOPICS[topic], 1.0),
            "beyond_401k": "yes" if TOPICS[topic] in BEYOND_401K else "no",
        }
        for message, (topic, form) in zip(MESSAGES, PLACES, strict=True)
    ]
