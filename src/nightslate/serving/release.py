"""What a model is released with: all that the night adds to it to make slates, as a JSON beside its files."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from nightslate.errors import ModelError
from nightslate.programs.conditions import Condition, concern_of
from nightslate.programs.issue_choice import IssueChoice
from nightslate.programs.keyed_features import KeyedFeature
from nightslate.programs.logs import Features
from nightslate.programs.strict import Name, Share, Strict, Text

RELEASE = "release.json"
RELEASES = "nightslate.releases"
"""In the metadata of a commit to the table `models`: the digests of the releases of its models, as JSON."""

Values = Annotated[tuple[str, ...], Field(strict=False)]


class Release(Strict):
    """variants: those that show this model, and whether goals, budgets, priority and diversity are for them.
    multipliers: the campaign priority of arms that have one; penalty and groups: of diversity. goals: the
    names of exposure goals and budgets, whose multipliers are solved each night. by_issue: whether tables
    have a partition for each issue. choice: how one of several issues is drawn, where one is.
    risks: the detectors by which the night says whom the issue concerns; then `concerns` does not."""

    format: Literal[1] = 1
    program: Name
    issue: Name
    by_issue: bool
    learner: Name
    model_digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    context: Features
    keyed: Annotated[tuple[KeyedFeature, ...], Field(strict=False)] = ()
    eligible: dict[Name, Values]
    concerns: Text | None = None
    depth: int = Field(ge=1)
    floor: Share = Field(gt=0)
    variants: dict[Name, bool]
    multipliers: dict[str, Annotated[float, Field(gt=0)]]
    penalty: Annotated[float, Field(gt=0, lt=1)] | None
    groups: dict[str, str | None]
    goals: Values
    choice: IssueChoice | None = None
    risks: Annotated[tuple[Name, ...], Field(strict=False)] = ()

    @property
    def concern(self) -> Condition | None:
        """What holds for the users that get slates; None: for all."""
        return concern_of(self.concerns, self.context)

    @property
    def variant(self) -> str:
        """The one that is meant where a request says none; empty where no variant shows this model."""
        return next(iter(self.variants), "")

    def to_json(self) -> bytes:
        """Equal releases have equal bytes; one without features by arm, a choice of issues or detectors says
        nothing of them."""
        without = {name for name in ("keyed", "choice", "risks") if not getattr(self, name)}
        return self.model_dump_json(indent=1, exclude=without).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of its file. It holds that of the model, and so that of all that slates come from."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @classmethod
    def from_json(cls, content: bytes, place: str) -> Release:
        """The release that `to_json` described. Raises ModelError for anything else, naming `place`."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ModelError(
                f"{place} is not a release that this nightslate reads ({where}: {first['msg']}). Train the"
                " night of this model again (clear its task `train`)"
            ) from error
