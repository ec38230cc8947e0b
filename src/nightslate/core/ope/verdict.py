"""What to do with a policy, going by its paired difference to the logging policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nightslate.core.ope.diagnostics import Thresholds, weaknesses
from nightslate.core.ope.estimate import Estimate

Word = Literal["deploy", "test further", "do not deploy", "not enough evidence"]

BEST_FIRST = ("dr", "snips", "cascade_dr", "snrips", "traj_dr", "snpdis")
"""The estimators that a verdict goes by: doubly robust where a reward model is there, being right if either
the model or the propensities are; else self-normalised weights, of slates those of a slot and the slots
before it, of trajectories those of a step and the steps before it, since weights of whole slates and
trajectories vary too much to tell policies apart."""


@dataclass(frozen=True)
class Verdict:
    """A word, and the sentences that it rests on."""

    word: Word
    reasons: tuple[str, ...]


def verdict(
    estimate: Estimate,
    thresholds: Thresholds,
    with_one_more: Sequence[Estimate] = (),
    *,
    support_is_known: bool,
) -> Verdict:
    """The verdict on the policy of a difference to the logging policy.

    not enough evidence: its weights are too weak (see `diagnostics.weaknesses`), or the difference has no
    interval. Else deploy if the whole interval is over 0, do not deploy if it is under 0, and test further
    if it holds 0, or would with one more unit. with_one_more: the same difference in logs that have the unit
    which would speak most against it, see `one_more`. A value without a reference has nothing to beat: test
    further at the most."""
    weak = weaknesses(estimate, thresholds, support_is_known=support_is_known)
    outcome, sentence = _outcome(estimate)
    turned = next((each for each in with_one_more if _outcome(each)[0] != outcome), None)
    if turned:
        outcome, sentence = "test further", f"{sentence}, {_but(turned)}"
    return Verdict("not enough evidence" if weak else outcome, (*weak, sentence))


def _but(turned: Estimate) -> str:
    if turned.value is None or turned.lower is None or turned.upper is None:
        return "but one more unit could leave it without an interval"
    return (
        f"but by luck: one more unit of the kind that the log lacks could make it {turned.value:.4g},"
        f" {turned.lower:.4g} to {turned.upper:.4g}"
    )


def _outcome(estimate: Estimate) -> tuple[Word, str]:
    if estimate.reference is None:
        return "test further", f"there is nothing to compare {estimate.policy} with"
    pair = f"{estimate.policy} minus {estimate.reference} by {estimate.estimator}"
    if estimate.value is None or estimate.lower is None or estimate.upper is None:
        why = f": {estimate.remark}" if estimate.remark else ""
        return "not enough evidence", f"{pair} has no interval{why}"
    figures = (
        f"{pair} is {estimate.value:.4g}, {estimate.lower:.4g} to {estimate.upper:.4g} at "
        f"{100 * estimate.confidence:.6g} % confidence"
    )
    if estimate.lower > 0:
        return "deploy", f"{figures}: better"
    if estimate.upper < 0:
        return "do not deploy", f"{figures}: worse"
    return "test further", f"{figures}: either may be better"
