"""The registry that finds models again: by digest, or not at all."""

import re
import shutil

import pytest

from nightslate.errors import DamageError, ModelError
from nightslate.models.packages import Package
from nightslate.models.registry import Registry
from nightslate.models.tracking import NightRun

from .fitted_models import DS, PACKAGE, fitted


def test_a_model_is_registered_once_however_often_it_is_fitted(client, home, night):
    registry, run = night
    assert registry.register(fitted(), PACKAGE, run, DS) == "1"
    assert registry.register(fitted("uniform"), PACKAGE, run, DS) == "2"
    again = NightRun.start(client, home, registry.program, DS)
    assert registry.register(fitted(), PACKAGE, again, DS) == "1"
    assert registry.load(fitted().digest).digest == fitted().digest
    assert registry.load(fitted("uniform").digest).kind == "uniform"


def test_a_digest_that_nobody_registered_is_a_clear_error(night):
    registry, _ = night
    for ask in (registry.load, registry.promote):
        with pytest.raises(ModelError, match=r"no version of .* with digest 0000"):
            ask("0" * 64)
    assert registry.champion_version() is None


def test_an_artifact_that_was_changed_is_refused(night, home):
    registry, run = night
    registry.register(fitted(), PACKAGE, run, DS)
    (file,) = (home / "mlflow" / "artifacts" / run.id).rglob("policy.npz")
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelError, match=r"policy\.npz is not the file that was recorded"):
        registry.load(fitted().digest)


def artifacts(home, run):
    (file,) = (home / "mlflow" / "artifacts" / run.id).rglob("policy.npz")
    return file.parent


def flip(folder):
    content = bytearray((folder / "policy.npz").read_bytes())
    content[50] ^= 1
    (folder / "policy.npz").write_bytes(content)


def lose_one(folder):
    (folder / "model.json").unlink()


def lose_the_package(folder):
    (folder / "MLmodel").unlink()


def change_the_package(folder):
    (folder / "release.json").write_bytes(b"[]")


def become_a_file(folder):
    shutil.rmtree(folder)
    folder.write_text("")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (flip, "policy.npz is not the file that was recorded"),
        (lose_one, "model.json can't be read"),
        (shutil.rmtree, "model.json can't be read"),
        (become_a_file, "model.json can't be read"),
    ],
)
def test_training_again_heals_a_damaged_artifact(night, client, home, damage, named):
    registry, run = night
    digest = fitted().digest
    registry.register(fitted(), PACKAGE, run, DS)
    registry.promote(digest)
    folder = artifacts(home, run)
    damage(folder)
    with pytest.raises(
        ModelError, match=f"^{re.escape(str(folder))}/{named}.*Restore it, or train the night"
    ):
        registry.load(digest)
    again = NightRun.start(client, home, registry.program, DS)
    assert registry.register(fitted(), PACKAGE, again, DS) == "2"
    assert registry.load(digest).digest == digest
    assert registry.champion_version() == "2"
    assert registry.register(fitted(), PACKAGE, again, DS) == "2"


@pytest.mark.parametrize("damage", [lose_the_package, change_the_package])
def test_training_again_heals_a_damaged_package(night, client, home, damage):
    registry, run = night
    registry.register(fitted(), PACKAGE, run, DS)
    registry.promote(fitted().digest)
    damage(artifacts(home, run))
    assert registry.load(fitted().digest).digest == fitted().digest
    again = NightRun.start(client, home, registry.program, DS)
    assert registry.register(fitted(), PACKAGE, again, DS) == "2"
    assert registry.champion_version() == "2"


def test_a_model_in_another_package_is_another_version(night, client, home):
    """As after a change of what is asked of slates: the model learnt nothing, and is served otherwise."""
    registry, run = night
    other, digest = Package({**PACKAGE.files, "release.json": b"[]"}), fitted().digest
    assert registry.register(fitted(), PACKAGE, run, DS) == "1"
    registry.promote(digest)
    assert registry.register(fitted(), other, NightRun.start(client, home, registry.program, DS), DS) == "2"
    assert registry.champion_version() == "1"
    for package, version in ((PACKAGE, "1"), (other, "2"), (PACKAGE, "1")):
        assert registry.register(fitted(), package, run, DS) == version
        assert registry.promote(digest, version) == registry.champion_version() == version
    assert registry.promote(digest) == registry.promote(digest, "3") == "2"


def test_a_model_is_loaded_from_whichever_version_has_it_whole(night, client, home):
    registry, run = night
    registry.register(fitted(), PACKAGE, run, DS)
    later = NightRun.start(client, home, registry.program, DS)
    registry.register(fitted(), Package({"MLmodel": b"newer"}), later, DS)
    flip(artifacts(home, later))
    assert registry.load(fitted().digest).digest == fitted().digest
    flip(artifacts(home, run))
    with pytest.raises(ModelError, match=r"policy\.npz is not the file that was recorded"):
        registry.load(fitted().digest)


def test_artifacts_that_cannot_be_written_are_named(night, home):
    registry, run = night
    folder = home / "mlflow" / "artifacts" / run.id
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("")
    with pytest.raises(DamageError, match=rf"^{folder}/.*: Not a directory"):
        registry.register(fitted(), PACKAGE, run, DS)


def test_one_model_at_a_time_is_champion(night):
    registry, run = night
    versions = {kind: registry.register(fitted(kind), PACKAGE, run, DS) for kind in ("uniform", "popularity")}
    for kind in ("uniform", "popularity", "popularity", "uniform"):
        assert registry.promote(fitted(kind).digest) == versions[kind]
        assert registry.champion_version() == versions[kind]


def test_programs_do_not_see_each_others_models(night, client):
    registry, run = night
    registry.register(fitted(), PACKAGE, run, DS)
    with pytest.raises(ModelError):
        Registry(client, "another_program").load(fitted().digest)
