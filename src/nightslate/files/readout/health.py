"""Whether what an experiment's file says can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import numpy as np

from nightslate.core.experiments import SampleRatio, anytime_p_value, located
from nightslate.files.readout.options import ReadoutOptions
from nightslate.files.readout.reading import ReadFile
from nightslate.kernels.experiment_users import EPOCH

_SAME = 1e-9


@dataclass(frozen=True)
class Health:
    """srm_p, srm_anytime_p: of a sample ratio mismatch, looked at once and at any time; None where nobody
    said what the ratio was to be. faults: what is wrong; notes: what could not be looked at."""

    srm_p: float | None
    srm_anytime_p: float | None
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, read: ReadFile, options: ReadoutOptions) -> Self:
        """Of all users, against their probabilities, else against shares."""
        faults, notes = list[str](), list[str]()
        ratio, p, anytime = _ratio(read, options), None, None
        if ratio is None:
            notes.append(_unknown(options))
        else:
            p, anytime = ratio.pooled(0).pooled(0).p_value(), anytime_p_value(ratio)
            if anytime < 1 - options.confidence:
                faults.append(_mismatch(ratio, read, options, anytime))
        if read.of_several:
            faults.append(
                f"{read.of_several:,} users are in more than one variant: what they did is counted in each"
            )
        return cls(p, anytime, tuple(faults), tuple(notes))


def _ratio(read: ReadFile, options: ReadoutOptions) -> SampleRatio | None:
    """Of days and segments."""
    if options.shares is not None:
        shares = np.array([options.shares[name] for name in read.names.variants])
        return SampleRatio.of_shares(read.sums.seen, shares)
    found = read.sums.probabilities
    if found is None or found.ratio is not None:
        return None if found is None else found.ratio
    if np.allclose(found.least, found.most, rtol=_SAME) and abs(found.most.sum() - 1) < _SAME:
        return SampleRatio.of_shares(read.sums.seen, found.most / found.most.sum())
    return None


def _unknown(options: ReadoutOptions) -> str:
    if options.probability:
        return (
            "no sample ratio: with more than two variants, probabilities of one's own variant do not say what"
            " the others were to get; add --shares"
        )
    return (
        "no sample ratio: nobody said how many users each variant was to get; add --shares "
        f"{options.control}=0.5,OTHER=0.5 or --probability COLUMN"
    )


def _mismatch(ratio: SampleRatio, read: ReadFile, options: ReadoutOptions, anytime: float) -> str:
    found = located(ratio)
    where = (
        "all segments" if found.segment is None else f"{options.segment} {read.names.segments[found.segment]}"
    )
    since = EPOCH + timedelta(days=read.names.first_day + found.day)
    when = f", since {since.isoformat()}" if options.date else ""
    cell = f"{where if options.segment else 'all users'}{when}"
    return (
        f"users are missing ({cell}: {100 * found.missing:.2g} % of {read.names.variants[found.variant]});"
        f" by chance that is seen with probability {anytime:.2g}, however often one looks"
    )
