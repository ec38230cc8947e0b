"""What analysts see of how likely slots are looked at."""

import numpy as np
from mlflow.utils.validation import _validate_metric_name

from nightslate.core.examination import ExaminationSums
from nightslate.kernels.examination import FoldExaminations
from nightslate.pipeline.slot_examination import examination_metrics, in_words


def examination(*surfaces):
    """Two slots of every surface, the second worth three quarters of the first."""
    places = np.repeat(np.arange(len(surfaces)), 2000)
    slots = np.tile(np.repeat([1, 2], 1000), len(surfaces))
    sums = ExaminationSums.zero(len(surfaces), 2)
    sums = sums.update(places, slots, np.where(slots == 1, 1.0, 0.75))
    return FoldExaminations(surfaces, (sums,), prior_strength=1e-9)


def test_metrics_are_named_by_surface_and_slot():
    found = examination_metrics(examination("web", None), "window")
    expected = {"window.web.1": 1.0, "window.web.2": 0.75, "window.1": 1.0, "window.2": 0.75}
    assert found.keys() == expected.keys()
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-6)


def test_whatever_a_surface_is_called_its_metrics_have_names_of_their_own():
    surfaces = ("web", "", "/", "..", "a.b", "a/b", "a_b", "größe", "x" * 400, "x" * 401, "1", None)
    found = examination_metrics(examination(*surfaces))
    assert len(found) == 2 * len(surfaces)
    for name in found:
        _validate_metric_name(name)
        assert len(name) < 250


def test_a_sentence_names_a_few_surfaces_and_counts_the_others():
    assert in_words(examination("web", None)) == "; looked at: web 1, 0.75; slots 1, 0.75"
    assert in_words(examination(*"abcdefg")).endswith("e 1, 0.75 and 2 more")
    assert in_words(FoldExaminations((), (), 1.0)) == ""
