"""What is sent to users tomorrow, by the slates that are published: which arm, by which channel and when."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from nightslate.engines import Tables, Work
from nightslate.errors import ContractError, SpecError
from nightslate.kernels.sends import SLATES_READ, Sending
from nightslate.pipeline.bucket_inputs import slates_day_input
from nightslate.pipeline.channels import channels_tonight, columns_of_channels
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.served_users import UserTables, known_users
from nightslate.tables import Table


def run(
    night: IssueNight,
    users: Table,
    features: Table,
    features_of_arms: Table,
    risks: Table,
    arms: Table,
    slates: Table,
    sends: Table,
) -> str:
    """One partition: a function of the published slates of the day, and of the logs of ds."""
    said, day = night.program.sends, night.slate_date
    channels = channels_tonight(night, arms)
    if said is None or channels is None:
        raise SpecError(f"{night.name} sends nothing: its YAML lacks the key `sends`")
    if not slates.is_written(day):
        raise ContractError(f"there are no slates of {day} yet: run the step `publish` of {night.ds} first")
    sending = Sending(night.name, night.issue.name, day, channels, said.zone)
    known_of = UserTables(users, features, features_of_arms, risks)
    inputs, known = known_users(night, known_of, columns_of_channels(night))
    inputs["slates"] = slates_day_input(slates, day, SLATES_READ)

    def sent(tables: Tables) -> dict[str, pa.Table]:
        return {"sends": sending.sends(tables["slates"], known(tables)).sort_by("user_id")}

    staged = night.engine.write(sent, Work(inputs, night.program.buckets), {"sends": sends.begin(day)})
    sends.publish(staged["sends"], night.commit_metadata)
    return f"{staged['sends'].rows} slates of {day}: {_in_words(night, sends)}"


def _in_words(night: IssueNight, sends: Table) -> str:
    """How many are sent by each channel, and how many are not for each reason."""
    snapshot, by = sends.snapshot(), Counter[str]()
    for file in snapshot.files(night.slate_date, night.slate_date):
        rows = snapshot.rows_of(file, ["channel", "reason"])
        for row in rows.group_by(["channel", "reason"]).aggregate([([], "count_all")]).to_pylist():
            why_not = row["reason"] and f"not sent ({row['reason']})"
            by[why_not or f"by {row['channel']}"] += row["count_all"]
    return ", ".join(f"{number} {what}" for what, number in sorted(by.items())) or "none"
