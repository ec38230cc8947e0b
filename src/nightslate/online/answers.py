"""What was answered to requests that brought a key of their own: one that is sent again is no other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from nightslate.errors import ContractError
from nightslate.online.requests import Answer

HEADER = "Idempotency-Key"
"""Of the HTTP request, as the IETF's draft of that name has it."""

ANSWERS = "_served/answers"
"""Where they are kept, beside the landing logs and in days as these."""

_LONGEST = 255


@dataclass(frozen=True)
class RequestKey:
    """A key that whoever asks has given a request, and the SHA-256 of its body."""

    key: str
    body: str

    @classmethod
    def of(cls, key: str, body: bytes) -> RequestKey:
        """Raises ContractError for a key that is none."""
        if not 0 < len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
            raise ContractError(f"{HEADER}: 1 to {_LONGEST} printable ASCII characters")
        return cls(key, hashlib.sha256(body).hexdigest())

    def row(self, answer: Answer) -> dict[str, Any]:
        """As it is kept."""
        return {"key": self.key, "body": self.body, "answer": answer.to_json()}


class Answers:
    """By key, of some days."""

    def __init__(self) -> None:
        self._by_day: dict[date, dict[str, tuple[str, str]]] = {}

    def add(self, day: date, row: Mapping[str, Any]) -> None:
        """What `RequestKey.row` has made."""
        answer = Answer.model_validate(row["answer"]).model_dump_json()
        self._by_day.setdefault(day, {})[row["key"]] = row["body"], answer

    def of(self, asked: RequestKey) -> Answer | None:
        """What was answered before; None where nothing was. Raises ContractError where the key was given to
        a request with another body."""
        for answers in self._by_day.values():
            if asked.key in answers:
                body, answer = answers[asked.key]
                if body != asked.body:
                    raise ContractError(
                        f"{HEADER}: a request with another body was answered under this key; give each"
                        " request a key of its own, and one that is sent again the same body"
                    )
                return Answer.model_validate_json(answer)
        return None

    def forget(self, before: date) -> None:
        """Those of earlier days than this."""
        self._by_day = {day: answers for day, answers in self._by_day.items() if day >= before}
