"""Model files: they come back by their digest, or not at all."""

import hashlib
import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.fitted_q import FittedQ, Transitions
from nightslate.core.hashing import seed
from nightslate.core.policies import LEARNERS, Arms
from nightslate.core.policies.declared_rule import DeclaredRule
from nightslate.errors import ModelError
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.indicators import Indicators
from nightslate.models.files import ModelFile, scored_by

from .fitted_models import ARMS, ENCODER, fitted


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


def test_a_declared_rule_comes_back_with_what_it_asks(tmp_path):
    asks = Indicators(("colour == red and age > 3", None), {"colour": "category", "age": "number"})
    model = ModelFile("rule", "todays", ARMS, asks, DeclaredRule(((0, 2), (1,))).over(3))
    found = ModelFile.load(saved(tmp_path / "model", model), model.digest)
    assert (found.kind, found.encoder, found.digest) == ("rule", asks, model.digest)
    users = pa.table({"colour": ["red", "red", None], "age": [4.0, None, 5.0]})
    assert scored_by(found).choices(users).tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0, 1, 0]]
    later = replace(model, encoder=replace(asks, conditions=("colour == red and age > 4", None)))
    assert later.digest != model.digest


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
