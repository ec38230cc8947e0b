"""Whether logged propensities are right, arm by arm and slot by slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nightslate.core.ope.calibration import Inverses

_SHOWN = 5


@dataclass(frozen=True)
class ArmCheck:
    """The check of logged propensities by arm and slot, with the names of both; `choice` is what slots are
    called."""

    inverses: Inverses
    arms: list[str]
    slots: list[str]
    choice: str = "slot"

    def summary(self) -> dict[str, Any]:
        """How many cells of arm and slot there are, how many are off, and these, the worst first."""
        inverses = self.inverses
        off = np.argwhere(inverses.off)
        off = off[np.argsort(-inverses.z[tuple(off.T)], kind="stable")][:_SHOWN]
        shown = inverses.shown > 0
        return {
            "cells": int(shown.sum()),
            "cells_off": int(inverses.off.sum()),
            "off": [
                {
                    "arm": self.arms[arm],
                    self.choice: self.slots[slot],
                    "shown": int(inverses.shown[arm, slot]),
                    "decisions": int(inverses.open[arm, slot]),
                    "mean": float(inverses.mean[arm, slot]),
                    "z": float(inverses.z[arm, slot]),
                }
                for arm, slot in off.tolist()
            ],
        }

    def notes(self) -> list[str]:
        """A sentence for each of the worst cells that are off."""
        return [
            f"the logged propensities of arm {cell['arm']} in {self.choice} {cell[self.choice]} are too "
            f"small: 1/propensity has the mean {cell['mean']:.4g} over {cell['decisions']} decisions instead "
            "of 1"
            for cell in self.summary()["off"]
        ]
