"""Models of nights with all that they were released with, as the registry has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import suppress

from nightslate.errors import ModelError
from nightslate.kernels.scoring import ScoredBy
from nightslate.models.registry import versions_of
from nightslate.pipeline.champion_reigns import digest_of
from nightslate.pipeline.night import IssueNight
from nightslate.serving.loading import load_served, model_of, release_in
from nightslate.serving.ranking import ServedModel
from nightslate.serving.release import Release
from nightslate.tables import Table


def released_tonight(night: IssueNight, models: Table, learner: str) -> ServedModel:
    """That of a learner which the night's slates are scored by. Raises ContractError where the night was not
    trained, ModelError where its run has another model or its files are not what the night has recorded."""
    digest, version = digest_of(night, models, learner), night.run().version_of(learner)
    if version is not None:
        with night.registry.files_of(version) as folder:
            found = load_served(folder, night.home)
        if found.release.model_digest == digest:
            return found
    raise ModelError(
        f"MLflow's run of {night.name} for {night.ds} does not name the model of {learner} that the night has"
        f" recorded ({digest}): train that night again (clear its task `train`)"
    )


def releases_of(
    model_digest: str, issues: Sequence[IssueNight], recorded: Set[str]
) -> Iterator[tuple[Release, ScoredBy]]:
    """Those that a model was registered with for any of these issues, if their digests are recorded; those
    whose files are not whole are left out."""
    for registry, version in versions_of(model_digest, [each.registry for each in issues]):
        with suppress(ModelError), registry.files_of(version) as folder:
            release = release_in(folder)
            if release.digest in recorded:
                yield release, model_of(release, folder)
