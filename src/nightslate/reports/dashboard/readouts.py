"""What each variant of the experiment was worth against the control, night by night."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.over_nights import bands, constant, told
from nightslate.reports.dashboard.section import (
    Chart,
    Column,
    Pick,
    Section,
    SectionMaker,
    Tile,
    Written,
)

_KEYS = ("issue", "ds", "metric", "variant", "scope", "segment", "segment_value")
_FIGURES = ("n", "mean", "effect", "lower", "upper", "p", "relative", "anytime_lower", "anytime_upper")
ALL_USERS = "all users"
_APART = "whether these are some users apart"
_SCOPES = {"exposed": "who was shown anything", "assigned": "all who were assigned"}
_ORDER = [
    *(("issue", "ascending"), ("day", "ascending"), ("foremost", "descending"), ("metric", "ascending")),
    *(("users", "descending"), (_APART, "ascending"), ("segment", "ascending"), ("variant", "ascending")),
]
"""By which picks begin with the metric that is decided by, of all users who were shown anything."""


def _section(report: DashboardReport) -> Section:
    decisions = report.rows["readout_decisions"].rename_columns({"metric": "decided_by"})
    rows = _most_precise(report.rows["readouts"]).join(decisions, ["issue", "ds"])
    decided_by = pc.equal(rows["metric"], rows["decided_by"]).fill_null(False)
    rows = rows.append_column("foremost", pc.if_else(decided_by, "yes", "no"))
    rows = rows.rename_columns({"ds": "day", "effect": "value", "lower": "once_lower", "upper": "once_upper"})
    rows = rows.rename_columns({"anytime_lower": "lower", "anytime_upper": "upper"})
    chart = bands(
        "variant",
        told("night", "day"),
        told("variant", "variant"),
        told("effect", "value", "Q"),
        told("at least, at every look", "lower", "Q"),
        told("at most, at every look", "upper", "Q"),
    )
    return Section(
        name="readouts",
        title="What variants were worth",
        about="The effect of each variant on a metric: the variant's less the control's, of all users so far,"
        " with what covariates tell taken off. The band holds however often one looks, and begins once there"
        " are enough users; where it leaves the dashed line behind, the variant is better or worse. Whether"
        " users are missing, and what the experiment says and why, is in the table readout_decisions, and on"
        " the page of the night.",
        rows=_sorted(rows),
        charts=[
            Chart(
                "Effect",
                constant(0.0) + chart,
                "The effect of each variant over nights, a line with a band for the interval that holds at"
                " every look, against no effect. The table below has the newest night.",
                by="variant",
            )
        ],
        columns=[
            Column("variant", "variant", "text"),
            Column("control", "against", "text"),
            Column("n", "users", "count"),
            Column("mean", "mean"),
            Column("value", "effect"),
            Column("lower", "at least, at every look"),
            Column("upper", "at most, at every look"),
            Column("once_lower", "at least, in one look"),
            Column("once_upper", "at most, in one look"),
            Column("relative", "relative", "share"),
            Column("p", "p, in one look"),
        ],
        picks=[
            Pick("metric", "metric", one=True),
            Pick("users", "of", one=True),
            Pick("segment", "segment", one=True),
            Pick("variant", "variants"),
        ],
        tiles=[
            _tile("the experiment says", "decision", "text"),
            _tile("its effect", "value", "number", interval=True),
        ],
        of_all=False,
        empty="No experiment has been read out by then.",
    )


def _tile(title: str, field: str, written: Written, interval: bool = False) -> Tile:
    """Of the metric that is decided by."""
    where = {"foremost": "yes", "users": _SCOPES["exposed"], "segment": ALL_USERS}
    return Tile(title, field, written, where, interval)


def _sorted(rows: pa.Table) -> pa.Table:
    apart = pc.not_equal(rows["segment"], ALL_USERS)
    return rows.append_column(_APART, apart).sort_by(_ORDER).drop_columns([_APART])


def _most_precise(readouts: pa.Table) -> pa.Table:
    """The cumulative effect of each variant but the control: augmented or with covariates, where it is there
    so."""
    field = pc.field
    shown = (field("period") == "cumulative") & (field("variant") != field("control"))
    rows = readouts.filter(shown & field("method").isin(["aipw", "cuped", "difference"]))
    first = [(name, "first") for name in ("control", *_FIGURES)]
    in_order = rows.sort_by("method")  # "aipw" before "cuped" before "difference"
    found = in_order.group_by([*_KEYS], use_threads=False).aggregate(first)
    found = found.rename_columns([name.removesuffix("_first") for name in found.column_names])
    segment = pc.if_else(
        pc.is_null(found["segment"]),
        ALL_USERS,
        pc.binary_join_element_wise(
            found["segment"].fill_null(""), found["segment_value"].fill_null("missing"), " "
        ),
    )
    names, words = (pa.array(each) for each in (list(_SCOPES), list(_SCOPES.values())))
    users = words.take(pc.index_in(found["scope"], names).combine_chunks())
    found = found.drop_columns(["scope", "segment", "segment_value"])
    return found.append_column("segment", segment).append_column("users", users)


READOUTS = SectionMaker(
    {
        "readouts": (*_KEYS, "control", "period", "method", *_FIGURES),
        "readout_decisions": ("issue", "ds", "decision", "metric"),
    },
    _section,
)
