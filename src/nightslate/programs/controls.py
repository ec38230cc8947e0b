"""What a program asks to hold its champion against, and what it takes for that to say something."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nightslate.programs.slates import SlateGoals
from nightslate.programs.variants import Variant

ORDERED_SLOTS = 20
"""Arms in the order of a prediction are ranked up to this slot."""


def require_telling(
    controls: Collection[str],
    goals: SlateGoals,
    slots: int,
    sequence: bool,
    control: str | None,
    variants: Mapping[str, Variant],
) -> None:
    """Raise ValueError, naming the control, unless what it lacks is there. control: which of the variants the
    experiment holds others against."""
    if "without_levers" in controls and not goals.tilts_slates:
        raise ValueError(
            "evaluation.controls: without_levers is the champion without exposure, budgets, priority and"
            " diversity, and the issue has none of them; leave it out"
        )
    if "propensity_only" in controls and slots > ORDERED_SLOTS:
        raise ValueError(
            f"evaluation.controls: propensity_only ranks up to {ORDERED_SLOTS} slots, not {slots}; leave it"
            " out"
        )
    if "present_rule" in controls and control is None:
        raise ValueError(
            "evaluation.controls: present_rule is the policy of experiment.control, which is not said; name"
            " the variant"
        )
    decides = variants.get(control or "")
    if "present_rule" in controls and decides and decides.external:
        raise ValueError(
            f"evaluation.controls: somebody else decides for users of {control}, and no model says what that"
            " would be for others; the readout of the experiment holds them against each other. Declare what"
            " they go by as a learner of kind rule, and make it the policy of the variant, or leave"
            " present_rule out"
        )
    if "eligibility_only" in controls and sequence:
        raise ValueError(
            "evaluation.controls: eligibility_only is of single decisions; with `sequence` leave it out"
        )


def require_withholding(controls: Collection[str], withholds: bool) -> None:
    """Raise ValueError unless eligibility alone is less than the program goes by."""
    if "eligibility_only" in controls and not withholds:
        raise ValueError(
            "evaluation.controls: eligibility_only is the champion without contact rules and consents, and"
            " the program has neither `contacts` nor `sends`; leave it out"
        )
