"""What the page of a night shows: the rows of its tables, and what the program asks of challengers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from nightslate.reports.contacts import ContactFigures
from nightslate.reports.experiment import ExperimentReadout
from nightslate.reports.numbers import Reward
from nightslate.reports.sends import SendFigures
from nightslate.reports.sequence import SequenceFigures

BUDGETS = pa.schema(
    [
        ("name", pa.string()),
        *(
            (name, pa.float64())
            for name in ("most", "expected", "shown", "randomised", "multiplier", "reward_price")
        ),
        ("divergence_price", pa.float64()),
    ]
)

ISSUE_SHARES = pa.schema(
    [
        ("issue", pa.string()),
        ("concerned", pa.int64()),
        ("drawn", pa.int64()),
        ("mean_probability", pa.float64()),
    ]
)


@dataclass(frozen=True)
class NightReport:
    """One night of one program.

    evaluations, promotions, models, slates: rows of the tables of that name (slates: a sample).
    ledger: rows of the table of that name: what promotions promised and what came.
    evidence: rows of the table of that name against the champion, of the reign that the gate judged.
    changed: the days whose logs changed since their evidence was taken, in words; empty where none did.
    quarantine: log, reason, clause, rows.
    outcomes: kind, fate (`credited`, or why not), outcomes.
    strangers: a word on keys of outcomes of which hardly any was shown; empty where they were.
    rows, rows_before: how many rows each table got tonight, and the night before.
    references: policy, impressions, reward (sum): outside policies, shown beside the estimates.
    logged: issue, value (mean reward of what was shown, over the days of the leading estimates), n.
    exposure: arm_id, slot (1..K), share (of slates with the arm in that slot).
    alpha, margin, min_ess, max_unsupported_share: what the gate asks of a challenger.
    range_declared: whether the program says what a unit can earn at least and at most.
    weighs_decisions: whether the slots of a decision are weighed as a whole.
    provenance: versions and digests, by name.
    sequences: of each fitted_q learner; None for a program without sequences.
    champion: whose help `uplift` is shown of. untaught: a word on a champion that no row has taught.
    costs_of_no_arm: one on costs whose arms nobody has seen. budgets_of_no_arm: one on budgets that no arm on
    offer belongs to, or of arms nobody has seen. baseline_of_no_arm: one on an arm that help is held against
    and nobody has seen.
    sweeps: rows of the table of that name, of learners whose epsilon the night chose; None where it chose
    none.
    uplift: rows of the table of that name ; None for a program that does not ask for it.
    controls: rows of the table of that name; None for an issue that asks for none.
    short_kinds: the outcomes that come before the horizon of staying is over; empty where rewards are not of
    staying.
    delays: rows of the table of that name; None for a program that weights no young impressions.
    drift: rows of the table `feature_drift`; None for a program without features.
    worth: rows of evaluations of a learner and one that is the same but for what it ignores; `ignored`, in
    words.
    budgets: name, most, expected and shown (what slates use of it), randomised (the part of expected that no
    multiplier changes), multiplier, reward_price, divergence_price; None for a program without budgets.
    all_nights: where the page of all nights is, from this one; empty for no link.
    contacts: None for a program without contact rules. sends: None for one that sends nothing.
    issue_shares: issue, concerned (users), drawn (users who get slates of it), mean_probability (of its being
    drawn, over those that it concerns); None where issues have slates for all that they concern.
    insights: rows of the table of that name; None for an issue that does not ask for it. log_odds: whether
    its effects are on that scale.
    experiment: what its readout says; None for an issue without metrics.
    others: how many users have no slate because somebody else decides for their variants, `external`.
    min_cell: the fewest users of which anything is told.
    """

    program: str
    description: str
    ds: date
    slates_date: date
    reward: Reward
    evaluations: pa.Table
    promotions: pa.Table
    evidence: pa.Table
    models: pa.Table
    quarantine: pa.Table
    outcomes: pa.Table
    rows: Mapping[str, int]
    references: pa.Table
    logged: pa.Table
    slates: pa.Table
    exposure: pa.Table
    ledger: pa.Table
    min_ess: float
    max_unsupported_share: float
    alpha: float
    margin: float = 0.0
    all_nights: str = ""
    range_declared: bool = False
    changed: str = ""
    strangers: str = ""
    weighs_decisions: bool = False
    untaught: str = ""
    costs_of_no_arm: str = ""
    budgets_of_no_arm: str = ""
    baseline_of_no_arm: str = ""
    sweeps: pa.Table | None = None
    controls: pa.Table | None = None
    short_kinds: Sequence[str] = ()
    champion: str = ""
    uplift: pa.Table | None = None
    rows_before: Mapping[str, int] | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    sequences: Sequence[SequenceFigures] | None = None
    delays: pa.Table | None = None
    drift: pa.Table | None = None
    worth: Sequence[Mapping[str, Any]] = ()
    budgets: pa.Table | None = None
    contacts: ContactFigures | None = None
    sends: SendFigures | None = None
    issue_shares: pa.Table | None = None
    insights: pa.Table | None = None
    log_odds: bool = False
    experiment: ExperimentReadout | None = None
    external: Sequence[str] = ()
    others: int = 0
    min_cell: int = 1

    @property
    def unit(self) -> str:
        """What is weighed."""
        if self.sequences is not None:
            return "sequence"
        return "decision" if self.weighs_decisions else "impression"
