"""The landing files of the day, row by row, into tables and quarantine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from nightslate.contracts import arrow as arrow_contracts
from nightslate.engines import Input, Work
from nightslate.errors import SpecError
from nightslate.kernels.conform import Conformer
from nightslate.kernels.forgotten_users import ForgottenUsers
from nightslate.kernels.log_completion import CheckedOutcomes, CompletedImpressions
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.kernels.shown_for import ShownFor
from nightslate.kernels.slate_propensities import SLATE_COLUMNS, Kind
from nightslate.kernels.value_counts import ValueCounts
from nightslate.pipeline.arms import arm_ids, chosen
from nightslate.pipeline.bucket_inputs import users_asked
from nightslate.pipeline.champion_reigns import champion_as_of
from nightslate.pipeline.forgotten_users import forgotten_users
from nightslate.pipeline.kept_days import require_kept
from nightslate.pipeline.landing_files import (
    BUCKETS,
    ID_FORM,
    KEY,
    has_landed,
    id_form_of,
    landed_files,
    pointed_columns,
    readable_by_all,
    require_same_layout,
)
from nightslate.pipeline.log_intake import Completion, TakenIn, accepted_at_once, take_in
from nightslate.pipeline.lookback import (
    days_attributed_to,
    days_looked_back_on,
    shared_with_other_nights,
)
from nightslate.pipeline.night import Night
from nightslate.pipeline.rejects import of_forgotten, stop_if_too_many
from nightslate.pipeline.slates_named import OUTSIDE, outside_times, published_for
from nightslate.pipeline.stored_meaning import in_words, meaning_of, otherwise_meant, with_meaning
from nightslate.programs.meaning import PROPENSITY, Meaning, meaning
from nightslate.programs.windows import days_attributed
from nightslate.records.overlap import ID_FORMS, KEYS, forms_of
from nightslate.tables import Table

Logs = Mapping[str, Table]
"""The tables of the program's landing logs, by log."""


def run(night: Night, **tables: Table) -> str:
    """The day of this night, and before it the days that this night looks back on, if they have landed and no
    night of theirs has run yet: so the order in which nights run changes nothing."""
    models, quarantine, slates = tables["models"], tables["quarantine"], tables["slates"]
    for each in night.issues:  # what is wrong with one would stop the night later, when all else is done
        if each.issue.scored:
            champion_as_of(each, tables["promotions"].of_issue(each.issue.name))
    logs = {name: tables[name] for name in night.program.logs.names}
    require_kept(night, tables, days_looked_back_on(night, models, with_logs_before=True))
    with shared_with_other_nights():
        for day in _days_to_take_in(night, logs, models):
            earlier = night.at(day)
            ingest_files(earlier, logs, _all_landed(earlier, logs), quarantine, slates)
        return ingest_files(night, logs, _all_landed(night, logs), quarantine, slates)


def _days_to_take_in(night: Night, logs: Logs, models: Table) -> list[date]:
    """The days that this night looks back on whose logs are not all there, or whose outcomes were kept out by
    another skew than the program has by now. Raises SpecError where these have not landed any more."""
    written = {log: table.snapshot().written() for log, table in logs.items()}
    changed = otherwise_meant(night, "outcomes", written["outcomes"])
    days = [
        day
        for day in days_looked_back_on(night, models, with_logs_before=True)
        if day in changed or not all(day in days for days in written.values())
    ]
    landed = {day for day in days if has_landed(night.at(day))}
    lost = {day: changed[day] for day in days if day in changed and day not in landed}
    if lost:
        raise SpecError(
            f"{night.name} outcomes: {in_words(lost)}. Undo the change, or land the logs of these days again"
        )
    return [day for day in days if day in landed]


def _all_landed(night: Night, logs: Iterable[str]) -> dict[str, list[Path]]:
    return {log: landed_files(night, log) for log in logs}


def ingest_files(
    night: Night,
    logs: Logs,
    files: Mapping[str, list[Path]],
    quarantine: Table,
    slates: Table,
) -> str:
    """Those of the day, by log. Nothing is committed but quarantine unless every log is within what the
    program tolerates."""
    pseudonymise = night.pseudonymiser or Pseudonymiser.from_environment()
    users = logs["users"].snapshot()
    form = id_form_of(users)
    layout = {BUCKETS: str(night.program.buckets), KEY: pseudonymise.key_name, ID_FORM: form}
    require_same_layout(users, layout)
    pointed = {log: pointed_columns(night, log, files[log], form) for log in files}
    meant = _meaning_of_impressions(night, logs["impressions"])
    forgotten = forgotten_users(night, pseudonymise)
    ingested: dict[str, TakenIn] = {}
    # Arms first, and impressions before outcomes: a log is checked against those that it names.
    in_order = sorted(files, key=lambda log: log != "arms")
    for log in sorted(in_order, key=lambda log: log not in ("arms", "users")):  # who say what they agree to
        conformer = _conformer(night, logs, log, forgotten, ingested, form)
        completion = _completion(night, log, ingested, meant, slates)
        conformer = replace(conformer, pointed=pointed[log])
        asked = _users_asked(night, logs["users"], ingested["users"]) if conformer.asks_users else None
        ingested[log] = take_in(night, logs[log], files[log], conformer, completion, asked)
    rejected = _quarantine(night, quarantine, ingested)
    dropped = of_forgotten(ingested)
    faulty = {log: rows - dropped[log] for log, rows in rejected.items()}
    stop_if_too_many(ingested, faulty, night.program.logs.rejects, night.ds)
    unknown = _unknown_kinds(night, ingested)
    outside = outside_times(night, ingested["impressions"].staged, slates)
    for log in in_order:
        said = with_meaning(night, log, meant if log == "impressions" else {})
        said |= {OUTSIDE: str(outside)} if log == "impressions" and outside is not None else {}
        forms = {ID_FORMS: json.dumps(forms_of(files[log], KEYS, pointed[log]), ensure_ascii=False)}
        logs[log].publish(ingested[log].staged, {**said, **layout, **forms})
    copies = sum(result.copies for result in ingested.values())
    accepted = {log: each.total - rejected[log] - each.copies for log, each in ingested.items()}
    counts = ", ".join(f"{accepted[log]} {log}" for log in in_order)
    done = f"{counts}; {sum(rejected.values())} rows quarantined, {copies} copies dropped{unknown}"
    if dropped.total():
        done += f"; {dropped.total()} of the rows quarantined are of users who asked to be forgotten"
    if outside:
        done += f"; WARNING: {outside} impressions were shown outside of the times of their slates"
    return done + _refused_files(ingested) + _pointed_ids(pointed) + readable_by_all(night, files)


def _unknown_kinds(night: Night, ingested: Mapping[str, TakenIn]) -> str:
    """Activity of kinds that the program does not name: it is kept, and a feature may be of it."""
    declared = night.program.logs.activity
    if declared is None or not declared.kinds:
        return ""
    schema = arrow_contracts.schema(night.contract("activity"))
    of_kinds = Input(ingested["activity"].staged.data_files, schema).columns(("kind",))
    counted = ValueCounts.initial(("kind",))
    kinds = night.engine.fold(
        {"kinds": counted},
        lambda tables: [("kinds", counted.update(tables["activity"]))],
        Work({"activity": of_kinds}, night.program.buckets),
    )
    unknown = declared.unknown(kinds["kinds"].by_column["kind"])
    return f"; {unknown}" if unknown else ""


def _refused_files(ingested: Mapping[str, TakenIn]) -> str:
    """Files none of whose rows was taken in, though rejects.max_files tolerates them."""
    refused = {log: result.unusable_files for log, result in ingested.items() if result.unusable_files}
    if not refused:
        return ""
    listed = ", ".join(f"{files} of {log}" for log, files in refused.items())
    return f"; WARNING: files refused whole: {listed}: `nightslate quarantine` says which and why"


def _pointed_ids(pointed: Mapping[str, frozenset[str]]) -> str:
    return "".join(
        f"; {name} of {log} is written like 7.0 and read as 7"
        for log, names in pointed.items()
        for name in sorted(names)
    )


def _completion(
    night: Night, log: str, ingested: Mapping[str, TakenIn], meant: Meaning, slates: Table
) -> Completion | None:
    """What the slates say about impressions that name one, and the impressions about outcomes that do."""
    if log == "impressions":
        slots = {name: issue.slots for name, issue in night.program.issues.items()}
        issues = ShownFor(_issues_of_arms(night, ingested["arms"]), slots)
        complete = CompletedImpressions(_kind(meant), issues, restricted=night.program.sends is not None)
        return Completion(complete, published_for(night, slates, SLATE_COLUMNS))
    if log == "outcomes":
        schema = arrow_contracts.schema(night.contract("impressions"))
        shown = Input(ingested["impressions"].staged.data_files, schema).columns(
            ("impression_id", "user_id", "occurred_at")
        )
        return Completion(CheckedOutcomes(night.program.skew), shown)
    return None


def _users_asked(night: Night, users: Table, today: TakenIn) -> Input:
    asked = users_asked(night, users, night.program.consents)
    before = [file for file in asked.files if file.day < night.ds]
    return replace(asked, files=[*before, *today.staged.data_files])


def _meaning_of_impressions(night: Night, impressions: Table) -> Meaning:
    """What the program said when the day was first ingested: whoever logged it knows of no edit since."""
    then = meaning_of(impressions.snapshot().written().get(night.ds))
    return then or meaning(night.program, "impressions")


def _kind(impressions: Meaning) -> Kind:
    return "marginal" if impressions[PROPENSITY] == "marginal" else "conditional"


def _conformer(
    night: Night,
    logs: Logs,
    log: str,
    forgotten: ForgottenUsers,
    ingested: Mapping[str, TakenIn],
    form: str,
) -> Conformer:
    """An impression is of an arm of its day. An outcome may be of one that was shown before and has left. An
    arm that is sent has a channel that the program knows."""
    pseudonymise = forgotten.pseudonymise
    conformer = Conformer(night.contract(log), night.ds, pseudonymise, forgotten=forgotten)
    if log == "arms":
        return replace(conformer, values=_channels_of_arms(night))
    if log not in ("impressions", "outcomes"):
        return conformer
    arms = _accepted_arms(night, ingested["arms"])
    if log == "impressions":
        return replace(conformer, arms=tuple(sorted(arms)), asks_users=bool(night.program.consents))
    arms |= _arms_before(night, logs["arms"], pseudonymise, form)
    days = f"the day or of the {days_attributed(night.program)} days before it"
    return replace(conformer, arms=tuple(sorted(arms)), arms_of=days)


def _channels_of_arms(night: Night) -> dict[str, tuple[str, ...]]:
    sends = night.program.sends
    return {sends.channel: sends.values} if sends else {}


def _arms_before(night: Night, arms_log: Table, pseudonymise: Pseudonymiser, form: str) -> set[str]:
    """The arms of the days whose impressions the outcomes of ds may be credited to. Those of a day that no
    night has taken in are looked up where they landed, so the order of nights changes nothing."""
    days = days_attributed_to(night)
    before = arms_log.snapshot().to_arrow(days[0], days[-1], ["arm_id", "ds"])
    taken_in, arms = set(before["ds"].to_pylist()), set(before["arm_id"].to_pylist())
    for earlier in (night.at(day) for day in days if day not in taken_in):
        if has_landed(earlier):
            files = landed_files(earlier, "arms")
            pointed = pointed_columns(earlier, "arms", files, form)
            conformer = Conformer(
                earlier.contract("arms"),
                earlier.ds,
                pseudonymise,
                pointed=pointed,
                values=_channels_of_arms(night),
            )
            arms |= {*accepted_at_once(files, conformer)["arm_id"].to_pylist()}
    return arms


def _accepted_arms(night: Night, arms: TakenIn) -> set[str]:
    return {*_rows_of_arms(night, arms)["arm_id"].to_pylist()}


def _issues_of_arms(night: Night, arms: TakenIn) -> dict[str, list[str]]:
    """The arms of each issue."""
    offered = _rows_of_arms(night, arms)
    return {name: list(arm_ids(chosen(offered, issue.arms))) for name, issue in night.program.issues.items()}


def _rows_of_arms(night: Night, arms: TakenIn) -> pa.Table:
    return Input(arms.staged.data_files, arrow_contracts.schema(night.contract("arms"))).read(None)


def _quarantine(night: Night, table: Table, ingested: Mapping[str, TakenIn]) -> dict[str, int]:
    """Write what was rejected; returns the number of rejected rows (not files) by log."""
    schema = arrow_contracts.schema(table.contract, partition=False)
    rejects = pa.concat_tables(result.rejects for result in ingested.values())
    columns = [
        (name, "ascending") for name in ("log", "file", "row_number", "reason", "clause", "row", "row_digest")
    ]
    table.replace(night.ds, rejects.select(schema.names).cast(schema).sort_by(columns), night.commit_metadata)
    found = Counter(rejects["log"].to_pylist())
    return {log: found[log] - result.unusable_files for log, result in ingested.items()}
