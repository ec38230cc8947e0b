"""What the app is asked, and how it answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from nightslate.errors import ContractError
from nightslate.programs.strict import Strict

MOST_BYTES = 1 << 20
"""Of the body of a request."""

_SAID = 5
Id = Annotated[str, Field(min_length=1, max_length=500)]


class Asked(Strict):
    """user_id: raw, as landing files have it. context: each column of `logs.context`. activity: what the user
    did since the last request, a row each as in a landing file, without `user_id` and `landed_at`, which the
    app gives. eligible_arms: those that may be shown; None for all."""

    user_id: Id | int
    context: dict[str, JsonValue] = Field(default={})
    activity: Annotated[tuple[dict[str, JsonValue], ...], Field(strict=False)] = ()
    eligible_arms: Annotated[tuple[Id, ...], Field(strict=False, max_length=10_000)] | None = None
    issue: str | None = None
    surface: Annotated[str, Field(max_length=500)] | None = None

    @classmethod
    def from_json(cls, body: bytes) -> Asked:
        """Raises ContractError that says what is wrong where, and never with which value: that may be a raw
        user id."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            wrong = error.errors(include_input=False, include_url=False)
            said = [
                f"{'.'.join(map(str, each['loc'])) or 'the body'}: {each['msg']}" for each in wrong[:_SAID]
            ]
            raise ContractError("; ".join(said)) from None


class Answer(BaseModel):
    """arm: the first of the ranking; None for nothing, and then `reason` says why. propensities: of the
    ranked arms, each given those before it. notes: what was taken in and is worth a look."""

    model_config = ConfigDict(protected_namespaces=())

    decision_id: str
    occurred_at: str
    issue: str | None = None
    issue_probability: float | None = None
    arm: str | None = None
    ranking: list[str] = []
    propensities: list[float] = []
    variant: str | None = None
    policy: str | None = None
    model_digest: str | None = None
    reason: str | None = None
    notes: list[str] = []

    def to_json(self) -> dict[str, Any]:
        """As the app sends it."""
        return self.model_dump(mode="json")
