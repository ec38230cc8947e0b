"""Who may not be contacted on a day, and why: by what users were shown, and by what they may still be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow, load
from nightslate.core.arrays import AnyArray, Bools, Ints, Keys
from nightslate.core.contact_limits import ContactLimit, contacts_within, exceeding, first_exceeded
from nightslate.core.hashing import mix, seed, uniform
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.channels import OpenChannels
from nightslate.kernels.conditions import holding
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.show_times import ShowTimes
from nightslate.programs.conditions import Condition
from nightslate.programs.contacts import ContactRules
from nightslate.programs.days import end_of, in_short, microseconds

WITHHELD = arrow.types(load("withheld").file_columns)
IMPRESSIONS_READ = ("user_id", "decision_id", "occurred_at", "arm_id", "slate_id")
SLATES_READ = ("slate_id", "user_id", "issue", "ranking")

COUNTS = pa.schema([("what", pa.string()), ("of", pa.string()), ("value", pa.int64())])
"""What a night says of contacts: see `Contacts.counts`."""

RECENT = timedelta(days=7)
MANY = 20
"""Contacts of a user in the last days are counted one by one below so many."""


def contact_limits(rules: ContactRules) -> tuple[ContactLimit, ...]:
    """Limits in their order, then the gap."""
    limits = [ContactLimit("limit", limit.most, microseconds(limit.period)) for limit in rules.limits]
    gap = [ContactLimit("gap", 1, microseconds(rules.gap))] if rules.gap else []
    return (*limits, *gap)


def contacts_of(impressions: pa.Table, rules: ContactRules) -> pa.Table:
    """The contacts among impressions: each decision (`user_id`, `decision_id`) that showed an arm which
    counts, in whichever slot, when it first did (`at`, in microseconds)."""
    counted = pc.invert(pc.is_in(impressions["arm_id"], pa.array(rules.uncounted, pa.string())))
    decisions = impressions.filter(counted).group_by(["user_id", "decision_id"], use_threads=False)
    contacts = decisions.aggregate([("occurred_at", "min")])
    at = contacts["occurred_at_min"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return contacts.select(["user_id", "decision_id"]).append_column("at", at)


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

    @property
    def limits(self) -> tuple[ContactLimit, ...]:
        return contact_limits(self.rules)

    @property
    def begin(self) -> int:
        """The first moment of the day, in microseconds."""
        return _instant(self.slate_date - timedelta(days=1))

    def withheld(self, users: pa.Table, impressions: pa.Table, slates: pa.Table) -> pa.Table:
        """`WITHHELD` of some users, by what is known of them at the end of the day before. impressions:
        `IMPRESSIONS_READ` of the longest period before the day. slates: `SLATES_READ` of the day that was
        published last."""
        keys, limits, n = user_keys(users), self.limits, users.num_rows
        contacts = contacts_of(impressions, self.rules)
        place = pc.index_in(contacts["user_id"], users["user_id"].combine_chunks())
        known = contacts.filter(place.is_valid())
        within = contacts_within(limits, place.drop_null().to_numpy(), known["at"].to_numpy(), n, self.begin)
        concerned, tonight = self.issues_concerned(users), self.slates_tonight(users)
        coming = self._coming(users, impressions, slates)
        exceeded = first_exceeded(limits, within, tonight)
        with_coming = first_exceeded(limits, within + coming[:, None], tonight)
        times = ShowTimes.of(self.rules, self.slate_date)
        names = np.array([*(limit.name for limit in limits), ""])
        holdout = self.rules.holdout
        reason = np.select(
            [
                in_holdout(keys, holdout.share, self.salt) if holdout else np.zeros(n, np.bool_),
                self.opted_out(users),
                concerned == 0,
                tonight == 0,
                exceeded >= 0,
                with_coming >= 0,
                ~times.left(users) if times else np.zeros(n, np.bool_),
            ],
            ["holdout", "opted_out", "not_concerned", "no_channel", names[exceeded], "pending", "quiet"],
            "",
        )
        rule = np.where(exceeded >= 0, exceeded, with_coming)
        at = np.flatnonzero(reason != "")
        return self._rows(users, at, reason[at], rule[at], within[at], coming[at], tonight[at])

    def slates_tonight(self, users: pa.Table) -> Ints:
        """(n,) how many slates each user would get: one of each issue that is for the user, or of one."""
        found = np.zeros(users.num_rows, dtype=np.int64)
        for issue in self.issues.values():
            concerned = _among(users, issue.users(users))
            found += concerned & (issue.channels.bits(users) > 0) if issue.channels else concerned
        return np.minimum(found, 1) if self.one_issue else found

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

    def counts(self, users: pa.Table, impressions: pa.Table) -> pa.Table:
        """`COUNTS` of some users: `users`; `unknown_zone`, those who have none; `recent`, of so many contacts
        in the last days the users; `breach`, the contacts of the day before the slates' that a limit or the
        gap did not allow, or that holdout users had."""
        contacts, times = contacts_of(impressions, self.rules), ShowTimes.of(self.rules, self.slate_date)
        rows = [("users", "", users.num_rows)]
        rows += [("unknown_zone", "", times.in_unknown_zones(users))] if times else []
        rows += [("recent", str(number), of) for number, of in self._recent(users, contacts).items()]
        rows += [("breach", rule, number) for rule, number in self._breaches(contacts).items()]
        return pa.table([pa.array(column) for column in zip(*rows, strict=True)], schema=COUNTS)

    def _recent(self, users: pa.Table, contacts: pa.Table) -> dict[int, int]:
        """How many users had so many contacts in the last days; those who had many are counted together."""
        place = pc.index_in(contacts["user_id"], users["user_id"].combine_chunks())
        at, known = contacts["at"].to_numpy(), pc.fill_null(place, -1).to_numpy()
        late = (self.begin - microseconds(RECENT) <= at) & (at < self.begin) & (known >= 0)
        each = np.bincount(known[late], minlength=users.num_rows)[: users.num_rows]
        numbers, found = np.unique(np.minimum(each, MANY), return_counts=True)
        return dict(zip(numbers.tolist(), found.tolist(), strict=True))

    def _breaches(self, contacts: pa.Table) -> dict[str, int]:
        """By rule, the contacts of the newest day that it did not allow."""
        user, at = contacts["user_id"].combine_chunks().dictionary_encode().indices, contacts["at"].to_numpy()
        order = np.lexsort((at, user.to_numpy()))
        contacts, user, at = contacts.take(pa.array(order)), user.to_numpy()[order], at[order]
        today = (_instant(self.slate_date - timedelta(days=2)) <= at) & (at < self.begin)
        exceeded = exceeding(self.limits, user, at)[today].sum(axis=0).tolist()
        found = dict(zip(map(_in_words, self.limits), exceeded, strict=True))
        if self.rules.holdout:
            keys = user_keys(contacts.filter(pa.array(today)))
            found["holdout"] = int(in_holdout(keys, self.rules.holdout.share, self.salt).sum())
        return found

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
        uncounted = pa.array(self.rules.uncounted, pa.string())
        for issue in pc.unique(issues).to_pylist():
            slots = self.issues[issue].slots if issue in self.issues else 1
            mine = np.flatnonzero(pc.equal(issues, issue).to_numpy())
            heads = pc.list_slice(slates["ranking"].take(pa.array(mine)).combine_chunks(), 0, slots)
            counted = pc.invert(pc.is_in(pc.list_flatten(heads), uncounted))
            found[mine[pc.list_parent_indices(heads).filter(counted).to_numpy()]] = True
        return found

    def _rows(
        self,
        users: pa.Table,
        at: Ints,
        reason: AnyArray,
        rule: Ints,
        within: Ints,
        coming: Ints,
        slates: Ints,
    ) -> pa.Table:
        """`WITHHELD` of the users at these places."""
        counted = np.isin(reason, ["limit", "gap", "pending"])
        held = np.zeros(len(at), np.bool_) if self.rules.holdout is None else reason == "holdout"
        share = self.rules.holdout.share if self.rules.holdout else 1.0
        limits, each = self.limits, np.arange(len(at))
        most = np.array([*(limit.most for limit in limits), 0])
        periods = np.array([*(_period(limit) for limit in limits), ""], dtype=object)
        contacts = np.column_stack([within, np.zeros(len(at), dtype=np.int64)])[each, rule]
        columns = {
            "user_id": users["user_id"].take(pa.array(at)),
            "reason": pa.array(reason.tolist(), pa.string()),
            "contacts": pa.array(contacts, mask=~counted),
            "pending": pa.array(coming, mask=~counted),
            "slates": pa.array(slates, mask=~counted),
            "most": pa.array(most[rule], mask=~counted),
            "period": pa.array(periods[rule], pa.string(), mask=~counted),
            "probability": pa.array(np.full(len(at), share), mask=~held),
        }
        return pa.table([columns[name] for name in WITHHELD.names], schema=WITHHELD)


def _among(users: pa.Table, some: pa.Table) -> Bools:
    """(n,) which of the users are among some."""
    return np.asarray(pc.is_in(users["user_id"], some["user_id"].combine_chunks()).to_numpy())


def _period(limit: ContactLimit) -> str:
    return in_short(timedelta(microseconds=limit.period))


def _in_words(limit: ContactLimit) -> str:
    return f"gap of {_period(limit)}" if limit.name == "gap" else f"{limit.most} in {_period(limit)}"


def _instant(day: date) -> int:
    """The first moment after a day, in microseconds."""
    return int(end_of(day).timestamp()) * 1_000_000
