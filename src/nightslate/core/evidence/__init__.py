"""Sequential evidence by betting: whether a challenger is better than the champion, looked at every night.

Whoever doubts it is bet against, with a capital of 1, on each day's cohort of users. Where no challenger of a
reign is better by the margin, the capital is a supermartingale that starts at 1, so that it ever reaches 1 /
alpha with probability alpha at most (Ville, 1939; Ramdas, Grünwald, Vovk and Shafer, 2023): however often it
is looked at, and whatever was known when the policies of a day were fitted, as long as that was before the
day. The increments need no bound on importance weights (Karampatziakis, Mineiro and Ramdas, 2021;
Waudby-Smith, Wu, Ramdas, Karampatziakis and Mineiro, 2022) and make no assumption of large samples, so that a
rare reward that by luck never met an arm is no evidence.

Assumed: users of a cohort are independent of each other given what came before the day, the logged
propensities are right, and what a user was shown on earlier days does not change what the policies of a later
day are worth to that user (no carry-over from one cohort to the next)."""

from nightslate.core.evidence.bets import BETS
from nightslate.core.evidence.capital import (
    alpha_of,
    log_capital,
    log_capitals,
    lower_bound,
    value_lower_bound,
)
from nightslate.core.evidence.e_process import EProcess
from nightslate.core.evidence.stakes import Stakes
from nightslate.core.evidence.term import Term

__all__ = [
    "BETS",
    "EProcess",
    "Stakes",
    "Term",
    "alpha_of",
    "log_capital",
    "log_capitals",
    "lower_bound",
    "value_lower_bound",
]
