"""What the pages of nights have in common, whether a night makes slates or moves shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import version

import pyarrow as pa

from nightslate import settings
from nightslate.models.tracking import NightRun
from nightslate.pipeline.night import IssueNight
from nightslate.reports.experiment import ExperimentReadout, experiment_readout
from nightslate.tables import Table

_PACKAGES = ("nightslate", "pyspark", "deltalake", "mlflow", "scikit-learn", "great-expectations")

Tables = Mapping[str, Table]


def write_page(night: IssueNight, tracked: NightRun, html: str) -> str:
    """Writes the page of the night, of the issue where the program has several; keeps it and
    links to it with the night's MLflow run. Returns where it lies."""
    path = night.warehouse.report(night.name, night.ds, night.only)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, "utf-8")
    tracked.log_file(html, "night.html")
    tracked.set_tags({"mlflow.note.content": _links(night)})
    return f"{path}"


def all_nights(night: IssueNight) -> str:
    """Where the page of all nights is, from that of this night."""
    return "index.html" if night.only is None else "../index.html"


def experiment_of(night: IssueNight, tables: Tables) -> ExperimentReadout | None:
    """What the readout of the night says of its experiment, if it has one."""
    speaks = night.program.read_out_with(night.issue.name)
    if speaks is None:
        return None
    names = ("readouts", "readout_decisions", "fatigue")
    readouts, decisions, fatigue = (tables[name].of_issue(speaks).rows(night.ds, night.ds) for name in names)
    return experiment_readout(readouts, decisions, fatigue)


def rows_of_day(tables: Tables, names: Iterable[str], day: date) -> dict[str, int]:
    """How many rows each of some tables has of a day."""
    return {name: sum(file.rows for file in tables[name].snapshot().files(day, day)) for name in names}


def counted(rows: pa.Table, by: Sequence[str], name: str) -> pa.Table:
    """How many rows have each combination of values; the most frequent first."""
    counts = rows.group_by([*by]).aggregate([([], "count_all")]).rename_columns([*by, name])
    return counts.sort_by([(name, "descending"), *((column, "ascending") for column in by)])


def provenance(night: IssueNight, tracked: NightRun) -> dict[str, str]:
    """Versions and digests, by name."""
    return {
        "MLflow run": tracked.id,
        **{f"version of {package}": version(package) for package in _PACKAGES},
        **night.commit_metadata,
    }


def _links(night: IssueNight) -> str:
    """To the pages of the night and of all nights, in Markdown."""
    of_night = night.warehouse.report(night.name, night.ds, night.only)
    of_all = night.warehouse.dashboard(night.name)
    return " · ".join(
        f"[{name}]({settings.address_of(path, night.home)})"
        for name, path in (("the page of the night", of_night), ("all nights", of_all))
    )
