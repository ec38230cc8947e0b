"""Small logs, made up."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 80


def bandit(rows=ROWS, seed=1):
    """Every column that a log of single impressions can have."""
    draw = np.random.default_rng(seed)
    columns = {
        "reward": draw.integers(0, 2, rows).astype(float),
        "propensity": draw.uniform(0.2, 0.9, rows),
        "target_propensity": draw.uniform(0, 0.9, rows),
        "q_logged": draw.uniform(0, 1, rows),
        "v_target": draw.uniform(0, 1, rows),
        "q_logged_mrdr": draw.uniform(0, 1, rows),
        "v_target_mrdr": draw.uniform(0, 1, rows),
        "marginal_propensity": draw.uniform(0.5, 1, rows),
        "target_marginal_propensity": draw.uniform(0, 1, rows),
        "cluster": draw.integers(0, 40, rows),
    }
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*(c.tolist() for c in columns.values()), strict=True)
    ]


def slates(decisions=40, seed=2, independent=True):
    """Decisions of one to three slots, a row a slot, in no order."""
    draw = np.random.default_rng(seed)
    rows = []
    for decision in range(decisions):
        for slot in range(1, 2 + decision % 3):
            propensity, target = draw.uniform(0.3, 0.9, 2).tolist()
            rows.append(
                {
                    "decision": f"d{decision}",
                    "position": slot,
                    "reward": float(draw.integers(0, 3)),
                    "propensity": propensity,
                    "target_propensity": target,
                    "marginal_propensity": propensity if independent else propensity * 0.9,
                    "target_marginal_propensity": target,
                    "q_logged": float(draw.uniform()),
                    "v_target": float(draw.uniform()),
                }
            )
    return [rows[place] for place in draw.permutation(len(rows))]


def trajectories(count=60, seed=3, first=1):
    """Trajectories of one to four steps from `first` on, a row a step, in no order; two to a customer."""
    draw = np.random.default_rng(seed)
    rows = []
    for trajectory in range(count):
        for step in range(1 + trajectory % 4):
            propensity, target = draw.uniform(0.3, 0.9, 2).tolist()
            rows.append(
                {
                    "journey": f"j{trajectory}",
                    "number": step + first,
                    "cluster": f"c{trajectory // 2}",
                    "reward": float(draw.integers(0, 3)),
                    "propensity": propensity,
                    "target_propensity": target,
                    "q_logged": float(draw.uniform(0, 2)),
                    "v_target": float(draw.uniform(0, 2)),
                }
            )
    return [rows[place] for place in draw.permutation(len(rows))]


def without(rows, *names):
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def write(path: Path, rows) -> Path:
    """Rows in the format that the path's suffix names."""
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path
