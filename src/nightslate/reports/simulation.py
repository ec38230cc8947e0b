"""The page of a simulation: one HTML file for whoever wants to see the loop learn, beside what is true."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, ClassVar

from nightslate.reports import simulation_plots as plots
from nightslate.reports.document import Figure, figure, template
from nightslate.reports.estimands import CROSS_FITTED, ESTIMANDS, PROGRESSIVE
from nightslate.reports.numbers import MINUS, MISSING, count, percent, setting, signed, significant

Row = dict[str, Any]


@dataclass(frozen=True)
class Simulated:
    """What is told of the nights of any world, as it is also kept in a JSON file. Rewards are expected by the
    world, unless they say that they were drawn.

    lift: value, lower, upper, confidence, of drawn rewards over the last days; None where nothing was earned.
    read_over: how many last days the headline is about. reached: the share of the possible lift on them.
    looks: ds, challenger, champion, decision, difference, lower, truth: what the gate saw, and was true.
    estimates: ds, estimand, policy, value, lower, upper, truth (of what the estimate is about), realised (the
    day after, of the champion, beside what is cross-fitted, else None).
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
    looks: list[Row]
    estimates: list[Row]
    seconds: dict[str, float]

    earning: ClassVar[str]
    """Who or what earns something, and the verb."""
    span: ClassVar[str]
    """What `read_over` counts."""

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
        return {
            (date.fromisoformat(look["ds"]) - self.first_day).days + 3: look["challenger"]
            for look in self.promoted
        }

    @property
    def leads(self) -> str:
        """The estimand that the nights' pages lead with, as soon as one has it."""
        return PROGRESSIVE if self.covered("truth", PROGRESSIVE)[1] else CROSS_FITTED

    def covered(self, truth: str, estimand: str, policy: str | None = None) -> tuple[int, int]:
        """How many intervals of an estimand held the value in the column `truth`, and of how many: of one
        policy or all."""
        judged = [
            row
            for row in self.estimates
            if row["estimand"] == estimand
            and row[truth] is not None
            and row["lower"] is not None
            and policy in (None, row["policy"])
        ]
        return sum(row["lower"] <= row[truth] <= row["upper"] for row in judged), len(judged)

    def figures(self) -> Row:
        """What the JSON file holds: every field, and the counts."""
        return {
            **asdict(self),
            "first_day": self.first_day.isoformat(),
            "promotions": len(self.promoted),
            "wrong_promotions": len(self.wrongly_promoted),
            "covered_truth": {estimand: self.covered("truth", estimand) for estimand in ESTIMANDS},
            "covered_realised": self.covered("realised", CROSS_FITTED),
        }


@dataclass(frozen=True)
class Simulation(Simulated):
    """All figures of a homepage and its nights.

    days: day, personalised, randomised, best (mean reward of a page; best: with full knowledge).
    topics: topic, beyond, personalised, randomised, best: shares of tiles on the last days.
    beyond: day, share of all tiles. goal: the share that the program asks for; None for no goal.
    """

    days: list[Row]
    topics: list[Row]
    beyond: list[Row]
    goal: float | None

    earning = "pages earned"
    span = "days"


def page(simulation: Simulation) -> str:
    """The simulation as one HTML document."""
    return rendered(
        "simulation.html.j2",
        simulation,
        rewards_chart=figure(
            plots.rewards(simulation.days, simulation.crowned),
            "Mean reward of a page by day: personalised, randomised, and with full knowledge.",
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


def rendered(name: str, told: Simulated, **charts: Figure | None) -> str:
    """A simulation as one HTML document, by the template of its world, with the charts that only it has."""
    html = template(
        name,
        count=count,
        setting=setting,
        significant=significant,
        signed=signed,
        whole_percent=whole_percent,
    )
    return html.render(
        told=told,
        headline=headline(told),
        held=told.covered("truth", told.leads),
        realised=told.covered("realised", CROSS_FITTED),
        policies=[
            (policy, [told.covered("truth", estimand, policy) for estimand in ESTIMANDS])
            for policy in dict.fromkeys(row["policy"] for row in told.estimates)
        ],
        estimates_chart=figure(
            plots.estimates(told.estimates, told.reward),
            "Each night's estimate of the champion's value with its interval, its true value, and what was"
            " realised the day after.",
        ),
        **charts,
    )


def headline(told: Simulated) -> str:
    """One sentence: what was earned where it was personalised beside where it was not, and how much was
    possible."""
    lift, last = told.lift, f"{told.read_over} {told.span}"
    if lift is None:
        return f"Neither personalised nor randomised {told.earning} anything to compare in {last}"
    ends = " to ".join(signed(whole_percent(lift[end])) for end in ("lower", "upper"))
    return (
        f"Personalised {told.earning} {whole_percent(abs(lift['value']))}"
        f" {'more' if lift['value'] >= 0 else 'less'} than randomised ones in the last {last}"
        f" ({100 * lift['confidence']:g} % interval {ends}):"
        f" {whole_percent(told.reached)} of the lift that was possible"
    )


def whole_percent(share: float | None) -> str:
    """A share of 1 in percent, without decimals: of what is not known to a thousandth."""
    return MISSING if share is None else f"{100 * share:.0f} %".replace("-", MINUS)
