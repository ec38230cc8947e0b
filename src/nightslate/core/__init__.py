"""The mathematics: numpy arrays in, numpy arrays out. No Spark, no Arrow, no files.

What has to scale is a mergeable state: `initial / update(batch) / merge(other)`. States are values: `update`
and `merge` return a new state and change neither operand, and merging in any order gives the same sums."""
