"""What the places of a vector stand for, as a person reads it."""

from __future__ import annotations

from itertools import pairwise

from nightslate.kernels.encoding import ByArm, Encoder, Intervals, Places


def place_names(encoder: Encoder) -> tuple[str, ...]:
    """(d,) `history = lapsed`, `tenure_days 90 to 365`, `visits`; of the constant nothing."""
    named = [""]
    for name, places in zip(encoder.features, encoder.places, strict=True):
        named += _names_of(name, places)
    return tuple(named)


def categories(encoder: Encoder) -> list[slice]:
    """The places of each feature of which one value holds at a time."""
    return [
        at
        for at, places in zip(encoder.slices.values(), encoder.places, strict=True)
        if isinstance(places, Intervals | tuple)
    ]


def crossed_name(of_arm: str, of_context: str) -> str:
    """`type = discount for history = lapsed`; one of them by itself where the other is the constant."""
    return f"{of_arm} for {of_context}" if of_arm and of_context else of_arm or of_context


def _names_of(feature: str, places: Places) -> list[str]:
    if isinstance(places, Intervals):
        ends = [f"{boundary:g}" for boundary in places.boundaries]
        between = [f"{low} to {high}" for low, high in pairwise(ends)]
        return [f"{feature} {each}" for each in (f"under {ends[0]}", *between, f"from {ends[-1]}")]
    if isinstance(places, ByArm):
        parts = _names_of("", places.of_one)
        return [f"{feature} of {value}{part}" for value in (*places.values, "others") for part in parts]
    return [feature] if places is None else [f"{feature} = {value}" for value in places]
