from datetime import timedelta
from pathlib import Path

import pytest

from nightslate import programs
from nightslate.programs import Program

DAGS = Path(__file__).parents[3] / "dags"


@pytest.fixture(scope="session")
def assistance() -> Program:
    """The program that ships, with horizons of two days."""
    program = programs.load(DAGS / "proactive_assistance.yaml")
    issues = {}
    for name, issue in program.issues.items():
        changed = {
            "rewards": issue.rewards.model_copy(update={"window": timedelta(days=2)}),
            "evaluation": issue.evaluation.model_copy(update={"resamples": 100, "folds": 2}),
        }
        issues[name] = issue.model_copy(update=changed)
    return program.model_copy(update={"issues": issues})
