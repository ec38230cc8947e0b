"""What a step is, and a task: a step of one night, with those that it waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from nightslate.programs import Program
from nightslate.programs.issue import ONLY

Run = Callable[..., str]
"""(night, a table for each that the step names) -> one line about what was done."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step, and the tables that it gets as arguments.

    `reads`: rows that steps before it wrote tonight (and maybe on nights before). `looks_up`: rows of nights
    before this one alone. `writes`: what it writes. `TABLE:STATE` is what readers of a table don't see yet.
    `follows`: steps that have to be done before it for another reason than a table.
    `heavy`: goes over user buckets, so an engine of many machines pays. `belongs_to`: the programs that
    have it.
    """

    name: str
    does: str
    run: Callable[[], Run]
    reads: tuple[str, ...] = ()
    looks_up: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    per_issue: bool = False
    heavy: bool = False
    belongs_to: Callable[[Program], bool] = lambda _: True

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables that are its arguments, each once."""
        named = (name.partition(":")[0] for name in (*self.reads, *self.looks_up, *self.writes))
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True)
class Task:
    """A step of a program's night, or of one issue of it. `after`: the tasks that have to be done before."""

    step: Step
    issue: str | None = None
    after: tuple[Task, ...] = ()

    @property
    def name(self) -> str:
        """As Airflow names it: within the group of its issue, where the program tells several apart."""
        return self.step.name if self.issue in (None, ONLY) else f"{self.issue}.{self.step.name}"

    @cached_property
    def before(self) -> frozenset[Task]:
        """All that is done by the time it begins."""
        return frozenset(self.after).union(*(task.before for task in self.after))

    def feeds(self, later: Task) -> bool:
        """Whether another task reads what this one writes, or follows it."""
        apart = self.issue is not None and later.issue is not None and self.issue != later.issue
        followed = self.step.name in later.step.follows
        return not apart and (followed or not set(self.step.writes).isdisjoint(later.step.reads))
