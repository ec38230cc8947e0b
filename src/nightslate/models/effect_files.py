"""A model of effects among the artifacts of a night's MLflow run: arrays in an npz, all else in a JSON, one
digest over both. No pickle."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nightslate.core.arrays import Floats
from nightslate.core.effects import EstimatedEffects, LinearEffects
from nightslate.core.npz import pack, unpack
from nightslate.errors import ModelError
from nightslate.kernels.encoding import Encoder
from nightslate.models.client import Client, mapped
from nightslate.models.files import read_file, require_digest
from nightslate.models.tracking import NightRun

_ARRAYS, _DESCRIPTION = "effects.npz", "effects.json"
_FORMAT = 1
_TAG = "nightslate.effects."
_KINDS: dict[str, type[LinearEffects | EstimatedEffects]] = {
    each.kind: each for each in (LinearEffects, EstimatedEffects)
}


@dataclass(frozen=True)
class Contribution:
    """What a feature of a user adds to the effect of a treatment on a metric, beside somebody average."""

    variant: str
    metric: str
    feature: str
    value: float


@dataclass(frozen=True)
class EffectFile:
    """A fitted model, by its name in the program, with what it takes to apply it: the treatments and the
    metrics by place, and the encoder of contexts. Equal models have equal bytes, so an equal digest."""

    name: str
    treatments: Sequence[str]
    metrics: Sequence[str]
    encoder: Encoder
    model: LinearEffects | EstimatedEffects

    @cached_property
    def _archive(self) -> bytes:
        return pack(self.model.arrays())

    @cached_property
    def _described(self) -> bytes:
        content = {
            "format": _FORMAT,
            "name": self.name,
            "kind": self.model.kind,
            "treatments": [*self.treatments],
            "metrics": [*self.metrics],
            "encoder": self.encoder.to_json(),
            "arrays_sha256": hashlib.sha256(self._archive).hexdigest(),
        }
        return json.dumps(content, sort_keys=True, indent=1).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the description, which holds that of the arrays."""
        return hashlib.sha256(self._described).hexdigest()

    def log(self, run: NightRun) -> None:
        """Leave it among the artifacts of a run, which is found by its digest from then on."""
        folder = f"effects/{self.name}"
        run.log_file(self._archive, f"{folder}/{_ARRAYS}")
        run.log_file(self._described, f"{folder}/{_DESCRIPTION}")
        run.set_tags({f"{_TAG}{self.digest}": folder})

    @classmethod
    def load(cls, folder: Path, digest: str, place: str = "") -> EffectFile:
        """The model in a folder, if it is the one with that digest. Raises ModelError before anything in the
        files is interpreted otherwise. place: what a person knows the folder by, where it is a copy."""
        place = place or str(folder)
        described = read_file(folder / _DESCRIPTION, place)
        require_digest(described, digest, f"{place}/{_DESCRIPTION}")
        content = json.loads(described)
        if content["format"] != _FORMAT:
            raise ModelError(
                f"{place}/{_DESCRIPTION} has format {content['format']}, and only {_FORMAT} can be read. Run"
                " the step `effects` of that night again"
            )
        archive = read_file(folder / _ARRAYS, place)
        require_digest(archive, content["arrays_sha256"], f"{place}/{_ARRAYS}")
        return cls(
            name=content["name"],
            treatments=tuple(content["treatments"]),
            metrics=tuple(content["metrics"]),
            encoder=Encoder.from_json(content["encoder"]),
            model=_KINDS[content["kind"]].from_arrays(unpack(archive)),
        )

    def contributions(self, context: Floats) -> list[Contribution]:
        """What each feature of a context (d,), as the encoder has it, adds to each effect, beside somebody
        average: the coefficient times what the context is off the mean. The largest first. An estimator's
        effects are no sums of what features add: of these there are none."""
        if not isinstance(self.model, LinearEffects):
            return []
        moved = self.model.contributions(context)
        found = [
            Contribution(variant, metric, feature, float(moved[place, at, number].sum()))
            for place, variant in enumerate(self.treatments)
            for number, metric in enumerate(self.metrics)
            for feature, at in self.encoder.slices.items()
        ]
        return sorted(found, key=lambda each: -abs(each.value))


def effects_with(client: Client, program: str, digest: str) -> EffectFile:
    """The model with that digest, which a night of the program has logged. Raises ModelError where none has,
    or the file is not what was recorded."""
    from mlflow.artifacts import download_artifacts

    experiment = client.get_experiment_by_name(program)
    runs = (
        []
        if experiment is None
        else client.search_runs(
            [experiment.experiment_id],
            filter_string=f"tags.`{_TAG}{digest}` LIKE '%'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
    )
    if not runs:
        raise ModelError(
            f"MLflow has no model of effects of {program} with digest {digest}: run the step `effects` of the"
            " night that made it again"
        )
    (run,) = runs
    source = f"{run.info.artifact_uri}/{run.data.tags[_TAG + digest]}"
    with tempfile.TemporaryDirectory() as local, mapped(client.tracking_uri):
        copy = download_artifacts(artifact_uri=source, dst_path=local, tracking_uri=client.tracking_uri)
        return EffectFile.load(Path(copy), digest, place=source.removeprefix("file://"))
