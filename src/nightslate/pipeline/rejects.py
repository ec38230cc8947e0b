"""How many rejects a day may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date

from nightslate.errors import ContractError
from nightslate.kernels.forgotten_users import FORGOTTEN
from nightslate.pipeline.log_intake import TakenIn
from nightslate.programs.logs import Rejects


def of_forgotten(ingested: Mapping[str, TakenIn]) -> Counter[str]:
    """By log the rows of users who asked to be forgotten: no fault of the log."""
    return Counter(
        {log: each.rejects["reason"].to_pylist().count(FORGOTTEN) for log, each in ingested.items()}
    )


def stop_if_too_many(
    ingested: Mapping[str, TakenIn], rejected: Mapping[str, int], allowed: Rejects, ds: date
) -> None:
    """Raise ContractError where a log has more than the program tolerates; rejected: rows, not files."""
    for log, result in ingested.items():
        if result.unusable_files > allowed.max_files:
            raise ContractError(
                f"{log}: {result.unusable_files} files of {ds} can't be loaded,"
                f" {allowed.max_files} are tolerated; `nightslate quarantine` says which and why"
            )
        if rejected[log] > allowed.max_share * result.total:
            raise ContractError(
                f"{log}: {rejected[log]} of {result.total} rows of {ds} break the contract,"
                f" {allowed.max_share:.2%} are tolerated; `nightslate quarantine` says which and why"
            )
