"""Which shares a rollout gave to whom, night by night, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.over_nights import bands, figure, lines, told
from nightslate.reports.dashboard.readouts import ALL_USERS
from nightslate.reports.dashboard.section import Chart, Column, Pick, Section, SectionMaker, Tile

_DAY = timedelta(days=1)
_ROWS = pa.schema(
    [
        *((name, pa.string()) for name in ("issue", "variant", "segment", "cause", "reason")),
        ("day", pa.date32()),
        *((name, pa.float64()) for name in ("everyone", "value", "lower", "upper", "at_risk", "share")),
        *((name, pa.int64()) for name in ("users", "drawn", "came", "left")),
    ]
)


def _section(report: DashboardReport) -> Section:
    of_users = bands(
        "variant",
        told("night", "day"),
        told("variant", "variant"),
        told("mean share (%)", "value", "Q"),
        told("a tenth has at most (%)", "lower", "Q"),
        told("nine of ten have at most (%)", "upper", "Q"),
        told("why", "reason"),
    )
    of_everyone = lines(
        "variant",
        figure("everyone", zero=True),
        told("night", "day"),
        told("variant", "variant"),
        told("share (%)", "everyone", "Q"),
        told("because of", "cause"),
        told("why", "reason"),
    )
    treated = {"segment": ALL_USERS}
    return Section(
        name="rollouts",
        title="Who gets what",
        about="The shares of each treatment over nights, as the controller moved them: by ramp, guardrails,"
        " signals and stops, and by what is expected of each user. The baseline is the share of users of whom"
        " nothing else is known; the band has the middle eight of ten users. Pick a segment to see whom a"
        " treatment goes to; of a region the cause is its own.",
        rows=pa.Table.from_pylist([*_rows(report)], _ROWS),
        charts=[
            Chart(
                "Mean share of users, in percent",
                of_users,
                "The mean share of each treatment over nights, a line with a band for the middle eight of ten"
                " users. The table below has the newest night.",
                by="variant",
            ),
            Chart(
                "Baseline, in percent",
                of_everyone,
                "The baseline over nights, a line for each treatment. The table below has the newest"
                " night, and why.",
                by="variant",
            ),
        ],
        columns=[
            Column("variant", "variant", "text"),
            Column("users", "users", "count"),
            Column("drawn", "in it", "count"),
            Column("came", "came", "count"),
            Column("left", "left", "count"),
            Column("share", "mean share", "share"),
            Column("at_risk", "at risk under it", "share"),
            Column("cause", "because of", "text"),
            Column("reason", "why", "text"),
        ],
        picks=[Pick("segment", "of", one=True), Pick("variant", "treatments")],
        tiles=[
            Tile("mean share of the treatment", "share", "share", treated),
            Tile("moved into it", "came", "count", treated),
        ],
        of_all=False,
        empty="No night of this range has assigned anybody.",
    )


def _rows(report: DashboardReport) -> Iterator[dict[str, Any]]:
    """Of treatments; all users first, so that the page begins with them."""
    ruled = {
        (row["issue"], row["slate_date"], row["variant"], row["region"]): row
        for row in report.rows["rollouts"].to_pylist()
    }
    shares = report.rows["rollout_shares"]
    told_apart = shares.filter(pc.field("part").isin(["all", "segment"])).sort_by(
        [
            (name, "ascending")
            for name in ("issue", "slate_date", "part", "segment", "segment_value", "variant")
        ]
    )
    for row in told_apart.to_pylist():
        key = row["issue"], row["slate_date"], row["variant"]
        of_everyone = ruled.get((*key, None))
        rules = report.issues.get(row["issue"])
        if of_everyone is None or rules is None or row["variant"] == rules.control:
            continue
        in_region = row["part"] == "segment" and row["segment"] == rules.region
        why = ruled.get((*key, row["segment_value"]), of_everyone) if in_region else of_everyone
        yield {
            "issue": row["issue"],
            "variant": row["variant"],
            "segment": _segment(row),
            "cause": why["cause"],
            "reason": why["reason"],
            "day": row["slate_date"] - _DAY,
            "everyone": 100 * of_everyone["share"],
            "value": 100 * row["share"],
            "lower": 100 * row["share_p10"],
            "upper": 100 * row["share_p90"],
            "at_risk": row["below"] / row["scored"] if row["scored"] and row["below"] is not None else None,
            "share": row["share"],
            **{name: row[name] for name in ("users", "drawn", "came", "left")},
        }


def _segment(row: Mapping[str, Any]) -> str:
    return ALL_USERS if row["part"] == "all" else f"{row['segment']} {row['segment_value'] or 'missing'}"


ROLLOUTS = SectionMaker(
    {
        "rollouts": ("issue", "variant", "region", "share", "cause", "reason", "slate_date"),
        "rollout_shares": (
            *("issue", "variant", "part", "segment", "segment_value", "users", "drawn", "came", "left"),
            *("share", "share_p10", "share_p90", "scored", "below", "slate_date"),
        ),
    },
    _section,
)
