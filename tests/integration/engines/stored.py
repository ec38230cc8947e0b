"""Rows as the tables keep them: a file for each day and bucket of users, without the day."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from nightslate.engines import Input
from nightslate.tables import DataFile


def stored(folder: Path, rows: pa.Table, buckets: int, day: date | None = None) -> Input:
    """Writes rows that have a `user_id`; their days are those of `occurred_at`, or all are of one day."""
    folder.mkdir(parents=True)
    bucket_of = pa.array([int(user[:8], 16) % buckets for user in rows["user_id"].to_pylist()])
    day_of = (
        pa.repeat(pa.scalar(day, pa.date32()), rows.num_rows)
        if day
        else rows["occurred_at"].cast(pa.date32()).combine_chunks()
    )
    files = []
    for of_day in sorted(pc.unique(day_of).to_pylist()):
        for bucket in range(buckets):
            mine = rows.filter(pc.and_(pc.equal(day_of, pa.scalar(of_day)), pc.equal(bucket_of, bucket)))
            if mine.num_rows:
                path = folder / f"{of_day}-{bucket}.parquet"
                pyarrow.parquet.write_table(mine, path)
                files.append(DataFile(path, of_day, bucket, mine.num_rows, path.stat().st_size))
    return Input(files, rows.schema)
