"""How long tea-tasting takes over a Parquet file, by DuckDB, as JSON. Runs in tea-tasting's environment:
tea_tasting_times.py INPUTS.npz USERS.parquet SEGMENTS THREADS

metrics: the columns whose means are compared. SEGMENTS 0: of all users; 1: of the users of each segment, in
turn."""

import json
import resource
import sys
import time

import ibis
import numpy as np
import tea_tasting as tt

metrics = np.load(sys.argv[1])["metrics"].tolist()
path, by_segment, threads = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
began = time.perf_counter()
connection = ibis.duckdb.connect(threads=threads)
users = connection.read_parquet(path)
experiment = tt.Experiment({name: tt.Mean(name) for name in metrics})
parts = [users]
if by_segment:
    names = users.segment.as_table().distinct().execute()["segment"].tolist()
    parts = [users.filter(users.segment == name) for name in sorted(names)]
effects = [
    [result[name].effect_size for name in metrics]
    for part in parts
    for result in experiment.analyze(part, control="a", all_variants=True).values()
]
print(
    json.dumps(
        {
            "seconds": time.perf_counter() - began,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "effects": effects,
        }
    )
)
