"""Files of models of effects: they come back by their digest, or not at all."""

from pathlib import Path

import numpy as np
import pytest

from nightslate.core.effects import LinearEffects
from nightslate.errors import ModelError
from nightslate.kernels.encoding import Encoder
from nightslate.models.effect_files import EffectFile


class Run:
    """Where `log` leaves files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tags = folder, dict[str, str]()

    def log_file(self, content: bytes, name: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(content)

    def set_tags(self, tags: dict[str, str]) -> None:
        self.tags |= tags


def file(effect: float = 0.5) -> EffectFile:
    model = LinearEffects(np.array([[[0.1], [effect]]]), np.eye(2)[None, None], np.array([1.0, 0.25]))
    return EffectFile("linear", ("new",), ("bought",), Encoder(("plan",), (("pro",),)), model)


def test_a_model_comes_back_by_its_digest_and_no_other_does(tmp_path: Path) -> None:
    run = Run(tmp_path)
    file().log(run)  # type: ignore[arg-type]
    (folder,) = run.tags.values()
    found = EffectFile.load(tmp_path / folder, file().digest)
    assert found.digest == file().digest != file(0.6).digest
    assert (found.name, found.treatments, found.metrics) == ("linear", ("new",), ("bought",))
    with pytest.raises(ModelError, match=r"effects\.json is not the file that was recorded"):
        EffectFile.load(tmp_path / folder, file(0.6).digest)


@pytest.mark.parametrize("name", ["effects.npz", "effects.json"])
def test_a_file_that_was_changed_is_not_read(tmp_path: Path, name: str) -> None:
    run = Run(tmp_path)
    file().log(run)  # type: ignore[arg-type]
    path = tmp_path / "effects" / "linear" / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ModelError, match="is not the file that was recorded"):
        EffectFile.load(path.parent, file().digest)
    path.unlink()
    with pytest.raises(ModelError, match="can't be read"):
        EffectFile.load(path.parent, file().digest)
