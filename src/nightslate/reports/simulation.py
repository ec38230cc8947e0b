"""The page of a simulation: one HTML file for whoever wants to see the loop learn, beside what is true."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from nightslate.reports import simulation_plots as plots
from nightslate.reports.document import figure, template
from nightslate.reports.numbers import MINUS, MISSING, count, percent, setting, signed, significant

Row = dict[str, Any]


@dataclass(frozen=True)
class Simulation:
    """All figures of a simulation, as they are also kept in a JSON file. Rewards are expected by the world,
    unless they say that they were drawn.

    days: day, personalised, randomised, best (mean reward of a page; best: with full knowledge).
    lift: value, lower, upper, confidence, of drawn rewards over the last days; None where nothing was earned.
    read_over: how many last days the headline is about. reached: the share of the possible lift on them.
    topics: topic, beyond, personalised, randomised, best: shares of tiles on those days.
    beyond: day, share of all tiles. goal: the share that the program asks for; None for no goal.
    looks: ds, challenger, champion, decision, difference, lower, truth: what the gate saw, and was true.
    estimates: ds, policy, value, lower, upper, truth (on the pages that the estimate is about), realised (the
    day after, of the champion, else None).
    """

    program: str
    description: str
    reward: str
    seed: int
    users: int
    first_day: date
    nights: int
    estimator: str
    confidence: float
    read_over: int
    lift: Row | None
    reached: float | None
    days: list[Row]
    topics: list[Row]
    beyond: list[Row]
    goal: float | None
    looks: list[Row]
    estimates: list[Row]
    seconds: dict[str, float]

    @property
    def promoted(self) -> list[Row]:
        """The promotions, in order."""
        return [look for look in self.looks if look["decision"] == "promoted"]

    @property
    def wrongly_promoted(self) -> list[Row]:
        """Those of a policy that was worse in truth than the champion it replaced."""
        return [look for look in self.promoted if look["truth"] < 0]

    @property
    def crowned(self) -> dict[int, str]:
        """By number of the day, from 1: who is champion from then on. The night after a promotion is the
        first to score with it, and its slates are for the day after that."""
        days = [row["day"] for row in self.days]
        return {days.index(look["ds"]) + 3: look["challenger"] for look in self.promoted}

    def covered(self, truth: str, policy: str | None = None) -> tuple[int, int]:
        """How many intervals held the value in the column `truth`, and of how many: of one policy or all."""
        judged = [
            row
            for row in self.estimates
            if row[truth] is not None and row["lower"] is not None and policy in (None, row["policy"])
        ]
        return sum(row["lower"] <= row[truth] <= row["upper"] for row in judged), len(judged)

    def figures(self) -> Row:
        """What the JSON file holds: every field, and the counts."""
        return {
            **asdict(self),
            "first_day": self.first_day.isoformat(),
            "promotions": len(self.promoted),
            "wrong_promotions": len(self.wrongly_promoted),
            "covered_truth": self.covered("truth"),
            "covered_realised": self.covered("realised"),
        }


def page(simulation: Simulation) -> str:
    """The simulation as one HTML document."""
    html = template(
        "simulation.html.j2",
        count=count,
        setting=setting,
        significant=significant,
        signed=signed,
        whole_percent=whole_percent,
    )
    return html.render(
        told=simulation,
        headline=headline(simulation),
        covered={truth: simulation.covered(truth) for truth in ("truth", "realised")},
        policies=[
            (policy, simulation.covered("truth", policy))
            for policy in dict.fromkeys(row["policy"] for row in simulation.estimates)
        ],
        rewards_chart=figure(
            plots.rewards(simulation.days, simulation.crowned),
            "Mean reward of a page by day: personalised, randomised, and with full knowledge.",
        ),
        estimates_chart=figure(
            plots.estimates(simulation.estimates, simulation.reward),
            "Each night's estimate of the champion's value with its interval, its true value, and what was"
            " realised the day after.",
        ),
        topics_chart=figure(
            plots.topics(simulation.topics),
            "Share of tiles by topic: "
            + ", ".join(f"{row['topic']} {percent(row['personalised'])}" for row in simulation.topics),
        ),
        beyond_chart=figure(
            plots.beyond(simulation.beyond, simulation.goal),
            "Share of tiles with topics beyond the 401(k), by day, against the goal.",
        ),
    )


def headline(simulation: Simulation) -> str:
    """One sentence: what personalised pages earned beside randomised ones, and how much was possible."""
    lift, days = simulation.lift, simulation.read_over
    if lift is None:
        return f"Neither personalised nor randomised pages earned anything to compare in {days} days"
    ends = " to ".join(signed(whole_percent(lift[end])) for end in ("lower", "upper"))
    return (
        f"Personalised pages earned {whole_percent(abs(lift['value']))}"
        f" {'more' if lift['value'] >= 0 else 'less'} than randomised ones in the last {days} days"
        f" ({100 * lift['confidence']:g} % interval {ends}):"
        f" {whole_percent(simulation.reached)} of the lift that was possible"
    )


def whole_percent(share: float | None) -> str:
    """A share of 1 in percent, without decimals: of what is not known to a thousandth."""
    return MISSING if share is None else f"{100 * share:.0f} %".replace("-", MINUS)
