"""Effects by tea-tasting on means of given users, as JSON. Runs in its environment: tea_tasting_means.py
INPUTS.npz

variant (n,) of 0 (control), 1 and more; the other columns (n,) are metrics, but for NAME_before, the
covariate of NAME."""

import json
import sys

import numpy as np
import pandas as pd
import tea_tasting as tt

users = pd.DataFrame(dict(np.load(sys.argv[1])))
metrics = [name for name in users if name != "variant" and not name.endswith("_before")]
experiment = tt.Experiment(
    {name: tt.Mean(name, f"{name}_before" if f"{name}_before" in users else None) for name in metrics}
)
found = {
    int(treatment): {name: [result[name].effect_size, result[name].pvalue] for name in metrics}
    for (_, treatment), result in experiment.analyze(users, control=0, all_variants=True).items()
}
print(json.dumps(found))
