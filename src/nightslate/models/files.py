"""A fitted model on disk: arrays in an npz, everything else in a JSON, one digest over both. No pickle."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nightslate.core.fitted_q import FittedQ
from nightslate.core.npz import pack, unpack
from nightslate.core.policies import LEARNERS
from nightslate.core.policies.declared_rule import DeclaredRule
from nightslate.core.policies.learner import Policy
from nightslate.errors import ModelError
from nightslate.kernels.indicators import AnyEncoder, encoder_from_json
from nightslate.kernels.scoring import ScoredBy

_ARRAYS, _DESCRIPTION = "policy.npz", "model.json"
_FORMAT = 2
_REMEDY = "Restore it, or train the night of this model again (clear its task `train`)"
_POLICY_TYPES: dict[str, type[Policy]] = {
    FittedQ.kind: FittedQ.policy_type,
    DeclaredRule.kind: DeclaredRule.policy_type,
    **{kind: learner.policy_type for kind, learner in LEARNERS.items()},
}


@dataclass(frozen=True)
class ModelFile:
    """A policy with what it takes to apply it: the arms by place, and the encoder of contexts.

    Two models with equal content have equal bytes, so an equal `digest`: retraining on the same logs changes
    nothing that a reader could see.
    """

    kind: str
    learner: str
    arms: tuple[str, ...]
    encoder: AnyEncoder
    policy: Policy

    @cached_property
    def _archive(self) -> bytes:
        return pack(self.policy.arrays())

    @cached_property
    def _described(self) -> bytes:
        content = {
            "format": _FORMAT,
            "kind": self.kind,
            "learner": self.learner,
            "arms": list(self.arms),
            "encoder": self.encoder.to_json(),
            "policy_sha256": hashlib.sha256(self._archive).hexdigest(),
        }
        return json.dumps(content, sort_keys=True, indent=1).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the description, which holds that of the arrays."""
        return hashlib.sha256(self._described).hexdigest()

    def save(self, folder: Path) -> None:
        """Write both files into an existing folder."""
        (folder / _ARRAYS).write_bytes(self._archive)
        (folder / _DESCRIPTION).write_bytes(self._described)

    @classmethod
    def load(cls, folder: Path, digest: str, place: str = "") -> ModelFile:
        """The model in `folder`, if it is the one with that digest. `digest` must come from somewhere
        else than the folder. Raises ModelError before anything in the files is interpreted otherwise, and
        if the model was saved in another format. place: what a person knows the folder by, where it is a
        copy."""
        place = place or str(folder)
        described = read_file(folder / _DESCRIPTION, place)
        require_digest(described, digest, f"{place}/{_DESCRIPTION}")
        content = json.loads(described)
        if content["format"] != _FORMAT:
            raise ModelError(
                f"{place}/{_DESCRIPTION} has format {content['format']}, and only {_FORMAT} can be read."
                " Retrain the night of this model (clear its task `train`)"
            )
        archive = read_file(folder / _ARRAYS, place)
        require_digest(archive, content["policy_sha256"], f"{place}/{_ARRAYS}")
        return cls(
            kind=content["kind"],
            learner=content["learner"],
            arms=tuple(content["arms"]),
            encoder=encoder_from_json(content["encoder"]),
            policy=_POLICY_TYPES[content["kind"]].from_arrays(unpack(archive)),
        )


def scored_by(model: ModelFile) -> ScoredBy:
    """A model file as scoring needs it."""
    return ScoredBy(model.learner, model.digest, model.arms, model.encoder, model.policy)


def read_file(file: Path, place: str) -> bytes:
    """All of a file of a model. Raises ModelError where that is not possible."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"{place}/{file.name} can't be read ({error.strerror}). {_REMEDY}") from error


def require_digest(content: bytes, digest: str, file: str) -> None:
    """Raise ModelError unless this is the content whose SHA-256 was recorded."""
    found = hashlib.sha256(content).hexdigest()
    if not hmac.compare_digest(found, digest):
        raise ModelError(
            f"{file} is not the file that was recorded: its sha256 is {found}, not {digest}. {_REMEDY}"
        )
