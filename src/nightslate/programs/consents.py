"""What users have to agree to before it is used: which columns take a consent, and which say who gave it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from nightslate.programs.keyed_features import KeyedFeature
from nightslate.programs.logs import Feature, consent_column


def needs_of(known: Iterable[Feature | KeyedFeature]) -> dict[str, str]:
    """By column of contexts or features that takes a consent the column that says whether a user gave it."""
    columns = {each.name: consent_column(each.consent) for each in known}
    return {name: column for name, column in columns.items() if column is not None}


def require_names_of_consents(needs: Mapping[str, str], taken: Collection[str]) -> None:
    """Raise ValueError where a column of the program is called what one is called that says who agreed."""
    for name, column in needs.items():
        if column in taken:
            raise ValueError(
                f"consent: {column} says who has agreed to the use of {name}, and every program that asks for"
                " it lands that column; call your own another name"
            )
