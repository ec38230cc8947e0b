"""Model files and the registry that finds them again: by digest, or not at all."""

import hashlib
import json
import re
import shutil
import sqlite3
import time
from datetime import date
from io import BytesIO

import mlflow.data
import numpy as np
import pytest
from deltalake import DeltaTable
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.tracking import MlflowClient

from nightslate.contracts import load
from nightslate.core.fitted_q import FittedQ, Transitions
from nightslate.core.hashing import seed
from nightslate.core.policies import LEARNERS, Arms
from nightslate.errors import DamageError, ModelError, UnavailableError
from nightslate.kernels.encoding import Encoder
from nightslate.models.client import connect
from nightslate.models.files import ModelFile
from nightslate.models.packages import Package
from nightslate.models.registry import Registry
from nightslate.models.tracking import NightRun
from nightslate.tables import Warehouse

DS = date(2026, 11, 16)
ARMS = ("a", "b", "c")
PACKAGE = Package({"MLmodel": b"flavors: {}", "release.json": b"{}"})
ENCODER = Encoder(("colour", "age"), (("blue", "red"), None))


def fitted(kind="linear_thompson", rewards=(1.0, 0.0, 0.0, 1.0), **settings):
    learner = LEARNERS[kind](**settings)
    contexts = np.column_stack([np.ones((4, 1)), np.eye(4)[:, :3]])
    state = learner.initial(3, ENCODER.width).update(contexts, np.array([0, 1, 2, 0]), np.array(rewards))
    policy = learner.fit(state, Arms.plain(seed("arm", arm) for arm in ARMS), 9)
    return ModelFile(kind, f"my {kind}", ARMS, ENCODER, policy)


def saved(folder, model):
    folder.mkdir()
    model.save(folder)
    return folder


def fitted_q():
    """Of four transitions, of which the first two go on."""
    states = np.column_stack([np.ones((4, 1)), np.eye(4)[:, :3]])
    terminal = np.array([False, False, True, True])
    transitions = Transitions(
        states=states,
        actions=np.array([0, 1, 2, 0]),
        rewards=np.array([0.0, 1.0, 2.0, 3.0]),
        next_states=np.where(terminal[:, None], 0.0, np.roll(states, -2, axis=0)),
        next_eligible=np.repeat(~terminal[:, None], 3, axis=1),
        terminal=terminal,
    )
    learner = FittedQ("extra_trees_regressor", {"n_estimators": 2}, ensemble=2)
    arms = Arms.plain(seed("arm", arm) for arm in ARMS)
    return ModelFile("fitted_q", "my fitted_q", ARMS, ENCODER, learner.fit(transitions, arms, 9))


@pytest.mark.parametrize("kind", [*LEARNERS, "fitted_q"])
def test_a_model_comes_back_to_the_last_bit(tmp_path, kind):
    model = fitted_q() if kind == "fitted_q" else fitted(kind)
    found = ModelFile.load(saved(tmp_path / "model", model), model.digest)
    assert (found.kind, found.learner, found.arms) == (kind, f"my {kind}", ARMS)
    assert found.encoder == ENCODER
    assert found.digest == model.digest
    arrays, again = model.policy.arrays(), found.policy.arrays()
    assert arrays.keys() == again.keys()
    for name, array in arrays.items():
        assert again[name].dtype == array.dtype
        assert again[name].tobytes() == array.tobytes()
    contexts = np.random.default_rng(1).normal(size=(20, ENCODER.width))
    assert (found.policy.weights(contexts) == model.policy.weights(contexts)).all()


def test_equal_models_have_equal_digests_and_others_do_not():
    one = fitted()
    assert fitted().digest == one.digest
    others = [
        fitted(rewards=(1.0, 0.0, 0.0, np.nextafter(1.0, 2.0))),
        fitted(draws=255),
        fitted("popularity"),
        ModelFile(one.kind, "another name", one.arms, one.encoder, one.policy),
        ModelFile(one.kind, one.learner, ("a", "c", "b"), one.encoder, one.policy),
        ModelFile(
            one.kind, one.learner, one.arms, Encoder(("colour", "age"), (("red", "x"), None)), one.policy
        ),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 7


@pytest.mark.parametrize("name", ["policy.npz", "model.json"])
@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_changed_byte_is_refused_before_it_is_interpreted(tmp_path, name, place):
    """A damaged first byte is neither JSON nor a zip archive: whoever reads on says so, instead of this."""
    model = fitted()
    folder = saved(tmp_path / "model", model)
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name} is not the file that was recorded"):
        ModelFile.load(folder, model.digest)


def test_a_model_in_the_place_of_another_is_refused(tmp_path):
    """Both files replaced by sound ones that fit each other: only the digest kept elsewhere can tell."""
    folder = saved(tmp_path / "model", fitted("popularity"))
    with pytest.raises(ModelError, match=r"model\.json is not the file that was recorded"):
        ModelFile.load(folder, fitted().digest)


@pytest.mark.parametrize("name", ["policy.npz", "model.json"])
def test_a_missing_file_is_named(tmp_path, name):
    model = fitted()
    folder = saved(tmp_path / "model", model)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        ModelFile.load(folder, model.digest)


def test_a_model_of_another_format_is_refused_with_advice(tmp_path):
    """Its digest holds: it is the model that was recorded, by an earlier version."""
    folder, described = saved(tmp_path / "model", fitted("popularity")), fitted("popularity")._described
    content = described.replace(b'"format": 2', b'"format": 1')
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.json has format 1, and only 2 can be read\. Retrain"):
        ModelFile.load(folder, hashlib.sha256(content).hexdigest())


class Trap:
    """Unpickling this leaves a trace."""

    sprung = False

    def __reduce__(self):
        return (setattr, (Trap, "sprung", True))


def test_arrays_of_objects_are_refused_even_where_the_digest_holds(tmp_path):
    """Whoever can write the recorded digest still gets no pickle loaded."""
    archive = BytesIO()
    np.savez(archive, expected=np.array([Trap()], dtype=object))
    described = json.loads(fitted("popularity")._described)
    described["policy_sha256"] = hashlib.sha256(archive.getvalue()).hexdigest()
    content = json.dumps(described).encode()
    (tmp_path / "policy.npz").write_bytes(archive.getvalue())
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ValueError, match="pickle"):
        ModelFile.load(tmp_path, hashlib.sha256(content).hexdigest())
    assert not Trap.sprung


def status(client, run):
    """Of a run in MLflow: its status, and the reason why its night failed."""
    found = client.get_run(run.id)
    return found.info.status, found.data.tags.get("nightslate.failed")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("warehouse")


@pytest.fixture(scope="module")
def client(home):
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield connect(home)


@pytest.fixture
def night(client, home, request):
    """A program of its own for each test: its registry and a run."""
    program = request.node.name[:60]
    return Registry(client, program), NightRun.start(client, home, program, DS)


def test_the_store_lies_in_the_warehouse_or_where_the_environment_says(client, home, tmp_path, monkeypatch):
    assert client.tracking_uri == f"sqlite:///{home}/mlflow.db"
    assert (home / "mlflow.db").is_file()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db?timeout=9")
    assert connect(tmp_path).tracking_uri.endswith("?timeout=9")


def test_a_model_is_registered_once_however_often_it_is_fitted(client, home, night):
    registry, run = night
    assert registry.register(fitted(), PACKAGE, run, DS) == "1"
    assert registry.register(fitted("uniform"), PACKAGE, run, DS) == "2"
    again = NightRun.start(client, home, registry.program, DS)
    assert registry.register(fitted(), PACKAGE, again, DS) == "1"
    assert registry.load(fitted().digest).digest == fitted().digest
    assert registry.load(fitted("uniform").digest).kind == "uniform"


def test_a_tag_is_replaced_and_may_be_empty(client, home, night):
    registry, run = night
    for value in ("2026-11-02", ""):
        run.set_tags({"nightslate.evidence.changed": value})
        tags = NightRun.latest(client, home, registry.program, DS).run.data.tags
        assert tags["nightslate.evidence.changed"] == value


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


def test_a_store_that_is_garbage_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(
        DamageError, match=rf"^{tmp_path}/mlflow.db, MLflow's store, can't be used: .*run `train` again"
    ):
        connect(tmp_path)


def test_a_store_that_turns_bad_while_in_use_is_named(client, home, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copyfile(home / "mlflow.db", tmp_path / "mlflow.db")
    client = connect(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        store.execute("DROP TABLE tags")
    with pytest.raises(DamageError, match=r"mlflow.db, MLflow's store, can't be used: .*no such table: tags"):
        NightRun.start(client, tmp_path, "p", DS)


def test_artifacts_that_cannot_be_written_are_named(night, home):
    registry, run = night
    folder = home / "mlflow" / "artifacts" / run.id
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("")
    with pytest.raises(DamageError, match=rf"^{folder}/.*: Not a directory"):
        registry.register(fitted(), PACKAGE, run, DS)


def test_a_server_that_does_not_answer_may_be_tried_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UnavailableError, match=r"^MLflow at http://127.0.0.1:9 does not answer"):
        NightRun.latest(connect(tmp_path), tmp_path, "p", DS)


def test_what_mlflow_refuses_is_a_model_error(night):
    _, run = night
    with pytest.raises(ModelError, match=r"^MLflow at .* refuses: .*"):
        run.log_params({"a*b": 1})


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


def test_a_night_finds_its_newest_run(client, home, night):
    registry, first = night
    assert NightRun.latest(client, home, registry.program, DS).id == first.id
    second = NightRun.start(client, home, registry.program, DS)
    NightRun.start(client, home, registry.program, date(2026, 11, 17))
    assert NightRun.latest(client, home, registry.program, DS).id == second.id


def test_a_night_that_was_never_trained_is_a_clear_error(client, home, night):
    registry, _ = night
    for program, ds in ((registry.program, date(2026, 11, 15)), ("never_seen", DS)):
        with pytest.raises(
            ModelError, match=f"MLflow has no run of {program} for {ds}: run the step `train`"
        ):
            NightRun.latest(client, home, program, ds)


def test_what_a_run_is_told_it_keeps(client, night):
    _, run = night
    run.log_params({"arms": 3, "champion": "uniform"})
    run.log_params({"arms": 4, "rows": 5})
    run.log_metrics({"value": 0.25, "nothing": None})
    run.log_file("<html>", "pages/night.html")
    run.log_file(b"\x00", "raw")
    run.finish()
    kept = client.get_run(run.id)
    assert kept.data.params == {"arms": "3", "champion": "uniform", "rows": "5"}
    assert kept.data.metrics == {"value": 0.25}
    assert kept.info.status == "FINISHED"
    assert {file.path for file in client.list_artifacts(run.id)} == {"pages", "raw"}
    assert [file.path for file in client.list_artifacts(run.id, "pages")] == ["pages/night.html"]


def test_a_run_says_which_versions_of_tables_it_has_read(client, home, night):
    _, run = night
    table = Warehouse(home).table("some_program", load("references"))
    run.log_tables([table.snapshot()], "training")
    row = {"policy": "bts", "impressions": 1000, "reward": 5.0}
    for _ in range(2):
        table.replace(DS, table.typed([row]), {})
    before = table.snapshot(1)
    run.log_tables([before, table.snapshot()], "training")
    (first, second) = client.get_run(run.id).inputs.dataset_inputs
    for read, version in ((first, before.version), (second, table.snapshot().version)):
        assert read.dataset.name == "some_program/references"
        assert [(tag.key, tag.value) for tag in read.tags] == [("mlflow.data.context", "training")]
        source = mlflow.data.get_source(read)
        assert (source.path, source.delta_table_version) == (str(table.path), version)
        assert DeltaTable(source.path, version=version).version() == version
    assert first.dataset.digest != second.dataset.digest


def test_a_version_that_another_process_writes_down_at_the_same_time_is_asked_for_again(
    client, home, night, monkeypatch
):
    _, run = night
    table = Warehouse(home).table("some_program", load("references"))
    table.replace(DS, table.typed([{"policy": "bts", "impressions": 1000, "reward": 5.0}]), {})
    log_inputs, refused = MlflowClient.log_inputs, [True]

    def at_the_same_time(self, *args, **kwargs):
        if refused and refused.pop():
            taken = "(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.name, datasets.digest"
            raise MlflowException(taken, error_code=BAD_REQUEST)
        return log_inputs(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_inputs", at_the_same_time)
    run.log_tables([table.snapshot()], "training")
    assert not refused
    assert len(client.get_run(run.id).inputs.dataset_inputs) == 1


def test_a_night_that_starts_anew_ends_the_runs_that_were_killed(client, home, night):
    registry, killed = night
    finished = NightRun.start(client, home, registry.program, date(2026, 11, 15))
    finished.finish()
    beside = NightRun.start(client, home, registry.program, date(2026, 11, 17))
    NightRun.start(client, home, registry.program, DS)
    why = "stopped without a word, found when `train` of 2026-11-16 began"
    assert status(client, killed) == ("FAILED", why)
    assert status(client, finished) == ("FINISHED", None)
    assert status(client, beside) == ("RUNNING", None)


def test_a_run_that_nobody_ended_for_a_day_is_given_up(client, home, night):
    registry, _ = night
    experiment = client.get_experiment_by_name(registry.program).experiment_id
    day_ago = int(time.time() * 1000) - 25 * 3600 * 1000
    old = client.create_run(experiment, start_time=day_ago, tags={"nightslate.ds": "2026-11-01"})
    NightRun.start(client, home, registry.program, DS)
    assert status(client, NightRun(client, old))[0] == "FAILED"


def test_a_run_that_failed_and_then_finishes_has_no_reason_any_more(client, night):
    _, run = night
    run.fail("score: no room")
    assert status(client, run) == ("FAILED", "score: no room")
    run.finish()
    assert status(client, run) == ("FINISHED", None)


def test_the_store_is_no_business_of_other_accounts(tmp_path):
    connect(tmp_path)
    assert (tmp_path / "mlflow.db").stat().st_mode & 0o007 == 0
