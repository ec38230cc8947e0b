"""DataFrame in, DataFrame out: Spark hands out files or user buckets, Arrow kernels do the work."""
