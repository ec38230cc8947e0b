"""Who has which address, and who wants nothing any more: files of raw user ids that stay in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.errors import ContractError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.records.chunks import UnusableFileError
from nightslate.records.reading import read

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_LONGEST = 254


@dataclass(frozen=True, repr=False)
class Addresses:
    """`of`: by pseudonym. No text of it ever shows one. wrong: how many rows have no address that can be
    one."""

    of: dict[str, str]
    wrong: int

    @classmethod
    def read(cls, path: Path, pseudonymise: Pseudonymiser) -> Addresses:
        """Of a file with `user_id`, raw, and `address`. Raises ContractError for a file that is no such one,
        or where a user has several addresses."""
        found: dict[str, str] = {}
        wrong, twice = 0, set[str]()
        for rows in _rows(path, ("user_id", "address")):
            users = pseudonymise(rows["user_id"].combine_chunks()).to_pylist()
            for user, address in zip(users, rows["address"].to_pylist(), strict=True):
                if user is None or not is_address(address):
                    wrong += 1
                elif found.setdefault(user, address) != address:
                    twice.add(user)
        if twice:
            raise ContractError(f"{path}: {len(twice)} users have several addresses; give one of each")
        return cls(found, wrong)


def is_address(text: str | None) -> bool:
    """Whether it can be one, with nothing beside it that a header or a command could begin with."""
    return text is not None and len(text) <= _LONGEST and bool(_ADDRESS.fullmatch(text))


def opted_out(path: Path, pseudonymise: Pseudonymiser) -> set[str]:
    """The pseudonyms of a file with `user_id`, raw. Raises ContractError for a file that is no such one."""
    users = (pseudonymise(rows["user_id"].combine_chunks()).to_pylist() for rows in _rows(path, ("user_id",)))
    return {user for some in users for user in some if user is not None}


def _rows(path: Path, names: Sequence[str]) -> Iterator[pa.Table]:
    """These columns of a file as text."""
    try:
        for chunk in read(path):
            missing = [name for name in names if name not in chunk.rows.column_names]
            if missing and chunk.rows.num_rows:
                raise ContractError(f"{path} has no column {missing[0]}; it has to have {', '.join(names)}")
            if chunk.unreadable:
                raise ContractError(f"{path}: record {chunk.unreadable[0].number} can't be read")
            if not missing:
                rows = chunk.rows.select(names)
                yield pa.table({name: pc.cast(rows[name], pa.string()) for name in names})
    except UnusableFileError as error:
        raise ContractError(f"{path} can't be read: {error}") from error
