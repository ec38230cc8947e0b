"""Fitted models as files with digests, and where MLflow keeps them."""

from nightslate.models.files import ModelFile
from nightslate.models.tracking import NightRun, Registry

__all__ = ["ModelFile", "NightRun", "Registry"]
