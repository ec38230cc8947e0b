"""The page of a simulated campaign: what customers bought, and what the nights thought that they would."""

from __future__ import annotations

from dataclasses import dataclass

from nightslate.reports import simulation_plots as plots
from nightslate.reports.document import figure
from nightslate.reports.sequence_plots import value_by_epsilon
from nightslate.reports.simulation import Row, Simulated, rendered


@dataclass(frozen=True)
class SequenceSimulation(Simulated):
    """All figures of campaigns and their nights. A value is that of a customer: purchases from the first
    offer on.

    cohorts: day (on which its campaign began), personalised, randomised (mean value by variant; None where
    nobody was in it), best (the optimum): of all cohorts whose campaign is over.
    optimum, uniform: the exact values of the best policy and of random offers.
    sweep: epsilon, learner, estimator, value, lower, upper, truth: what the last night's Q is worth if it is
    played epsilon-greedily. swept: the last night that has one, or None.
    """

    cohorts: list[Row]
    optimum: float
    uniform: float
    sweep: list[Row]
    swept: str | None

    earning = "customers bought"
    span = "cohorts"


def page(simulation: SequenceSimulation) -> str:
    """The simulation as one HTML document."""
    crowned = {
        number: name for number, name in simulation.crowned.items() if number <= len(simulation.cohorts)
    }
    return rendered(
        "sequence_simulation.html.j2",
        simulation,
        cohorts_chart=figure(
            plots.rewards(simulation.cohorts, crowned, "purchases of a customer", "cohort"),
            "Expected purchases of a customer by cohort: personalised, randomised, and by the best policy.",
        ),
        sweep_chart=figure(
            value_by_epsilon(
                _judged(simulation),
                {row["epsilon"]: row["truth"] for row in simulation.sweep},
                reward=simulation.reward,
            ),
            "Estimated value by epsilon with its interval, beside the true value.",
        ),
    )


def _judged(simulation: SequenceSimulation) -> list[Row]:
    """Of the sweep, what the estimator says that the gate believes, of the learner that is named first."""
    rows = [row for row in simulation.sweep if row["estimator"] == simulation.estimator]
    return [row for row in rows if row["learner"] == rows[0]["learner"]]
