"""Which impression an outcome is credited to."""

import numpy as np

from nightslate.core.arrays import Ints
from nightslate.core.errors import InvalidInputError

NOTHING = -1


def last_touch(
    impression_user: Ints,
    impression_arm: Ints,
    impression_time: Ints,
    impression_order: Ints,
    outcome_user: Ints,
    outcome_arm: Ints,
    outcome_time: Ints,
    window_us: int,
) -> Ints:
    """For each outcome the place of the impression that it is credited to, or -1.

    That is the latest impression of the same user, and of the same arm where the outcome names one, with
    impression_time <= outcome_time <= impression_time + window_us. Among impressions of the same microsecond
    the greatest `impression_order` wins; it must not repeat among them, or the order of rows decides.
    Users and arms are integer codes shared by both logs; an `outcome_arm` of -1 names none. Times are in
    microseconds. Raises InvalidInputError where columns of one log differ in length or window_us < 0."""
    _require_columns("impression", impression_user, impression_arm, impression_time, impression_order)
    _require_columns("outcome", outcome_user, outcome_arm, outcome_time)
    if window_us < 0:
        raise InvalidInputError(f"the attribution window must not be negative, got {window_us} us")
    # few users have an outcome on a given day: the impressions of all others need no sorting
    near = np.flatnonzero(np.isin(impression_user, outcome_user))
    user, arm, time, order = (
        column[near] for column in (impression_user, impression_arm, impression_time, impression_order)
    )
    touched = np.full(outcome_user.size, NOTHING, dtype=np.int64)
    names_arm = outcome_arm != NOTHING
    for chosen, keys, outcome_keys in (
        (~names_arm, (user,), (outcome_user,)),
        (names_arm, (user, arm), (outcome_user, outcome_arm)),
    ):
        latest = _latest(keys, time, order, tuple(key[chosen] for key in outcome_keys), outcome_time[chosen])
        touched[chosen] = np.append(near, NOTHING)[latest]
    expired = (touched != NOTHING) & (outcome_time - np.append(impression_time, 0)[touched] > window_us)
    touched[expired] = NOTHING
    return touched


def _latest(
    keys: tuple[Ints, ...], time: Ints, order: Ints, outcome_keys: tuple[Ints, ...], outcome_time: Ints
) -> Ints:
    """For each outcome the place of the last impression with the same keys that is not after it, or -1: sort
    both logs into one line, outcomes behind the impressions of their microsecond, and carry the last
    impression on."""
    impressions, outcomes = time.size, outcome_time.size
    if impressions == 0:
        return np.full(outcomes, NOTHING, dtype=np.int64)
    both = tuple(np.concatenate(pair) for pair in zip(keys, outcome_keys, strict=True))
    is_outcome = np.repeat([False, True], [impressions, outcomes])
    tiebreak = np.concatenate([order, np.zeros(outcomes, dtype=np.int64)])
    line = np.lexsort((tiebreak, is_outcome, np.concatenate([time, outcome_time]), *both))
    place = np.where(is_outcome[line], NOTHING, np.arange(line.size))
    carried = np.maximum.accumulate(place)[is_outcome[line]]
    outcome, impression = line[is_outcome[line]], line[carried]
    same = carried != NOTHING
    for key in both:
        same &= key[outcome] == key[impression]
    latest = np.full(outcomes, NOTHING, dtype=np.int64)
    latest[outcome - impressions] = np.where(same, impression, NOTHING)
    return latest


def _require_columns(log: str, *columns: Ints) -> None:
    if any(column.shape != (columns[0].size,) or column.dtype.kind not in "iu" for column in columns):
        described = ", ".join(f"{column.dtype} {column.shape}" for column in columns)
        raise InvalidInputError(f"the {log} columns must be integers of one length, got {described}")
