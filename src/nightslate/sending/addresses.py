"""Who has which address, and who wants nothing any more: files of raw user ids that stay in memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import require, texts_or_none
from nightslate.files.rows import read_any
from nightslate.kernels.pseudonyms import Pseudonymiser

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
        users, addresses = _columns(path, ("user_id", "address"))
        for user, address in zip(pseudonymise(users).to_pylist(), addresses.to_pylist(), strict=True):
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
    (users,) = _columns(path, ("user_id",))
    return {user for user in pseudonymise(users).to_pylist() if user is not None}


def _columns(path: Path, names: Sequence[str]) -> list[pa.Array]:
    """These columns of a file, read as ids are wherever they land: a user is the same in any format."""
    rows = read_any(path)
    require(rows.names, names, str(path))
    if rows.unreadable:
        raise ContractError(f"{path}: record {rows.unreadable[0].number} can't be read")
    bad = BadRows(rows)
    columns = [texts_or_none(rows, name, bad).combine_chunks() for name in names]
    for row in bad.all():
        raise ContractError(f"{path}: row {row.number} can't be used: {row.reason}")
    return columns
