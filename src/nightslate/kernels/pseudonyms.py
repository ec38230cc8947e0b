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

_OF_FORGOTTEN = b"nightslate: users who asked to be forgotten"


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
        return _signed(ids, self.key)

    def tags(self, pseudonyms: pa.Array) -> pa.Array:
        """What is kept of users who asked to be forgotten, so that they are known if they come again: of each
        pseudonym its HMAC under a key for this purpose alone, which follows from the key. Without the key
        nobody can tell which pseudonym, or id, a tag is of."""
        return _signed(pseudonyms, hmac.digest(self.key, _OF_FORGOTTEN, "sha256"))


def _signed(texts: pa.Array, key: bytes) -> pa.Array:
    encoded = texts.cast(pa.string()).dictionary_encode()
    signatures = _signatures(encoded.dictionary.to_pylist(), key)
    return pa.array(signatures, pa.string()).take(encoded.indices)


def _signatures(texts: list[str], key: bytes) -> list[str]:
    """Hashes the key once, not for each text, of which there are millions. Otherwise this is
    `hmac.digest`."""
    block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    inner, outer = (sha256(bytes(byte ^ pad for byte in block)) for pad in _PADS)
    signatures = []
    for text in texts:
        message, signed = inner.copy(), outer.copy()
        message.update(text.encode())
        signed.update(message.digest())
        signatures.append(signed.hexdigest()[:PSEUDONYM_LENGTH])
    return signatures
