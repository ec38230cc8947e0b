"""No policy at all."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightslate.kernels.controls.control import Choice, DecidedDay, Ranks, Shown


@dataclass(frozen=True)
class Random:
    """A ranking of the arms that a user can get, each as likely."""

    name: ClassVar[str] = "random"
    reaches_everyone: ClassVar[bool] = False

    def on(self, day: DecidedDay) -> Ranks:  # noqa: ARG002
        """The same on every day."""
        return _Alike()


class _Alike:
    def choice(self, shown: Shown) -> Choice:
        """Every arm of the same weight."""
        return Choice(np.ones(shown.eligible.shape))
