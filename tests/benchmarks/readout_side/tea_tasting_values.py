"""Effects by tea-tasting and statsmodels of given users, as JSON. Runs in tea-tasting's environment:
tea_tasting_values.py INPUTS.npz

variant (n,) of 0 (control), 1 and 2; user (n,); columns (n,): value, before, clicks, impressions,
clicks_before, impressions_before, probability. Rows of one user are one observation to all but the clustered
mean."""

import json
import sys

import numpy as np
import pandas as pd
import statsmodels.api as sm
import tea_tasting as tt
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

given = dict(np.load(sys.argv[1]))
rows = pd.DataFrame(given)
users = rows.groupby(["user", "variant", "probability"], as_index=False).sum()
experiment = tt.Experiment(
    mean=tt.Mean("value"),
    mean_cuped=tt.Mean("value", "before"),
    ratio=tt.RatioOfMeans("clicks", "impressions"),
    ratio_cuped=tt.RatioOfMeans("clicks", "impressions", "clicks_before", "impressions_before"),
)
found = {}
for (_, treatment), results in experiment.analyze(users, control=0, all_variants=True).items():
    for name, result in results.items():
        found[f"tea-tasting {name} {treatment}"] = {
            "effect": result.effect_size,
            "lower": result.effect_size_ci_lower,
            "upper": result.effect_size_ci_upper,
            "p": result.pvalue,
        }
        if not name.endswith("_cuped"):
            found[f"tea-tasting {name} {treatment}"]["relative"] = result.rel_effect_size


def weighed_mean(of_variant: pd.DataFrame) -> tuple[float, float]:
    """By 1 / probability, with its variance: a regression on a constant, robust to unequal variances."""
    n, weights = len(of_variant), 1 / of_variant["probability"]
    fit = sm.WLS(of_variant["value"], np.ones(n), weights=weights).fit(cov_type="HC1")
    return float(fit.params.iloc[0]), float(fit.cov_params().iloc[0, 0])


def clustered_mean(of_variant: pd.DataFrame) -> tuple[float, float]:
    """Of rows, with the variance that is clustered by user."""
    fit = sm.OLS(of_variant["value"], np.ones(len(of_variant)))
    groups = of_variant["user"].nunique()
    fitted = fit.fit(cov_type="cluster", cov_kwds={"groups": of_variant["user"], "use_correction": False})
    return float(fitted.params.iloc[0]), float(fitted.cov_params().iloc[0, 0]) * groups / (groups - 1)


for treatment in (1, 2):
    one, other = (users.loc[users["variant"] == v, "value"] for v in (treatment, 0))
    compared = CompareMeans(DescrStatsW(one), DescrStatsW(other))
    lower, upper = compared.tconfint_diff(usevar="unequal")
    found[f"statsmodels mean {treatment}"] = {
        "effect": float(one.mean() - other.mean()),
        "lower": lower,
        "upper": upper,
        "p": compared.ttest_ind(usevar="unequal")[1],
    }
    for name, estimator, table in (("weighed", weighed_mean, users), ("clustered", clustered_mean, rows)):
        (mean, variance), (of_control, variance_of_control) = (
            estimator(table[table["variant"] == v]) for v in (treatment, 0)
        )
        found[f"statsmodels {name} {treatment}"] = {
            "effect": mean - of_control,
            "stderr": float(np.sqrt(variance + variance_of_control)),
        }
p = [found[f"statsmodels mean {treatment}"]["p"] for treatment in (1, 2)]
for treatment, adjusted in zip((1, 2), multipletests(p, method="holm")[1].tolist(), strict=True):
    found[f"statsmodels mean {treatment}"]["p_holm"] = adjusted
print(json.dumps(found))
