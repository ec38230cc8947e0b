"""How a step's process ended, in the words of Airflow: what is worth a retry and what is not."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from nightslate.errors import PERMANENT_EXIT_CODES, NightslateError
from nightslate.outcomes import Outcome


class StepFailedError(NightslateError):
    """The step ended for a reason that the next attempt would meet again: data, specification, machine."""


class StepInterruptedError(NightslateError):
    """The step lost a race or was cut short. It left nothing behind: the next attempt may well succeed."""


RETRIES = 2
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=StepFailedError, action=RetryAction.FAIL, reason="the same input fails again"),
        RetryRule(
            exception=StepInterruptedError,
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=20),
            reason="cut short, nothing was written",
        ),
    ]
)


def raise_for_exit_code(step: str, exit_code: int, reason: str = "see the end of its log") -> None:
    """Raises StepFailedError for the exit codes of nightslate's permanent errors, StepInterruptedError for
    every other code but 0: a lost commit race (75), a signal (negative or above 128), a crash (1)."""
    if exit_code in PERMANENT_EXIT_CODES:
        raise StepFailedError(f"step {step} failed with exit code {exit_code}: {reason}")
    if exit_code != 0:
        raise StepInterruptedError(f"step {step} was cut short with exit code {exit_code}: {reason}")


def raise_for_outcome(step: str, outcome: Outcome) -> None:
    """Raises as `raise_for_exit_code`, in the words of the step's own error."""
    raise_for_exit_code(step, outcome.exit_code, f"{outcome.error}: {outcome.message}")
