"""Nights of programs that a test declares, run step by step in this process."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import yaml

from nightslate import programs
from nightslate.engines import LocalEngine
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.plan import OF_ALL_NIGHTS, plan
from nightslate.pipeline.running import run_task

DOCS = OF_ALL_NIGHTS
"""Great Expectations takes longer than most of the night before it, and nothing looks at what it leaves: of
several nights of a program, one has it."""

PAGES = ("report", *DOCS)
"""What is left out where only tables are looked at."""


def run_night(night: Night, *steps: str, but: Collection[str] = ()) -> dict[str, str]:
    """Runs the steps of a night, or all that it has but some. Returns what each task said."""
    return {
        task.name: run_task(task, night)
        for task in plan(night.program)
        if (not steps or task.step.name in steps) and task.step.name not in but
    }


@dataclass(frozen=True)
class Declared:
    """A program in the DAGs folder, by name, and the days that it has logs of."""

    program: str
    days: Sequence[date]

    def write(self, spec: str) -> None:
        (Path(os.environ["NIGHTSLATE_DAGS"]) / f"{self.program}.yaml").write_text(spec)

    def night(self, home: Path, number: int = -1) -> Night:
        return Night(programs.find(self.program), self.days[number], home, LocalEngine(processes=1))

    def rows(self, home: Path, table: str) -> pl.DataFrame:
        return pl.read_delta(str(home / "tables" / self.program / table))

    def slates_of(self, home: Path, day: date) -> list[dict[str, Any]]:
        return self.rows(home, "slates").filter(slate_date=day).sort("user_id").to_dicts()


def night_of(spec: Mapping[str, Any], home: Path, day: date) -> IssueNight:
    """A night of the only issue of a program, whose YAML file lies in the warehouse."""
    path = home / f"{spec['program']}.yaml"
    path.write_text(yaml.safe_dump(dict(spec)))
    return Night(programs.load(path), day, home).of_issue("all")


def pseudonym(raw: str) -> str:
    """Of a user, by the key of the environment."""
    return str(Pseudonymiser.from_environment()(pa.array([raw]))[0].as_py())
