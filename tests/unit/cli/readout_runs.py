"""`nightslate readout` on rows that a test writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tests.unit.files import logs
from typer.testing import CliRunner, Result

from nightslate.cli import app

Row = dict[str, Any]

USERS = 1_200


def users(seed: int = 0, gain: float = 1.0) -> list[Row]:
    """A row a user: two variants of the same size, what was known before, clicks on impressions, a
    platform."""
    rng = np.random.default_rng(seed)
    variant = rng.integers(0, 2, USERS)
    before = rng.gamma(2.0, 2.0, USERS).round(3)
    impressions = rng.integers(1, 9, USERS)
    return [
        {
            "user_id": f"u{place}",
            "variant": ("control", "treatment")[variant[place]],
            "revenue": round(float(before[place] + rng.normal() + gain * variant[place]), 3),
            "before": float(before[place]),
            "clicks": int(rng.binomial(impressions[place], 0.3)),
            "impressions": int(impressions[place]),
            "platform": ("app", "web")[int(rng.integers(0, 2))],
            "day": f"2026-03-{1 + place * 10 // USERS:02d}",
        }
        for place in range(USERS)
    ]


def run(folder: Path, rows: list[Row], *options: str, suffix: str = ".jsonl") -> Result:
    """The command's answer, with revenue against the control unless options say otherwise."""
    path = logs.write(folder / f"users{suffix}", rows)
    metric = [] if any(option.startswith("--metric") for option in options) else ["--metric=revenue"]
    control = [] if any(option.startswith("--control") for option in options) else ["--control=control"]
    return CliRunner().invoke(app, ["readout", str(path), *control, *metric, *options])


def answer(folder: Path, rows: list[Row], *options: str, suffix: str = ".jsonl") -> dict[str, Any]:
    """What it prints with --json."""
    done = run(folder, rows, *options, "--json", suffix=suffix)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found
