import numpy as np

from nightslate.core import arrays
from nightslate.core.ope.clusters import by_cluster, whole_clusters

KEYS = np.array([7, 3, 7, 9, 3, 7], dtype=np.uint64)


def test_units_of_a_cluster_lie_together_in_the_order_they_had():
    order, starts = by_cluster(KEYS)
    assert order.tolist() == [1, 4, 0, 2, 5, 3]
    assert starts.tolist() == [0, 2, 5]


def test_where_each_unit_is_a_cluster_the_order_is_the_one_that_is_there():
    order, starts = by_cluster(np.array([5, 2, 9], dtype=np.uint64))
    assert order is None
    assert starts.tolist() == [0, 1, 2]


def test_no_slice_cuts_a_cluster_in_two(monkeypatch):
    _, starts = by_cluster(KEYS)
    for bytes_per_unit in (1, 2, 100):
        monkeypatch.setattr(arrays, "CHUNK_BYTES", 4)
        slices = list(whole_clusters(starts, KEYS.size, bytes_per_unit))
        assert [units.start + place for units, first in slices for place in first] == [0, 2, 5]
        assert [units.stop for units, _ in slices][-1] == KEYS.size
        assert [units.start for units, _ in slices[1:]] == [units.stop for units, _ in slices[:-1]]
    assert len(slices) == 3
