"""User ids become HMAC-SHA256 pseudonyms before a row is written anywhere."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field

import pyarrow as pa

from nightslate.errors import MachineError

PSEUDONYM_LENGTH = 32
"""Hex digits of a pseudonym: 128 of the 256 bits of the HMAC."""


@dataclass(frozen=True)
class Pseudonymiser:
    """Replaces ids by keyed pseudonyms. The key stays out of `repr`, so out of logs and plans."""

    key: bytes = field(repr=False)
    key_version: str

    @classmethod
    def from_environment(cls) -> Pseudonymiser:
        """The key of $NIGHTSLATE_PSEUDONYM_KEY. Raises MachineError if there is none, or a short one."""
        key = os.environ.get("NIGHTSLATE_PSEUDONYM_KEY", "").encode()
        if len(key) < 16:
            raise MachineError(
                "NIGHTSLATE_PSEUDONYM_KEY is not set, or shorter than 16 characters; user ids can't be"
                " pseudonymised. Generate one with `openssl rand -hex 32` and keep it for ever: another"
                " key gives every user another pseudonym"
            )
        return cls(key, os.environ.get("NIGHTSLATE_PSEUDONYM_KEY_VERSION", "1"))

    @property
    def key_name(self) -> str:
        """What tells this key from others without giving it away: its version, and 32 bits that it signs."""
        return f"{self.key_version}:{hmac.digest(self.key, b'nightslate', 'sha256').hex()[:8]}"

    def __call__(self, ids: pa.Array) -> pa.Array:
        """Pseudonyms of string ids, null for null. Each distinct id is hashed once a batch."""
        encoded = ids.cast(pa.string()).dictionary_encode()
        names = [
            hmac.digest(self.key, name.encode(), "sha256").hex()[:PSEUDONYM_LENGTH]
            for name in encoded.dictionary.to_pylist()
        ]
        return pa.array(names, pa.string()).take(encoded.indices)
