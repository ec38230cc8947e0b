"""What a night goes by, held against what users agree to."""

from __future__ import annotations

from nightslate.engines import Work
from nightslate.kernels.consent_audit import consent_faults
from nightslate.kernels.features import AT, USER
from nightslate.kernels.leaks import AS_OF
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.fault_counts import counts_of, require_sound
from nightslate.pipeline.night import Night
from nightslate.programs.days import end_of
from nightslate.tables import Table

_UNSOUND = "users do not agree to what is there of them, and nothing that goes by it will be published"
_MOMENTS = {"users": (), "impressions": (AT,), "features": (AS_OF,)}


def audit_consents(night: Night, users: Table, impressions: Table, features: Table) -> None:
    """Raise ContractError, naming columns, where rows of the day hold what takes a consent of users who have
    not given it."""
    tables = {"users": users, "impressions": impressions}
    if night.program.features:
        tables["features"] = features
    needs = {name: table.contract.needs for name, table in tables.items()}
    if not any(needs.values()):
        return
    inputs = {}
    for name, table in tables.items():
        said = night.program.consents if name != "features" else ()
        columns = tuple(dict.fromkeys([USER, *_MOMENTS[name], *said, *needs[name]]))
        inputs[name] = bucket_input(night, table, columns, night.ds).as_it_was()
    work, end = Work(inputs, night.program.buckets), end_of(night.ds)
    require_sound(night.engine.map(lambda rows: counts_of(consent_faults(rows, needs, end)), work), _UNSOUND)
