"""Who may not be contacted on a day, and why: by what users were shown, and by what they may still be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import AnyArray, Bools, Ints, Keys
from nightslate.core.contact_limits import ContactLimit, contacts_within, first_exceeded
from nightslate.core.hashing import mix, seed, uniform
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.channels import OpenChannels
from nightslate.kernels.conditions import holding
from nightslate.kernels.contact_caps import ContactCaps, closed_once, closed_rows, contacts_among
from nightslate.kernels.contact_standing import WITHHELD, Standing, withheld_by_caps
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.show_times import ShowTimes
from nightslate.programs.conditions import Condition
from nightslate.programs.contacts import ContactRules
from nightslate.programs.days import end_of, in_short, microseconds

IMPRESSIONS_READ = ("user_id", "decision_id", "occurred_at", "arm_id", "slate_id")
SLATES_READ = ("slate_id", "user_id", "issue", "ranking")

_CAPPED = "capped"
"""Whom limits by channel or arm leave no arm; of `withheld` it is a limit."""


def contact_limits(rules: ContactRules) -> tuple[ContactLimit, ...]:
    """Those of all contacts in their order, then the gap."""
    of_all = [limit for limit in rules.limits if limit.of_all_contacts]
    limits = [ContactLimit("limit", limit.most, microseconds(limit.period)) for limit in of_all]
    gap = [ContactLimit("gap", 1, microseconds(rules.gap))] if rules.gap else []
    return (*limits, *gap)


def contacts_of(impressions: pa.Table, uncounted: Collection[str]) -> pa.Table:
    """The contacts among impressions: each decision that showed another arm than these, in whichever slot."""
    counted = pc.invert(pc.is_in(impressions["arm_id"], pa.array([*uncounted], pa.string())))
    return contacts_among(impressions, counted)


def in_holdout(keys: Keys, share: float, salt: str) -> Bools:
    """(n,) which users get nothing at all: those whose number in (0, 1), a hash of salt and id, is below the
    share. A larger share adds users and lets none go. keys: `user_keys`."""
    return np.asarray(uniform(mix(keys, seed(salt, "holdout"))) < share)


@dataclass(frozen=True)
class Concerned:
    """Whom an issue is for, how many slots it fills, and where its arms are sent by which channels."""

    users: EligibleUsers
    slots: int
    channels: OpenChannels | None = None


@dataclass(frozen=True)
class Contacts:
    """The rules of a program for the slates of one day. salt: of the holdout. one_issue: whether a user whom
    several issues concern gets slates of one of them alone."""

    rules: ContactRules
    opt_out: Condition | None
    issues: Mapping[str, Concerned]
    salt: str
    slate_date: date
    one_issue: bool = False
    caps: ContactCaps = field(default_factory=ContactCaps)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """The arms that are no contact."""
        return (*self.rules.uncounted, *self.caps.uncounted)

    @property
    def limits(self) -> tuple[ContactLimit, ...]:
        return contact_limits(self.rules)

    @property
    def begin(self) -> int:
        """The first moment of the day, in microseconds."""
        return first_moment_after(self.slate_date - timedelta(days=1))

    def withheld(self, users: pa.Table, impressions: pa.Table, slates: pa.Table) -> pa.Table:
        """`WITHHELD` of some users, by what is known of them at the end of the day before. impressions:
        `IMPRESSIONS_READ` of the longest period before the day. slates: `SLATES_READ` of the day that was
        published last."""
        standing, holdout = self._standing(users, impressions, slates), self.rules.holdout
        none = np.zeros(users.num_rows, dtype=np.bool_)
        times = ShowTimes.of(self.rules, self.slate_date)
        names = np.array([*(limit.name for limit in self.limits), ""])
        held, pending = standing.exceeded >= 0, standing.with_coming >= 0
        closed = self._closed(users, impressions, standing)
        reason = np.select(
            [
                in_holdout(user_keys(users), holdout.share, self.salt) if holdout else none,
                self.opted_out(users),
                self.issues_concerned(users) == 0,
                standing.slates == 0,
                held & ~standing.transactional,
                pending & ~standing.transactional,
                ~self._left(users, closed, standing),
                ~standing.transactional & ~times.left(users) if times else none,
            ],
            [
                *("holdout", "opted_out", "not_concerned", "no_channel", names[standing.exceeded], "pending"),
                *(_CAPPED, "quiet"),
            ],
            "",
        )
        at = np.flatnonzero((reason != "") & (reason != _CAPPED))
        by_caps = closed.filter(
            pc.is_in(closed["user_id"], users["user_id"].filter(pa.array(reason == _CAPPED)).combine_chunks())
        )
        return pa.concat_tables([self._rows(users, at, reason[at], standing), withheld_by_caps(by_caps)])

    def capped(
        self, users: pa.Table, impressions: pa.Table, slates: pa.Table, withheld: pa.Table
    ) -> pa.Table:
        """`CAPPED` of some users but for those who are withheld; the rest as `withheld` takes it."""
        closed = self._closed(users, impressions, self._standing(users, impressions, slates))
        return closed.filter(pc.invert(pc.is_in(closed["user_id"], withheld["user_id"].combine_chunks())))

    def slates_tonight(self, users: pa.Table) -> Ints:
        """(n,) how many slates each user would get: one of each issue that is for the user, or of one."""
        return self._slates(self._bits(users))

    def _slates(self, bits: Sequence[Ints]) -> Ints:
        found = np.sum([of_issue != 0 for of_issue in bits], axis=0, dtype=np.int64)
        return np.asarray(np.minimum(found, 1) if self.one_issue else found)

    def _bits(self, users: pa.Table) -> list[Ints]:
        """By issue (n,) the channels that reach each user whom it is for; -1, which is all of them, where its
        arms have none, and 0 for others."""
        return [
            np.where(
                _among(users, issue.users(users)),
                -1 if issue.channels is None else issue.channels.bits(users),
                0,
            )
            for issue in self.issues.values()
        ]

    def _standing(self, users: pa.Table, impressions: pa.Table, slates: pa.Table) -> Standing:
        """What limits of all contacts are held against."""
        limits, n = self.limits, users.num_rows
        contacts = contacts_of(impressions, self.uncounted)
        place = pc.index_in(contacts["user_id"], users["user_id"].combine_chunks())
        known = contacts.filter(place.is_valid())
        within = contacts_within(limits, place.drop_null().to_numpy(), known["at"].to_numpy(), n, self.begin)
        coming, bits = self._coming(users, impressions, slates), self._bits(users)
        silent = [
            each.channels.bits_of(self.caps.transactional) if each.channels else 0
            for each in self.issues.values()
        ]
        may_count = self._slates([of & ~exempt for of, exempt in zip(bits, silent, strict=True)])
        transactional = [(of & exempt) != 0 for of, exempt in zip(bits, silent, strict=True)]
        return Standing(
            bits=bits,
            within=within,
            coming=coming,
            slates=self._slates(bits),
            may_count=may_count,
            transactional=np.any(transactional, axis=0),
            exceeded=first_exceeded(limits, within, may_count),
            with_coming=first_exceeded(limits, within + coming[:, None], may_count),
        )

    def _closed(self, users: pa.Table, impressions: pa.Table, standing: Standing) -> pa.Table:
        """`CAPPED` of all of the users."""
        could = dict[str, Ints]()
        for issue, bits in zip(self.issues.values(), standing.bits, strict=True):
            channels = issue.channels
            for name in channels.channels if channels else ():
                reached = (bits & channels.bits_of([name])) != 0 if channels else bits != 0
                could[name] = could.get(name, 0) + reached.astype(np.int64)
        by_caps = self.caps.closed(users, impressions, self.uncounted, could, self.begin)
        return closed_once(pa.concat_tables([*self._closed_by_limits(users, standing, could), by_caps]))

    def _closed_by_limits(
        self, users: pa.Table, standing: Standing, could: Mapping[str, Ints]
    ) -> Iterator[pa.Table]:
        """`CAPPED` of users to whom limits of all contacts leave what is transactional."""
        held = standing.exceeded >= 0
        for name, reached in could.items():
            if name in self.caps.transactional:
                continue
            for rule, limit in enumerate(self.limits):
                for reason, mine in (
                    (limit.name, standing.exceeded == rule),
                    ("pending", ~held & (standing.with_coming == rule)),
                ):
                    at = np.flatnonzero(mine & standing.transactional & (reached > 0))
                    yield closed_rows(
                        users["user_id"].take(pa.array(at)),
                        "channel",
                        [name] * at.size,
                        reason,
                        standing.within[at, rule],
                        standing.may_count[at],
                        limit.most,
                        period_of(limit),
                    )

    def _left(self, users: pa.Table, closed: pa.Table, standing: Standing) -> Bools:
        """(n,) to whom some issue has an arm left."""
        if not closed.num_rows:
            return np.ones(users.num_rows, dtype=np.bool_)
        left = [
            bits if issue.channels is None else issue.channels.left(users, closed).bits & bits
            for issue, bits in zip(self.issues.values(), standing.bits, strict=True)
        ]
        return np.asarray(self._slates(left) > 0)

    def issues_concerned(self, users: pa.Table) -> Ints:
        """(n,) how many issues are for each user, whether or not any channel reaches it."""
        found = np.zeros(users.num_rows, dtype=np.int64)
        for issue in self.issues.values():
            found += _among(users, issue.users(users))
        return found

    def opted_out(self, users: pa.Table) -> Bools:
        """(n,) who wants no contact; those of whom it can't be told are taken to."""
        if self.opt_out is None:
            return np.zeros(users.num_rows, dtype=np.bool_)
        held = pc.fill_null(holding(users, self.opt_out), True)
        return np.asarray(held.to_numpy(), dtype=np.bool_)

    def _coming(self, users: pa.Table, impressions: pa.Table, slates: pa.Table) -> Ints:
        """(n,) the contacts that slates of before may still make: those that no impression names, and whose
        first arms, as many as are shown, are not all without contact."""
        if self.rules.expires:
            return np.zeros(users.num_rows, dtype=np.int64)
        named = pc.unique(impressions["slate_id"])
        unshown = slates.filter(pc.invert(pc.is_in(slates["slate_id"], named)))
        place = pc.index_in(unshown["user_id"], users["user_id"].combine_chunks())
        counts = self._would_count(unshown) & place.is_valid().to_numpy()
        return np.bincount(pc.fill_null(place, -1).to_numpy()[counts], minlength=users.num_rows)

    def _would_count(self, slates: pa.Table) -> Bools:
        """(n,) whether what a slate shows is a contact."""
        found, issues = np.zeros(slates.num_rows, dtype=np.bool_), slates["issue"]
        uncounted = pa.array(self.uncounted, pa.string())
        for issue in pc.unique(issues).to_pylist():
            slots = self.issues[issue].slots if issue in self.issues else 1
            mine = np.flatnonzero(pc.equal(issues, issue).to_numpy())
            heads = pc.list_slice(slates["ranking"].take(pa.array(mine)).combine_chunks(), 0, slots)
            counted = pc.invert(pc.is_in(pc.list_flatten(heads), uncounted))
            found[mine[pc.list_parent_indices(heads).filter(counted).to_numpy()]] = True
        return found

    def _rows(self, users: pa.Table, at: Ints, reason: AnyArray, standing: Standing) -> pa.Table:
        """`WITHHELD` of the users at these places."""
        counted = np.isin(reason, ["limit", "gap", "pending"])
        rule = np.where(standing.exceeded >= 0, standing.exceeded, standing.with_coming)[at]
        held = np.zeros(len(at), np.bool_) if self.rules.holdout is None else reason == "holdout"
        share = self.rules.holdout.share if self.rules.holdout else 1.0
        limits, each = self.limits, np.arange(len(at))
        most = np.array([*(limit.most for limit in limits), 0])
        periods = np.array([*(period_of(limit) for limit in limits), ""], dtype=object)
        contacts = np.column_stack([standing.within[at], np.zeros(len(at), dtype=np.int64)])[each, rule]
        columns = {
            "user_id": users["user_id"].take(pa.array(at)),
            "reason": pa.array(reason.tolist(), pa.string()),
            "contacts": pa.array(contacts, mask=~counted),
            "pending": pa.array(standing.coming[at], mask=~counted),
            "slates": pa.array(standing.may_count[at], mask=~counted),
            "most": pa.array(most[rule], mask=~counted),
            "period": pa.array(periods[rule], pa.string(), mask=~counted),
            "probability": pa.array(np.full(len(at), share), mask=~held),
        }
        return pa.table([columns[name] for name in WITHHELD.names], schema=WITHHELD)


def _among(users: pa.Table, some: pa.Table) -> Bools:
    """(n,) which of the users are among some."""
    return np.asarray(pc.is_in(users["user_id"], some["user_id"].combine_chunks()).to_numpy())


def period_of(limit: ContactLimit) -> str:
    """In words."""
    return in_short(timedelta(microseconds=limit.period))


def first_moment_after(day: date) -> int:
    """In microseconds."""
    return int(end_of(day).timestamp()) * 1_000_000
