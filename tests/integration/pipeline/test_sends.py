"""Nights of a program whose arms are sent: who gets which arms, when, and what is learnt from it."""

import math
import re
import shutil
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from nightslate.cli import app
from nightslate.core.errors import InvalidInputError
from nightslate.errors import ContractError, NightslateError
from nightslate.kernels.channels import OpenChannels
from nightslate.models.files import scored_by
from nightslate.pipeline.running import run_step
from nightslate.pipeline.send_figures import send_figures
from nightslate.sending.due import sends_of
from nightslate.sending.mailing import Clock
from nightslate.sending.send import send
from nightslate.sending.smtp import Server
from tests.integration.nights import DOCS, PAGES, pseudonym, run_night
from tests.unit.sending.mail_server import Box, mail_server

from .conftest import relocate
from .letters import (
    CHANNEL_OF,
    DAYS,
    DECLARED,
    PROGRAM,
    SPEC,
    USERS,
    by_rule,
    known,
    land,
    night,
    rows,
    slates_of,
)

HOURS = {"email": range(9, 18), "text": range(3)}
BY_USER = {f"user-{user}": known(user) for user in range(USERS)}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    home = tmp_path_factory.mktemp("sends")
    DECLARED.write(SPEC)
    for number in range(len(DAYS)):
        land(home, number)
        run_night(night(home, number), but=DOCS if number < len(DAYS) - 1 else ())
    return home


@pytest.fixture(autouse=True)
def declared(program: None) -> None:
    """Whatever the test before has made of the program."""
    DECLARED.write(SPEC)


@pytest.fixture
def copied(nights: Path, tmp_path: Path) -> Path:
    home = tmp_path / "home"
    shutil.copytree(nights, home)
    relocate(home, nights)
    return home


def open_minutes(channel: str, zone: str | None, day: date) -> list[datetime]:
    """From four hours after midnight (UTC) on, minute by minute, by the clock on the user's wall."""
    where = ZoneInfo("UTC" if zone in (None, "Nowhere/Land") else zone)
    start = datetime.combine(day, time(4), UTC)
    minutes = (start + timedelta(minutes=minute) for minute in range(20 * 60))
    return [now for now in minutes if now.astimezone(where).hour in HOURS[channel]]


def weight_of_rule(about: dict, arms: Collection[str], arm: str) -> float:
    """Of an arm, for who may get these, with the floor."""
    chosen = by_rule(about, arms)
    return 0.8 * (arm in chosen) / len(chosen) + 0.2 / len(arms)


def weights_of_rule(shown: pl.DataFrame) -> list[float]:
    """The importance weight of each impression, by the rule."""
    return [
        weight_of_rule(row, row["eligible_arms"] or CHANNEL_OF, row["arm_id"]) / row["propensity"]
        for row in shown.to_dicts()
    ]


def reached_by(about: dict, day: date) -> set[str]:
    return {
        channel
        for channel in HOURS
        if about[f"consent_{channel}"] == "yes" and open_minutes(channel, about["zone"], day)
    }


def test_what_consents_and_rules_forbid_has_no_support(copied: Path) -> None:
    """The share of it is that of users without slates, and of arms by channels that others do not want."""
    controls = "controls: [random, eligibility_only, present_rule]"
    asked = SPEC.replace("resamples: 100", f"resamples: 100, {controls}")
    asked += "experiment: {control: rule, metrics: {earned: {source: rewards}}}\n"
    DECLARED.write(asked.replace("first_champion: uniform", "first_champion: thompson"))
    of_program = night(copied, 2)
    run_night(of_program, "controls")
    found = {row["policy"]: row for row in rows(copied, "controls").to_dicts()}
    (digest,) = rows(copied, "models").filter(ds=DAYS[0], learner="thompson")["digest"]
    model = scored_by(of_program.issues[0].registry.load(digest))
    shown = rows(copied, "impressions").filter(pl.col("ds") == DAYS[1])
    chances = 0.8 * model.choices(shown.to_arrow()) + 0.2 / len(CHANNEL_OF)
    could = [set(arms) for arms in shown["eligible_arms"]]
    unseen = [
        1 - sum(chance for arm, chance in zip(model.arms, row, strict=True) if arm in arms)
        for row, arms in zip(chances.tolist(), could, strict=True)
    ]
    without = rows(copied, "withheld").filter(slate_date=DAYS[1]).height
    withheld = without / (without + len(slates_of(copied, DAYS[1])))
    row = found["eligibility_only"]
    assert row["unsupported_share"] == pytest.approx(withheld + (1 - withheld) * np.mean(unseen))
    assert 0.1 < withheld < row["unsupported_share"] < 1
    assert [row[name] for name in ("value", "lower", "upper", "difference", "difference_upper")] == [None] * 5
    assert row["remark"].startswith("not identified")
    alike = [1 / len(arms) / p for arms, p in zip(could, shown["propensity"], strict=True)]
    assert found["random"]["mean_weight"] == pytest.approx(np.mean(alike))
    assert found["present_rule"]["mean_weight"] == pytest.approx(np.mean(weights_of_rule(shown)))
    assert found["random"]["value"] is not None
    assert found["random"]["n"] == found["champion"]["n"] == len(alike)


@pytest.mark.parametrize("number", range(len(DAYS)))
def test_candidates_are_the_arms_whose_channels_reach_the_user(nights: Path, number: int) -> None:
    day = DAYS[number] + timedelta(days=1)
    slates = {slate["user_id"]: slate for slate in slates_of(nights, day)}
    withheld = rows(nights, "withheld").filter(slate_date=day)
    without, sizes = set(withheld["user_id"]), set()
    for raw, about in BY_USER.items():
        channels = reached_by(about, day)
        if not channels:
            assert pseudonym(raw) in without
            continue
        slate = slates.pop(pseudonym(raw))
        expected = {arm for arm, channel in CHANNEL_OF.items() if channel in {*channels, "none"}}
        assert set(slate["candidates"]) == expected
        assert set(slate["ranking"]) <= expected
        assert len(slate["ranking"]) == min(4, len(expected))
        assert min(slate["weights"]) >= 0.2 / len(expected)
        left = dict(zip(slate["candidates"], slate["weights"], strict=True))
        for arm, propensity in zip(slate["ranking"], slate["propensities"], strict=True):
            assert propensity == pytest.approx(left[arm] / math.fsum(left.values()), rel=1e-12, abs=0)
            del left[arm]
        sizes.add(len(expected))
    assert not slates
    assert set(withheld["reason"]) == {"no_channel"}
    assert sizes == {3, 4, 6}


def test_a_policy_chooses_among_the_arms_that_a_user_can_get_and_no_mass_is_left_with_the_others(
    nights: Path,
) -> None:
    """Weights of any restriction sum to 1 as those of all arms do: nothing was drawn and then taken out."""
    for day in (DAYS[1], DAYS[2]):
        for slate in slates_of(nights, day):
            assert math.fsum(slate["weights"]) == pytest.approx(1, abs=1e-6)


def test_users_of_a_declared_rule_get_what_it_says_among_the_arms_that_reach_them(nights: Path) -> None:
    """By the first line that holds and has such an arm; propensities are of a ranking by its weights."""
    abouts, kinds = {pseudonym(raw): about for raw, about in BY_USER.items()}, set()
    for number in range(len(DAYS)):
        slates = slates_of(nights, DAYS[number] + timedelta(days=1))
        for slate in (each for each in slates if each["variant"] == "rule"):
            about, arms = abouts[slate["user_id"]], slate["candidates"]
            weights = {arm: weight_of_rule(about, arms, arm) for arm in arms}
            assert slate["policy"] == "todays_rule"
            assert dict(zip(arms, slate["weights"], strict=True)) == pytest.approx(weights, abs=1e-7)
            for arm, propensity in zip(slate["ranking"], slate["propensities"], strict=True):
                total = math.fsum(weights.values())
                assert propensity == pytest.approx(weights.pop(arm) / total, rel=1e-6)
            kinds.add((*by_rule(about, arms),))
    assert kinds == {("text-news", "text-offer"), ("mail-offer", "mail-thanks"), ("silence",)}


def test_impressions_say_what_their_slate_could_have_shown(nights: Path) -> None:
    for number in (1, 2):
        slates = {slate["slate_id"]: slate for slate in slates_of(nights, DAYS[number])}
        shown = rows(nights, "impressions").filter(ds=DAYS[number]).to_dicts()
        assert len(shown) > USERS / 4
        for row in shown:
            slate = slates[row["slate_id"]]
            assert set(row["eligible_arms"]) == set(slate["candidates"])
            assert row["propensity"] == slate["propensities"][0]


def test_policies_are_weighed_on_what_they_could_have_shown(nights: Path) -> None:
    """Of the uniform policy the weights are 1 whatever the channels: it logged the first day, and the floor
    leaves it what it is."""
    found = rows(nights, "evaluations").filter(ds=DAYS[1], policy="uniform", estimator="ips")
    weights = found.drop_nulls("mean_weight")["mean_weight"].to_list()
    assert weights == pytest.approx([1] * len(weights), abs=1e-6)
    assert weights


def test_a_declared_rule_is_weighed_by_what_it_says_of_whoever_was_shown_something(nights: Path) -> None:
    """Progressive, of the day of which there are models of the night before; cross-fitted, of all days whose
    rewards are known."""
    shown = rows(nights, "impressions")
    found = rows(nights, "evaluations").filter(ds=DAYS[2], policy="todays_rule", estimator="ips")
    for estimand, days in (("progressive", DAYS[1:2]), ("cross_fitted", DAYS[:2])):
        of_days = shown.filter(pl.col("ds").is_in(days))
        (alone,) = found.filter(pl.col("reference").is_null(), estimand=estimand).to_dicts()
        assert alone["n"] == len(of_days) > 0
        assert alone["mean_weight"] == pytest.approx(np.mean(weights_of_rule(of_days)))


@pytest.mark.parametrize("number", range(len(DAYS)))
def test_the_first_arm_of_each_slate_is_sent_in_the_hours_of_its_user(nights: Path, number: int) -> None:
    day = DAYS[number] + timedelta(days=1)
    zones = {pseudonym(raw): about["zone"] for raw, about in BY_USER.items()}
    sends = {row["slate_id"]: row for row in rows(nights, "sends").filter(slate_date=day).to_dicts()}
    slates = slates_of(nights, day)
    assert len(sends) == len(slates) == len({row["send_id"] for row in sends.values()})
    reasons = set()
    for slate in slates:
        sent, zone, arm = sends[slate["slate_id"]], zones[slate["user_id"]], slate["ranking"][0]
        for name in ("user_id", "issue", "variant"):
            assert sent[name] == slate[name]
        assert (sent["arm_id"], sent["propensity"]) == (arm, slate["propensities"][0])
        assert sent["zone"] == ("UTC" if zone in (None, "Nowhere/Land") else zone)
        reasons.add(sent["reason"])
        if CHANNEL_OF[arm] == "none":
            assert [sent[name] for name in ("channel", "send_at", "send_until")] == [None] * 3
            assert sent["reason"] == "nothing"
            continue
        minutes = open_minutes(CHANNEL_OF[arm], zone, day)
        assert (sent["channel"], sent["reason"], sent["send_at"]) == (CHANNEL_OF[arm], None, minutes[0])
        assert sent["send_until"] - timedelta(minutes=1) in minutes
        assert sent["send_until"] not in minutes
    assert reasons == {None, "nothing"}


def test_the_same_user_has_the_same_send_whatever_is_published_for_the_day_later(copied: Path) -> None:
    """So nobody who has been sent something is sent another thing of the day."""
    before = rows(copied, "sends").filter(slate_date=DAYS[2])
    one_more = {**CHANNEL_OF, "mail-late": "email", "text-late": "text"}
    land(copied, 1, [{"arm_id": arm, "channel": channel} for arm, channel in one_more.items()])
    run_night(night(copied, 1), but=PAGES)
    after = rows(copied, "sends").filter(slate_date=DAYS[2])
    assert set(after["send_id"]) == set(before["send_id"])
    assert set(after["slate_id"]).isdisjoint(before["slate_id"])
    run_night(night(copied, 1), "send")
    assert rows(copied, "sends").filter(slate_date=DAYS[2]).sort("send_id").equals(after.sort("send_id"))


def test_who_has_opted_out_and_whose_window_is_over_by_now_is_not_sent_to(copied: Path) -> None:
    """The day lands again, and hours of the program change, once its slates are published."""
    before = {row["slate_id"]: row for row in rows(copied, "sends").filter(slate_date=DAYS[2]).to_dicts()}
    folder = copied / "landing" / "marketing" / "users" / f"ds={DAYS[1]}" / "part-0.jsonl"
    folder.write_text(folder.read_text().replace('"consent_email": "yes"', '"consent_email": "no"'))
    DECLARED.write(SPEC.replace("hours: [0, 3]", "hours: [2, 3]"))
    run_night(night(copied, 1), "ingest", "send")
    after = {row["slate_id"]: row for row in rows(copied, "sends").filter(slate_date=DAYS[2]).to_dicts()}
    assert before.keys() == after.keys()
    for slate, was in before.items():
        now = after[slate]
        if was["channel"] == "email":
            assert (now["reason"], now["send_at"]) == ("opted_out", None)
        elif was["channel"] == "text" and was["zone"] == "Europe/Berlin":
            assert now["reason"] == "window_over"
        else:
            assert now["reason"] == was["reason"]
    assert {row["reason"] for row in after.values()} == {"nothing", "opted_out", "window_over", None}


def test_a_night_that_runs_again_leaves_the_same_rows(copied: Path) -> None:
    before = {name: rows(copied, name).sort(pl.all()) for name in ("withheld", "assignments")}
    slates = slates_of(copied, DAYS[2])
    run_night(night(copied, 1), "contacts", "score", "audit", "publish")
    assert slates_of(copied, DAYS[2]) == slates
    assert all(rows(copied, name).sort(pl.all()).equals(was) for name, was in before.items())


def test_a_slate_with_an_arm_by_a_channel_that_does_not_reach_its_user_is_not_published(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = slates_of(copied, DAYS[2])
    with monkeypatch.context() as broken:
        broken.setattr(OpenChannels, "places", lambda *asked: np.arange(len(asked[2])))
        run_night(night(copied, 1), "score")
    with pytest.raises(ContractError, match="candidates are not the arms whose channels reach the user"):
        run_step("audit", night(copied, 1))
    with pytest.raises(ContractError, match="have not passed the audit"):
        run_step("publish", night(copied, 1))
    assert slates_of(copied, DAYS[2]) == before


def test_a_user_who_is_withheld_although_a_channel_reaches_it_is_found(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(OpenChannels, "bits", lambda _, users: np.ones(users.num_rows, np.int64))
        run_night(night(copied, 1), "contacts")
    run_night(night(copied, 1), "score")
    with pytest.raises(ContractError, match=r"not withheld as by rule|withheld by no rule"):
        run_step("audit", night(copied, 1))


def test_a_volume_limit_of_a_channel_is_a_budget_of_its_arms(tmp_path: Path, program: None) -> None:
    """Whom e-mail alone reaches can be given nothing instead; the randomised users and the floor use some."""
    DECLARED.write(f"{SPEC}budgets: [{{name: letters, where: {{channel: email}}, most: 18}}]\n")
    land(tmp_path, 0)
    said = run_night(night(tmp_path, 0), but=("report", *DOCS))
    assert "budgets kept in" in said["score"]
    slates = slates_of(tmp_path, DAYS[1])
    of_letters = [CHANNEL_OF[slate["ranking"][0]] == "email" for slate in slates]
    expected = 0.0
    for slate in slates:
        weights = dict(zip(slate["candidates"], slate["weights"], strict=True))
        letters = (weight for arm, weight in weights.items() if CHANNEL_OF[arm] == "email")
        expected += math.fsum(letters) / math.fsum(weights.values())
    assert expected == pytest.approx(18, rel=2e-3)
    assert abs(sum(of_letters) - expected) < 1
    assert len(slates) > 40


def test_a_volume_limit_that_can_not_be_kept_is_named(tmp_path: Path) -> None:
    """The floor and the randomised users send more than that."""
    DECLARED.write(f"{SPEC}budgets: [{{name: letters, where: {{channel: email}}, most: 3}}]\n")
    land(tmp_path, 0)
    run_night(night(tmp_path, 0), "ingest", "attribute", "contacts", "train")
    with pytest.raises(InvalidInputError, match="letters"):
        run_step("score", night(tmp_path, 0))


OF_ISSUES = """
issues:
  mail: {arms: {where: {channel: email}}}
  phone: {arms: {ids: [text-news, text-offer, silence]}, eligible: {consent_email: ["yes"]}}
"""


def test_of_several_issues_a_user_gets_those_that_have_an_arm_by_a_channel_that_reaches_it(
    tmp_path: Path,
) -> None:
    """Texts are here for those alone who want letters, too, so whoever wants texts alone has no channel of
    what is for everybody."""
    DECLARED.write(SPEC + OF_ISSUES)
    land(tmp_path, 0)
    run_night(night(tmp_path, 0), but=PAGES)
    day = DAYS[1]
    slates, withheld = slates_of(tmp_path, day), rows(tmp_path, "withheld").to_dicts()
    issues: dict[str, set[str]] = {}
    for slate in slates:
        issues.setdefault(slate["user_id"], set()).add(slate["issue"])
        of_phone = {"text-news", "text-offer", "silence"}
        of_mail = {"mail-news", "mail-offer", "mail-thanks"}
        assert set(slate["candidates"]) == (of_mail if slate["issue"] == "mail" else of_phone)
    reasons = {row["user_id"]: row["reason"] for row in withheld}
    for raw, about in BY_USER.items():
        name, reached = pseudonym(raw), reached_by(about, day)
        expected = {"mail"} if "email" in reached else set()
        if about["consent_email"] == "yes" and "text" in reached:
            expected |= {"phone"}
        assert issues.get(name, set()) == expected
        assert reasons.get(name) == (None if expected else "no_channel")
    assert {len(of) for of in issues.values()} == {1, 2}
    sends = rows(tmp_path, "sends")
    assert sends.height == len(slates) == sends["send_id"].n_unique()
    due = sends_of(night(tmp_path, 0).at(day))
    assert due.num_rows == sends.filter(pl.col("reason").is_null()).height


CONTACTS = """
contacts:
  except: [silence]
  limits: [{most: 1, period: 3d}]
  opt_out: consent_text == no and consent_email == no
  quiet: {zone: zone, hours: [16, 8]}
  expires: true
"""


def test_contact_rules_hold_besides(tmp_path: Path) -> None:
    """Texts between midnight and three are always in quiet hours here, so letters alone are left; on the
    second day nobody gets another who was shown something that counts on the first."""
    DECLARED.write(SPEC + CONTACTS)
    for number in range(2):
        land(tmp_path, number)
        run_night(night(tmp_path, number), but=PAGES)
    day = DAYS[1] + timedelta(days=1)
    shown = rows(tmp_path, "impressions").filter(pl.col("arm_id") != "silence")
    had = set(shown["user_id"])
    slates = {slate["user_id"]: slate for slate in slates_of(tmp_path, day)}
    reasons = {
        row["user_id"]: row["reason"] for row in rows(tmp_path, "withheld").filter(slate_date=day).to_dicts()
    }
    for raw, about in BY_USER.items():
        name = pseudonym(raw)
        if about["consent_text"] == about["consent_email"] == "no":
            assert reasons[name] == "opted_out"
        elif about["consent_email"] != "yes":
            # a text of which it can't be told whether there is consent to letters
            assert reasons[name] in ("opted_out", "no_channel")
        elif name in had:
            assert reasons[name] == "limit"
        else:
            assert set(slates[name]["candidates"]) == {"mail-news", "mail-offer", "mail-thanks", "silence"}
    assert {*reasons.values()} == {"opted_out", "no_channel", "limit"}
    for row in rows(tmp_path, "sends").filter(pl.col("reason").is_null()).to_dicts():
        local = [row[name].astimezone(ZoneInfo(row["zone"])) for name in ("send_at", "send_until")]
        assert 9 <= local[0].hour < 16
        assert (local[1] - timedelta(seconds=1)).hour < 16


def test_a_template_without_a_channel_is_quarantined(tmp_path: Path) -> None:
    arms = [{"arm_id": arm, "channel": channel} for arm, channel in CHANNEL_OF.items()]
    land(tmp_path, 0, [*arms, {"arm_id": "orphan"}])
    run_step("ingest", night(tmp_path, 0))
    (rejected,) = rows(tmp_path, "quarantine").to_dicts()
    assert (rejected["log"], rejected["reason"], rejected["clause"]) == (
        "arms",
        "required",
        "channel is required",
    )
    assert set(rows(tmp_path, "arms")["arm_id"]) == set(CHANNEL_OF)


def test_a_template_by_a_channel_that_the_program_does_not_know_stops_the_night_where_rejects_do(
    tmp_path: Path, program: None
) -> None:
    DECLARED.write(SPEC.replace("rejects: {max_share: 0.2}", "rejects: {max_share: 0.01}"))
    arms = [{"arm_id": arm, "channel": channel} for arm, channel in CHANNEL_OF.items()]
    land(tmp_path, 0, [*arms, {"arm_id": "orphan", "channel": "pigeon"}])
    with pytest.raises(ContractError, match="arms: 1 of 7 rows"):
        run_step("ingest", night(tmp_path, 0))
    assert rows(tmp_path, "quarantine")["clause"].to_list() == ["channel is one of email, text, none"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_is_sent_is_exported_for_the_system_that_sends(
    nights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("NIGHTSLATE_HOME", str(nights))
    path = tmp_path / f"sends.{form}"
    said = CliRunner().invoke(app, ["sends", PROGRAM, "--date", str(DAYS[1]), "--out", str(path)])
    assert said.exit_code == 0, said.output
    expected = rows(nights, "sends").filter(slate_date=DAYS[1]).filter(pl.col("reason").is_null())
    found = pl.read_csv(path) if form == "csv" else pl.read_parquet(path)
    assert f"{expected.height} sends of {DAYS[1]}" in " ".join(said.output.split())
    assert "reason" not in found.columns
    assert set(found["send_id"]) == set(expected["send_id"])
    assert found["send_at"].is_sorted()
    by_id = dict(zip(expected["send_id"], expected["propensity"], strict=True))
    assert dict(zip(found["send_id"], found["propensity"], strict=True)) == by_id


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--date", "2026-03-01"], "nobody has said yet what marketing sends on 2026-03-01"),
        (["--date", str(DAYS[1]), "--channel", "pigeon"], "no channel 'pigeon' .there: email, text"),
        (["--date", "tomorrow"], "'tomorrow' is not a day"),
    ],
)
def test_what_there_is_nothing_of_is_not_exported(
    nights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.setenv("NIGHTSLATE_HOME", str(nights))
    done = CliRunner().invoke(app, ["sends", PROGRAM, "--out", str(tmp_path / "sends.csv"), *options])
    assert isinstance(done.exception, NightslateError)
    assert re.search(said, str(done.exception))
    assert not [*tmp_path.iterdir()]


@pytest.fixture
def letterbox(nights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that a mailing wants."""
    monkeypatch.setenv("NIGHTSLATE_HOME", str(nights))
    templates = tmp_path / "templates"
    templates.mkdir()
    for arm, channel in CHANNEL_OF.items():
        if channel == "email":
            (templates / f"{arm}.eml").write_text(f"From: n@shop.example\nSubject: {arm}\n\nHello.\n")
    lines = "".join(f"user-{user},{user}@home.example\n" for user in range(USERS))
    (tmp_path / "addresses.csv").write_text(f"user_id,address\n{lines}")
    return tmp_path


def mailed(letterbox: Path, port: int, *options: str) -> Result:
    files = ["--addresses", str(letterbox / "addresses.csv"), "--templates", str(letterbox / "templates")]
    asked = ["send", PROGRAM, "--date", str(DAYS[1]), *files, "--smtp", f"127.0.0.1:{port}", *options]
    return CliRunner().invoke(app, asked)


def test_a_mailing_of_a_night_reaches_who_is_due_and_ends_where_the_window_does(
    copied: Path, letterbox: Path
) -> None:
    box, day = Box(), DAYS[1]
    due = rows(copied, "sends").filter(slate_date=day, channel="email").to_dicts()
    raw_of = {pseudonym(raw): raw for raw in BY_USER}
    noon = datetime.combine(day, time(9), UTC)
    (letterbox / "left.csv").write_text(f"user_id\n{raw_of[due[0]['user_id']]}\n")
    files = letterbox / "addresses.csv", letterbox / "templates"
    with mail_server(box) as port:
        for hours in (0, 0, 3, 14):
            clock = Clock(now=lambda hours=hours: noon + timedelta(hours=hours), sleep=lambda _: None)
            server = Server("127.0.0.1", port, 5.0)
            at = night(copied, 0).at(day)
            said = list(send(at, "email", *files, server, 1e6, letterbox / "left.csv", clock))
    assert re.search(r"\d+ window_over", said[0])
    assert "@" not in " ".join(said)
    got = {message["Message-ID"]: (address, message["Subject"]) for address, message in box.taken}
    assert len(got) == len(box.taken)
    windows = [noon, noon + timedelta(hours=3), noon + timedelta(hours=14)]
    expected = {
        f"<{row['send_id']}@shop.example>": (
            f"{raw_of[row['user_id']].removeprefix('user-')}@home.example",
            row["arm_id"],
        )
        for row in due[1:]
        if any(row["send_at"] <= at < row["send_until"] for at in windows)
    }
    assert got == expected
    assert len(got) > USERS / 10
    journal = "".join(file.read_text() for file in (copied / "sending").rglob("*") if file.is_file())
    assert journal.count('"sent"') == len(got)
    assert "@" not in journal
    assert "user-" not in journal


def test_who_has_said_no_since_is_not_sent_to(copied: Path, letterbox: Path) -> None:
    """By the users of the day itself, which have landed since."""
    folder = copied / "landing" / PROGRAM / "users" / f"ds={DAYS[2]}" / "part-0.jsonl"
    folder.write_text(folder.read_text().replace('"consent_email": "yes"', '"consent_email": "no"'))
    run_night(night(copied, 2), "ingest")
    box, clock = Box(), Clock(now=lambda: datetime.combine(DAYS[1], time(9), UTC))
    files = letterbox / "addresses.csv", letterbox / "templates"
    with mail_server(box) as port:
        at = night(copied, 0).at(DAYS[1])
        (said,) = send(at, "email", *files, Server("127.0.0.1", port, 5.0), 1e6, None, clock)
    due = rows(copied, "sends").filter(slate_date=DAYS[1], channel="email").height
    assert f"{due} opted_out" in said
    assert not box.asked


def test_a_template_without_its_file_stops_a_mailing_before_anything_is_sent(letterbox: Path) -> None:
    (letterbox / "templates" / "mail-offer.eml").unlink()
    box = Box()
    with mail_server(box) as port:
        done = mailed(letterbox, port)
    assert isinstance(done.exception, ContractError)
    assert "has no file .eml for mail-offer; nothing was sent" in str(done.exception)
    assert not box.asked


def test_a_day_that_is_over_is_not_sent(nights: Path, letterbox: Path) -> None:
    box = Box()
    with mail_server(box) as port:
        done = mailed(letterbox, port)
    due = rows(nights, "sends").filter(slate_date=DAYS[1], channel="email").height
    assert done.exit_code == 0, done.output
    assert f"marketing by email on {DAYS[1]}: {due} window_over" in " ".join(done.output.split())
    assert not box.asked


def test_another_key_finds_nobody_and_says_so(letterbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSLATE_PSEUDONYM_KEY", "another key of the tests")
    done = mailed(letterbox, 25)
    assert isinstance(done.exception, ContractError)
    assert "have pseudonyms of the key 1:" in str(done.exception)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--smtp", "mail.example:25"], "is another machine: say --allow-remote"),
        (["--per-second", "0"], "--per-second 0: more than 0"),
        (["--channel", "pigeon"], "no channel 'pigeon'"),
        (["--opt-outs", "/no/such.csv"], "there is no file /no/such.csv"),
    ],
)
def test_what_a_mailing_can_not_go_by_is_said(letterbox: Path, options: list[str], said: str) -> None:
    done = mailed(letterbox, 25, *options)
    assert isinstance(done.exception, NightslateError)
    assert said in str(done.exception)


def test_the_page_of_a_night_says_what_is_sent_when_and_why_others_are_not(nights: Path) -> None:
    found = send_figures(
        *(night(nights, 1).of_issue("all"), *map(night(nights, 1).table, ("sends", "withheld", "capped")))
    )
    sends = rows(nights, "sends").filter(slate_date=DAYS[2]).to_dicts()
    assert found is not None
    assert found.slates == len(sends)
    expected: dict[tuple[str, int], int] = {}
    for row in sends:
        if row["send_at"] is not None:
            key = row["channel"], row["send_at"].astimezone(ZoneInfo(row["zone"])).hour
            expected[key] = expected.get(key, 0) + 1
    assert found.sent == expected
    assert {channel for channel, _ in expected} == {"email", "text"}
    assert found.unsent == {"nothing": sum(row["reason"] == "nothing" for row in sends)}
    withheld = rows(nights, "withheld").filter(slate_date=DAYS[2])
    assert found.withheld == {"no_channel": len(withheld)}
    page = (nights / "reports" / PROGRAM / f"{DAYS[1]}.html").read_text("utf-8")
    assert f"Of {len(sends)} slates {sum(expected.values())} are to be sent tomorrow" in " ".join(
        page.split()
    )


CAPS = """
contacts:
  except: [silence]
  limits: [{most: 1, period: 7d, channel: email}, {most: 1, period: 7d, per: arm}]
  expires: true
"""


def test_limits_by_channel_and_by_arm_leave_a_user_the_other_arms(copied: Path) -> None:
    """The night of the last day once more, with limits: candidates, propensities and sends are of what is
    left, and who has nothing left has no slate."""
    DECLARED.write(SPEC + CAPS)
    run_night(night(copied, 2), "contacts", "score", "audit", "publish", "send")
    day = DAYS[2] + timedelta(days=1)
    shown = rows(copied, "impressions")
    had: dict[str, set[str]] = {}
    for row in shown.to_dicts():
        had.setdefault(row["user_id"], set()).add(row["arm_id"])
    slates = {slate["user_id"]: slate for slate in slates_of(copied, day)}
    withheld = {row["user_id"]: row for row in rows(copied, "withheld").filter(slate_date=day).to_dicts()}
    sizes, reasons = set(), set()
    for raw, about in BY_USER.items():
        user, channels = pseudonym(raw), reached_by(about, day)
        seen = had.get(user, set())
        if any(CHANNEL_OF[arm] == "email" for arm in seen):
            channels -= {"email"}
        left = {arm for arm, channel in CHANNEL_OF.items() if channel in channels} - seen
        if not left:
            reasons.add(withheld[user]["reason"])
            assert withheld[user]["reason"] == ("limit" if reached_by(about, day) else "no_channel")
            continue
        slate = slates.pop(user)
        assert set(slate["candidates"]) == left | {"silence"}
        assert math.fsum(slate["weights"]) == pytest.approx(1, abs=1e-6)
        weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
        first = weight[slate["ranking"][0]] / math.fsum(weight.values())
        assert slate["propensities"][0] == pytest.approx(first, rel=1e-12, abs=0)
        sizes.add(len(left))
    assert not slates
    assert reasons == {"limit", "no_channel"}
    assert len(sizes) > 2
    capped = rows(copied, "capped").filter(slate_date=day)
    assert set(capped["reason"]) == {"channel_limit", "arm_limit"}
    assert not set(capped["user_id"]) & set(withheld)

    copy = capped.filter(pl.col("closed") == "channel")
    night(copied, 2).table("capped").replace(day, copy.drop("slate_date").to_arrow(), {})
    run_night(night(copied, 2), "score")
    with pytest.raises(ContractError, match="is not closed to a user as limits say"):
        run_step("audit", night(copied, 2))
