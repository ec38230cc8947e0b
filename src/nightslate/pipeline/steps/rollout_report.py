"""The page of a night whose shares follow the context, from the tables; kept with its MLflow run, too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.errors import ContractError
from nightslate.models.tracking import NightRun
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.night_pages import (
    Tables,
    all_nights,
    counted,
    experiment_of,
    provenance,
    rows_of_day,
    write_page,
)
from nightslate.pipeline.rollout_control import control_recorded
from nightslate.pipeline.rollout_shares import Rows, shares_of_users
from nightslate.pipeline.served_users import UserTables
from nightslate.reports.rollout_page import page
from nightslate.reports.rollout_report import RolloutReport
from nightslate.tables import Table

_BY_NIGHT = ("impressions", "outcomes", "users", "activity", "signals", "quarantine")
_BY_DAY = ("scores", "assignments")
_OF_EFFECTS = (
    *("metric", "variant", "method", "effect", "anytime_lower", "anytime_upper", "ds"),
    *("experiment", "scope", "period", "segment"),
)


def run(night: IssueNight, **tables: Table) -> str:
    """Writes reports/<program>/<ds>.html, or that of the issue where the program has several, and which
    shares users have, for the pages of the nights after it."""
    tracked, shares = night.run(), tables["rollout_shares"]
    recorded = tables["rollouts"].rows(night.slate_date, night.slate_date)
    if not recorded.num_rows:
        raise ContractError(
            f"nobody is assigned for {night.slate_date} yet: run `allocate` of {night.ds} first"
        )
    known_of = UserTables(
        **{name: tables[name] for name in ("users", "features", "features_of_arms", "risks")}
    )
    rows, users = shares_of_users(
        night, control_recorded(night, recorded), known_of, tables["scores"], tables["assignments"]
    )
    shares.replace(night.slate_date, shares.typed(rows), night.commit_metadata)
    path = write_page(night, tracked, page(_gather(night, tables, tracked, users)))
    tracked.log_metrics(_figures(rows))
    tracked.finish()
    return path


def _gather(night: IssueNight, tables: Tables, tracked: NightRun, users: Rows) -> RolloutReport:
    issue = night.issue
    control = str(issue.experiment.control)

    def so_far(name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Of this experiment; of tables by the day of assignments those of tomorrow, too."""
        last = night.slate_date if tables[name].contract.partition == "slate_date" else night.ds
        rows = tables[name].snapshot().to_arrow(None, last, columns)
        return rows.filter(pc.equal(rows["experiment"], issue.salt))

    yesterday = night.ds - timedelta(days=1)
    return RolloutReport(
        program=night.name,
        description=night.program.description,
        ds=night.ds,
        slates_date=night.slate_date,
        all_nights=all_nights(night),
        control=control,
        treatments=[name for name in sorted(issue.variants) if name != control],
        foremost=issue.experiment.foremost,
        guardrails=issue.experiment.guardrails,
        rollouts=so_far("rollouts"),
        shares=so_far("rollout_shares"),
        readouts=_of_all_users(so_far("readouts", _OF_EFFECTS), control),
        models=tables["effect_models"].rows(night.ds, night.ds),
        signals=tables["signals"].rows(night.program.start_date - timedelta(days=1), night.ds),
        stops=so_far("stops"),
        users=users,
        experiment=experiment_of(night, tables),
        quarantine=counted(
            tables["quarantine"].rows(night.ds, night.ds), ["log", "reason", "clause"], "rows"
        ),
        rows={
            **rows_of_day(tables, _BY_NIGHT, night.ds),
            **rows_of_day(tables, _BY_DAY, night.slate_date),
        },
        rows_before={**rows_of_day(tables, _BY_NIGHT, yesterday), **rows_of_day(tables, _BY_DAY, night.ds)},
        provenance=provenance(night, tracked),
        min_cell=night.program.min_cell,
    )


def _of_all_users(readouts: pa.Table, control: str) -> pa.Table:
    """Effects on all users who were shown anything so far, by the methods that the page goes by."""
    return readouts.filter(
        (pc.field("scope") == "exposed")
        & (pc.field("period") == "cumulative")
        & pc.field("segment").is_null()
        & (pc.field("variant") != control)
        & pc.field("method").isin(["difference", "cuped", "aipw"])
    )


def _figures(rows: Rows) -> dict[str, float | None]:
    """For the night's run, of all users."""
    found: dict[str, float | None] = {}
    for row in rows:
        if row["part"] == "all":
            name = f"rollout.{row['variant']}"
            found |= {
                f"{name}.users": row["drawn"],
                f"{name}.share": row["share"],
                f"{name}.came": row["came"],
            }
    return found
