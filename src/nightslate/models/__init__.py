"""Fitted models as files with digests, and where MLflow keeps them."""
