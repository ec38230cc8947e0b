"""A second look at which arms slates may hold, where arms are sent: arm by arm, by what is known of users."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools
from nightslate.kernels.audit import faults_of
from nightslate.kernels.channels import OpenChannels
from nightslate.kernels.conditions import holding


def candidate_faults(
    slates: pa.Table, users: pa.Table, channels: OpenChannels, capped: pa.Table | None = None
) -> pa.Table:
    """`FAULTS` of slates whose candidates are not all arms on offer that send nothing or go by a channel that
    reaches the user, less what limits close to it. users: with the columns that channels look at; capped:
    `CAPPED` of these, None where nothing is."""
    place = pc.index_in(slates["user_id"], users["user_id"].combine_chunks()).combine_chunks()
    known = place.is_valid()
    slates, users = slates.filter(known), users.take(place.drop_null())
    reached: dict[str | None, pa.Array] = {None: pa.array(np.ones(users.num_rows, np.bool_))}
    for name, channel in channels.channels.items():
        consents = pc.fill_null(holding(users, channel.consent), False)
        reached[name] = pc.and_(consents, pa.array(channel.times.left(users)))
    wrong, allowed = np.zeros(users.num_rows, np.bool_), np.zeros(users.num_rows, np.int64)
    for arm, channel_of in channels.of_arm.items():
        if channel_of in reached:
            may = pc.fill_null(reached[channel_of], False).to_numpy(zero_copy_only=False)
            if capped is not None and channel_of is not None:
                may = may & ~_closed(users, capped, channel_of, arm)
            allowed += may
            wrong |= _named(slates, arm) & ~may
    wrong |= pc.list_value_length(slates["candidates"]).to_numpy() != allowed
    text = "candidates are not the arms whose channels reach the user"
    return faults_of(text, slates["slate_id"].filter(pa.array(wrong)))


def _closed(users: pa.Table, capped: pa.Table, channel: str, arm: str) -> Bools:
    """(n,) to whom an arm is closed, by itself or with its channel."""
    of_arm = pc.and_(pc.equal(capped["closed"], "arm"), pc.equal(capped["name"], arm))
    of_channel = pc.and_(pc.equal(capped["closed"], "channel"), pc.equal(capped["name"], channel))
    whom = capped["user_id"].filter(pc.or_(of_arm, of_channel)).combine_chunks()
    return np.asarray(pc.is_in(users["user_id"], whom).to_numpy(), dtype=np.bool_)


def _named(slates: pa.Table, arm: str) -> Bools:
    """(n,) whether the arm is a candidate."""
    lists = slates["candidates"].combine_chunks()
    row = pc.list_parent_indices(lists).to_numpy()
    is_arm = pc.equal(pc.list_flatten(lists), arm).to_numpy(zero_copy_only=False)
    return np.bincount(row[is_arm], minlength=slates.num_rows) > 0
