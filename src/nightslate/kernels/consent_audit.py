"""A second look at consents, by who agreed to what: nothing that takes one is there of anybody else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.audit import FAULTS, faults_of
from nightslate.kernels.consents import Needs
from nightslate.kernels.features import AT, USER
from nightslate.kernels.leaks import AS_OF


def consent_faults(tables: Mapping[str, pa.Table], needs: Mapping[str, Needs], end: datetime) -> pa.Table:
    """`FAULTS` by user_id of the rows of a day that has this end: of its `users` and `impressions`, and of
    its `features` where there are any, which go by the users of the day, or as of a decision by its
    impression. needs: by table what takes a consent in it."""
    found = [FAULTS.empty_table()]
    for table, of_table in needs.items():
        rows = tables[table]
        for name, consent in of_table.items():
            agreed = _by_others(tables, consent, end) if table == "features" else rows[consent]
            wrong = pc.and_(rows[name].is_valid(), pc.invert(pc.fill_null(agreed, False)))
            fault = f"{table}: {name} is there of users without {consent}"
            found.append(faults_of(fault, rows[USER].filter(wrong)))
    return pa.concat_tables(found)


def _by_others(tables: Mapping[str, pa.Table], consent: str, end: datetime) -> pa.ChunkedArray:
    """(n,) which rows of features are of moments as of which their users agreed, by the logs of the day."""
    features, users, shown = (tables[name] for name in ("features", "users", "impressions"))
    agreeing = users[USER].filter(users[consent]).combine_chunks()
    decided = _decisions(shown.filter(shown[consent]), AT).combine_chunks()
    at_end = pc.equal(features[AS_OF], pa.scalar(end, features[AS_OF].type))
    by_decision = pc.is_in(_decisions(features, AS_OF), decided)
    return pc.if_else(at_end, pc.is_in(features[USER], agreeing), by_decision)


def _decisions(rows: pa.Table, at: str) -> pa.ChunkedArray:
    """(n,) who decides when, as text."""
    return pc.binary_join_element_wise(rows[USER], rows[at].cast(pa.int64()).cast(pa.string()), "@")
