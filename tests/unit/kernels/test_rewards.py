"""Which impressions are somebody else's decisions."""

import pyarrow as pa

from nightslate.kernels.rewards import decided_elsewhere


def test_a_row_that_names_its_slate_was_ours_whatever_its_variant_is_today():
    rows = pa.table(
        {
            "variant": ["theirs", "theirs", "ours", None, None],
            "slate_id": pa.array([None, "5", None, None, "6"], pa.string()),
        }
    )
    assert decided_elsewhere(rows, {"theirs"}).tolist() == [True, False, False, False, False]
    coded = rows.set_column(0, "variant", rows["variant"].dictionary_encode())
    assert decided_elsewhere(coded, {"theirs"}).tolist() == [True, False, False, False, False]
    assert decided_elsewhere(rows.slice(0, 0), {"theirs"}).tolist() == []
