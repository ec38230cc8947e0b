"""The fractions of the capital that are bet: one grid, the same in all cohorts, reigns and programs."""

import numpy as np

from nightslate.core.arrays import Floats

BETS: Floats = np.array([0.9 * 2.0**-k for k in range(12)])
"""(K,) fractions in (0, 1). A capital is split evenly between them and never moved from one to another. The
best fraction is about the scale times the mean increment over its mean square, which nobody knows in advance:
.1 where rewards of 10 % rise by a tenth, .001 where weights of 80 do it. With a factor of 2 between
neighbours some bet grows at 8/9 or more of the best one's rate, and the split costs ln K at most. Stored
terms are sums for these very fractions, so that changing them begins a new table."""
