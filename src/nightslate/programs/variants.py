"""The experiment of an issue: its branches, and how users are dealt among them."""

from __future__ import annotations

from datetime import date

from nightslate.programs.strict import Name, Share, Strict, Text


class Variant(Strict):
    """A share of the users, and the policy (or `champion`) they are scored by."""

    share: Share
    policy: Name

    def learner(self, champion: str) -> str:
        """Whose model its users are scored by while this learner is the champion."""
        return champion if self.policy == "champion" else self.policy


class Experiment(Strict):
    """`salt`: who is in which variant follows from it and the user's id; the program's name where it is not
    said. Another salt is another experiment, which deals users anew. `start`: the first day of slates whose
    assignments are recorded."""

    salt: Text | None = None
    start: date | None = None
