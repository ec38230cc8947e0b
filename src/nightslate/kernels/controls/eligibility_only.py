"""The champion, where only eligibility says who can get what."""

from dataclasses import dataclass
from typing import ClassVar

from nightslate.kernels.controls.control import Choice, DecidedDay, Played, Ranks, Shown


@dataclass(frozen=True)
class EligibilityOnly:
    """The policy as it is, for users whom contact rules withhold as well, and over arms whose channel a user
    has not consented to. Neither was ever shown, so what it does there has no support."""

    name: ClassVar[str] = "eligibility_only"
    reaches_everyone: ClassVar[bool] = True

    def on(self, day: DecidedDay) -> Ranks:
        """The champion, whatever users have consented to."""
        return _WhateverConsents(day.champion)


@dataclass(frozen=True)
class _WhateverConsents:
    champion: Played

    def choice(self, shown: Shown) -> Choice:
        """Among all arms where consents restrict them; else what could be shown is no matter of consent."""
        return self.champion.choice_among_all(shown) if shown.restricted else self.champion.choice(shown)
