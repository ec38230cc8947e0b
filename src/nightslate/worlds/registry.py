"""The worlds, by the name of the program whose nights they are played with. Cheap to import: a world's own
modules are imported once it starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nightslate.worlds import (
    marketing_templates,
    next_best_action,
    onboarding_401k,
    proactive_assistance,
    rollout_allocation,
)

if TYPE_CHECKING:
    from nightslate.worlds.protocol import StartSimulation

WORLDS: Mapping[str, StartSimulation] = {
    "onboarding_401k": onboarding_401k.start,
    "next_best_action": next_best_action.start,
    "proactive_assistance": proactive_assistance.start,
    "marketing_templates": marketing_templates.start,
    "rollout_allocation": rollout_allocation.start,
}
