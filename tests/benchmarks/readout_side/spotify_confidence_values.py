"""Effects by spotify-confidence of given users, as JSON. Runs in its environment:
spotify_confidence_values.py INPUTS.npz

variant (n,) of 0 (control), 1 and 2, value (n,)."""

import json
import sys

import numpy as np
import pandas as pd
from spotify_confidence import StudentsTTest

given = dict(np.load(sys.argv[1]))
rows = pd.DataFrame({"variant": given["variant"].astype(str), "value": given["value"]})
rows["squares"], rows["one"] = rows["value"] ** 2, 1
sums = rows.groupby("variant", as_index=False).sum()
test = StudentsTTest(sums, "value", "squares", "one", "variant")
found = {}
for treatment in ("1", "2"):
    row = test.difference(level_1="0", level_2=treatment).iloc[0]
    found[f"spotify-confidence mean {treatment}"] = {
        "effect": row["difference"],
        "lower": row["ci_lower"],
        "upper": row["ci_upper"],
        "p": row["p-value"],
    }
print(json.dumps(found))
