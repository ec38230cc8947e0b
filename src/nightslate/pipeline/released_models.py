"""Models of a night with all that it released them with, as the registry has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from nightslate.errors import ModelError
from nightslate.pipeline.champion_reigns import digest_of
from nightslate.pipeline.night import IssueNight
from nightslate.serving.loading import load_served
from nightslate.serving.ranking import ServedModel
from nightslate.tables import Table


def released_tonight(night: IssueNight, models: Table, learner: str) -> ServedModel:
    """That of a learner which the night's slates are scored by. Raises ContractError where the night was not
    trained, ModelError where its run has another model or its files are not what the night has recorded."""
    digest, version = digest_of(night, models, learner), night.run().version_of(learner)
    if version is not None:
        found = _released_as(night, version)
        if found.release.model_digest == digest:
            return found
    raise ModelError(
        f"MLflow's run of {night.name} for {night.ds} does not name the model of {learner} that the night has"
        f" recorded ({digest}): train that night again (clear its task `train`)"
    )


def releases_of(night: IssueNight, model_digest: str) -> Iterator[ServedModel]:
    """All that any night has released a model with, also one that was trained again since; those whose files
    are not whole are left out."""
    with suppress(ModelError):
        for version in night.registry.versions_of(model_digest):
            with suppress(ModelError):
                yield _released_as(night, version, replaced=True)


def _released_as(night: IssueNight, version: str, replaced: bool = False) -> ServedModel:
    with night.registry.files_of(version) as folder:
        return load_served(folder, night.home, replaced)
