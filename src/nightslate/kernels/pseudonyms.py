"""User ids become HMAC-SHA256 pseudonyms before a row is written anywhere."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256

import pyarrow as pa

from nightslate import settings
from nightslate.errors import MachineError

PSEUDONYM_LENGTH = 32
"""Hex digits of a pseudonym: 128 of the 256 bits of the HMAC."""

_BLOCK, _PADS = 64, (0x36, 0x5C)
"""Of HMAC with SHA-256 (RFC 2104)."""


@dataclass(frozen=True)
class Pseudonymiser:
    """Replaces ids by keyed pseudonyms. The key stays out of `repr`, so out of logs and plans."""

    key: bytes = field(repr=False)
    key_version: str

    @classmethod
    def from_environment(cls) -> Pseudonymiser:
        """The key of $NIGHTSLATE_PSEUDONYM_KEY. Raises MachineError if there is none, or a short one."""
        key = settings.pseudonym_key().encode()
        if len(key) < 16:
            raise MachineError(
                "NIGHTSLATE_PSEUDONYM_KEY is not set, or shorter than 16 characters; user ids can't be"
                " pseudonymised. Generate one with `openssl rand -hex 32` and keep it for ever: another"
                " key gives every user another pseudonym"
            )
        return cls(key, settings.pseudonym_key_version())

    @property
    def key_name(self) -> str:
        """What tells this key from others without giving it away: its version, and 32 bits that it signs."""
        return f"{self.key_version}:{hmac.digest(self.key, b'nightslate', 'sha256').hex()[:8]}"

    def __call__(self, ids: pa.Array) -> pa.Array:
        """Pseudonyms of string ids, null for null. Each distinct id is hashed once a batch."""
        encoded = ids.cast(pa.string()).dictionary_encode()
        names = self._pseudonyms(encoded.dictionary.to_pylist())
        return pa.array(names, pa.string()).take(encoded.indices)

    def _pseudonyms(self, names: list[str]) -> list[str]:
        """Hashes the key once, not for each id, of which there are millions. Otherwise this is
        `hmac.digest`."""
        block = (sha256(self.key).digest() if len(self.key) > _BLOCK else self.key).ljust(_BLOCK, b"\0")
        inner, outer = (sha256(bytes(byte ^ pad for byte in block)) for pad in _PADS)
        pseudonyms = []
        for name in names:
            message, signed = inner.copy(), outer.copy()
            message.update(name.encode())
            signed.update(message.digest())
            pseudonyms.append(signed.hexdigest()[:PSEUDONYM_LENGTH])
        return pseudonyms
