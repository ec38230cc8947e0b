"""Evaluation and propensities on a file of one's own, without the pipeline."""
