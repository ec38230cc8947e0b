"""MLflow's registry: one registered model a program, or issue, its versions found by digest."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion

from nightslate.errors import ModelError
from nightslate.models.client import AbsentError, Client, TakenError, mapped
from nightslate.models.files import ModelFile
from nightslate.models.packages import Package
from nightslate.models.tracking import NightRun
from nightslate.programs.issue import ONLY

CHAMPION, UPDATED = "champion", "updated"
_PACKAGE = "nightslate.package"
_WITH_DIGEST = "tags.`nightslate.digest` = '{}'"


@dataclass(frozen=True)
class Registry:
    """The registered model of a program, or of one issue of several: a version for each model that ever
    differed, found by its digest."""

    client: Client
    program: str
    issue: str = ONLY

    @property
    def name(self) -> str:
        """What MLflow knows it by."""
        return self.program if self.issue == ONLY else f"{self.program}.{self.issue}"

    def register(self, model: ModelFile, package: Package, run: NightRun, ds: date) -> str:
        """The version that holds this model in this package; a new one unless these very bytes are
        registered and still there. Where they are damaged, the new version takes over the aliases too."""
        before = next(self._found(model.digest, package.digest), None)
        if before is not None and self._is_sound(before, model.digest, package):
            return str(before.version)
        folder = f"models/{model.learner}"
        with tempfile.TemporaryDirectory() as local:
            model.save(Path(local))
            package.save(Path(local))
            self.client.log_artifacts(run.id, local, folder)
        tags = {
            "nightslate.digest": model.digest,
            _PACKAGE: package.digest,
            "nightslate.learner": model.learner,
            "nightslate.ds": ds.isoformat(),
        }
        source = f"{run.run.info.artifact_uri}/{folder}"
        with suppress(TakenError):
            self.client.create_registered_model(self.name)
        created = self.client.create_model_version(self.name, source, run_id=run.id, tags=tags)
        for alias in self._aliases(before) if before else ():
            self.client.set_registered_model_alias(self.name, alias, created.version)
        return str(created.version)

    def version_with(self, digest: str, package: Package) -> str | None:
        """The version that `register` has made of a model with that digest in this package."""
        found = next(self._found(digest, package.digest), None)
        return None if found is None else str(found.version)

    def load(self, digest: str) -> ModelFile:
        """The model with that digest, verified, of whichever version has it whole. Raises ModelError if there
        is none or its files differ."""
        versions = self._registered(digest)
        for version in versions[:-1]:
            with suppress(ModelError):
                return self._load(version, digest)
        return self._load(versions[-1], digest)

    @contextmanager
    def files_of(self, version: str) -> Iterator[Path]:
        """A folder with a copy of all files of a version, for as long as the block lasts."""
        with self._copy(self.client.get_model_version(self.name, version)) as copy:
            yield copy

    def _load(self, version: ModelVersion, digest: str) -> ModelFile:
        with self._copy(version) as copy:
            return ModelFile.load(copy, digest, place=str(version.source).removeprefix("file://"))

    @contextmanager
    def _copy(self, version: ModelVersion) -> Iterator[Path]:
        """A folder with the files of a version; an empty one, which says what is missing, if there are
        none."""
        from mlflow.artifacts import download_artifacts

        uri = self.client.tracking_uri
        with tempfile.TemporaryDirectory() as local:
            copy = local
            with suppress(AbsentError), mapped(uri):
                copy = download_artifacts(artifact_uri=version.source, dst_path=local, tracking_uri=uri)
            yield Path(copy)

    def _is_sound(self, version: ModelVersion, digest: str, package: Package) -> bool:
        with self._copy(version) as copy:
            try:
                ModelFile.load(copy, digest)
            except ModelError:
                return False
            return package.is_in(copy)

    def promote(self, digest: str, version: str | None = None) -> str:
        """Point the alias @champion at the model with that digest: at the version that is named if it has
        it, else at the newest that does. Returns the version."""
        has_it = [str(each.version) for each in self._registered(digest)]
        chosen = version if version in has_it else has_it[0]
        self.client.set_registered_model_alias(self.name, CHAMPION, chosen)
        return chosen

    def update(self, version: str) -> None:
        """Point the alias @updated at a version: the champion as it was fitted between nights."""
        self.client.set_registered_model_alias(self.name, UPDATED, version)

    def champion_version(self) -> str | None:
        """The version that @champion points at, if it points at one."""
        with suppress(AbsentError):
            version = self.client.get_registered_model(self.name).aliases.get(CHAMPION)
            return None if version is None else str(version)
        return None

    def _registered(self, digest: str) -> list[ModelVersion]:
        found = list(self._found(digest))
        if not found:
            raise ModelError(f"MLflow has no version of {self.name} with digest {digest}: rerun `train`")
        return found

    def _found(self, digest: str, package: str | None = None) -> Iterator[ModelVersion]:
        """The versions with that digest, the newest first. Where there are several of one package, the older
        ones were damaged."""
        wanted = f"name = '{self.name}' AND {_WITH_DIGEST.format(digest)}"
        wanted += f" AND tags.`{_PACKAGE}` = '{package}'" if package else ""
        yield from _newest_first(self.client.search_model_versions(wanted))

    def _aliases(self, version: ModelVersion) -> list[str]:
        """What points at a version: a search for versions does not say."""
        return list(self.client.get_model_version(self.name, str(version.version)).aliases)


def versions_of(digest: str, registries: Sequence[Registry]) -> list[tuple[Registry, str]]:
    """The versions that hold the model with that digest in any of some registries of one MLflow, the newest
    of each first."""
    by_name = {registry.name: registry for registry in registries}
    names = ", ".join(f"'{name}'" for name in by_name)
    found = registries[0].client.search_model_versions(f"name IN ({names}) AND {_WITH_DIGEST.format(digest)}")
    return [(by_name[version.name], str(version.version)) for version in _newest_first(found)]


def _newest_first(versions: Iterable[ModelVersion]) -> list[ModelVersion]:
    return sorted(versions, key=lambda version: int(version.version), reverse=True)
