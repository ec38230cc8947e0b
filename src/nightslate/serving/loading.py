"""What MLflow imports to load a model of ours: no pickle, and nothing but files that a night has recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from nightslate import settings
from nightslate.contracts import load
from nightslate.errors import ModelError
from nightslate.kernels.scoring import ScoredBy
from nightslate.models.files import ModelFile, scored_by
from nightslate.serving.mlmodel import example
from nightslate.serving.multipliers import Multipliers
from nightslate.serving.ranking import ServedModel
from nightslate.serving.release import RELEASE, RELEASES, Release
from nightslate.serving.requests import read
from nightslate.tables import Commit, Snapshot, Warehouse


def _load_pyfunc(path: str) -> ServedModel:
    return load_served(Path(path), settings.home())


def load_served(folder: Path, home: Path) -> ServedModel:
    """The model in a folder. Raises ModelError unless the warehouse in `home` has recorded its release, and
    with it all of its files."""
    release = release_in(folder)
    _require_recorded(release, folder / RELEASE, home)
    model = model_of(release, folder)
    return ServedModel(release, model, Multipliers(release, snapshot_of(release, "multipliers", home)))


def release_in(folder: Path) -> Release:
    """What the files in a folder say, whoever wrote them. Raises ModelError where that is no release."""
    file = folder / RELEASE
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file} can't be read ({error.strerror}): a night's `train` writes it") from error
    return Release.from_json(content, str(file))


def model_of(release: Release, folder: Path) -> ScoredBy:
    """The model of a release that is recorded. Raises ModelError unless the folder has its files."""
    model = scored_by(ModelFile.load(folder, release.model_digest))
    # scikit-learn and its threads are loaded when they are used: before the first request
    one = pa.Table.from_pylist([example(release)]).to_pandas()
    model.choices(read(one, release.context, model.arms, release.keyed).users)
    return model


def _require_recorded(release: Release, file: Path, home: Path) -> None:
    models = snapshot_of(release, "models", home)
    if models.version < 0:
        raise ModelError(
            f"there is no table {release.program}/models in {home} that could vouch for {file}: set"
            " NIGHTSLATE_HOME to the warehouse whose nights trained the model"
        )
    of_a_night = release.digest in _releases(models) and _trained(models, release)
    if not of_a_night and release.digest not in updated(snapshot_of(release, "updates", home)):
        raise ModelError(
            f"{file} is not what a night of {release.program} in {home} has recorded, nor an update: its"
            f" sha256 is {release.digest}, of a model with digest {release.model_digest}. Train the night of"
            " this model again (clear its task `train`)"
        )


def snapshot_of(release: Release, table: str, home: Path) -> Snapshot:
    """A table of the program as of now, the rows of the release's issue."""
    contract = replace(load(table), by_issue=release.by_issue)
    found = Warehouse(home).table(release.program, contract)
    return found.of_issue(release.issue).snapshot()


def ever_released(models: Snapshot) -> set[str]:
    """The digests of releases of all nights, and of those that were trained again since, as far as the
    table's log goes back."""
    return _named_in(commit for _, commit in models.all_commits)


def updated(updates: Snapshot) -> set[str]:
    """The digests of releases of all updates between nights."""
    return {*updates.to_arrow(columns=["release_digest"])["release_digest"].to_pylist()}


def _releases(models: Snapshot) -> set[str]:
    """The digests that the commits know of which wrote the table's days as they are."""
    return _named_in(commit for commit in models.written().values() if commit)


def _named_in(commits: Iterable[Commit]) -> set[str]:
    return {digest for each in commits for digest in json.loads(each.metadata.get(RELEASES, "[]"))}


def _trained(models: Snapshot, release: Release) -> bool:
    """Whether a row of the table has the digest of the release's model."""
    rows = models.to_arrow(columns=["digest"])
    return bool(pc.any(pc.equal(rows["digest"], release.model_digest)).as_py())
