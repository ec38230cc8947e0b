"""A program's YAML says what it must, in safe YAML, under its own name, or is refused by name."""

import copy
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from nightslate.errors import SpecError
from nightslate.programs import find, load

SHIPPED = Path(__file__).parents[3] / "dags"
SPEC = {
    "program": "shop",
    "description": "a shop",
    "start_date": "2026-11-16",
    "slots": 2,
    "depth": 3,
    "logs": {"propensity": "marginal", "context": [{"name": "age", "type": "number"}]},
    "rewards": {"values": {"click": 1.0}, "window": "12h"},
    "learners": {"uniform": {"kind": "uniform"}, "linear": {"kind": "linear_thompson", "ridge": 2}},
    "floor": 0.1,
    "variants": {
        "learned": {"share": 0.9, "policy": "champion"},
        "random": {"share": 0.1, "policy": "uniform"},
    },
    "gate": {"first_champion": "uniform"},
}


def write(folder, content, name="shop"):
    path = folder / f"{name}.yaml"
    if isinstance(content, dict):
        content = yaml.safe_dump(content).replace("'2026-11-16'", "2026-11-16")
    path.write_text(content, "utf-8")
    return path


def with_(place, value):
    """The spec with one thing changed; a place is a dotted path."""
    spec = copy.deepcopy(SPEC)
    *folders, last = place.split(".")
    inner = spec
    for folder in folders:
        inner = inner[folder]
    inner[last] = value
    return spec


def refusal(folder, content, name="shop"):
    with pytest.raises(SpecError) as caught:
        load(write(folder, content, name))
    assert f"{name}.yaml" in str(caught.value)
    return str(caught.value)


def test_a_program_says_what_it_says(tmp_path):
    program = load(write(tmp_path, SPEC))
    assert program.program == "shop"
    assert program.only_issue.rewards.window == timedelta(hours=12)
    assert program.only_issue.learners["linear"].ridge == 2.0
    assert program.logs.names == ("impressions", "outcomes", "users", "arms")
    assert program.logs.context[0].name == "age"


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_programs_that_ship_are_programs(path):
    assert load(path).program == path.stem


@pytest.mark.parametrize(
    "place",
    ["colour", "logs.colour", "rewards.colour", "gate.colour", "learners.uniform.ridge", "variants.random.x"],
)
def test_an_unknown_key(tmp_path, place):
    message = refusal(tmp_path, with_(place, 1))
    assert f"{place.rsplit('.', 1)[-1]}: Extra inputs are not permitted" in message


@pytest.mark.parametrize("key", ["slots", "floor", "gate", "learners", "rewards"])
def test_a_missing_key(tmp_path, key):
    assert f"{key}: Field required" in refusal(tmp_path, {k: v for k, v in SPEC.items() if k != key})


def test_a_key_written_twice(tmp_path):
    text = write(tmp_path, SPEC).read_text()
    assert "key written twice: floor" in refusal(tmp_path, text + "floor: 0.5\n")
    inner = text.replace("  propensity: marginal", "  propensity: conditional\n  propensity: marginal")
    assert "key written twice: propensity" in refusal(tmp_path, inner)
    assert "shop.yaml" in refusal(tmp_path, "? [a]\n: 1\n? [a]\n: 2\n")


def test_a_merge_is_what_is_written_and_what_is_not(tmp_path):
    """YAML's `<<`: the keys of another mapping, but for those that are written beside it."""
    text = write(tmp_path, SPEC).read_text()
    # the first learner is deeper in the file than what it is merged into
    shared = "learners:\n  uniform: {kind: uniform}\n  base: &base {kind: linear_ucb, ridge: 3.0}\n"
    merged = shared + "  linear: {<<: *base, ridge: 5.0}\n"
    before = text[text.index("learners:") : text.index("logs:")]
    program = load(write(tmp_path, text.replace(before, merged)))
    assert (program.only_issue.learners["linear"].kind, program.only_issue.learners["linear"].ridge) == (
        "linear_ucb",
        5.0,
    )
    assert program.only_issue.learners["base"].ridge == 3.0
    twice = merged.replace("ridge: 5.0}", "<<: *base}")
    assert "key written twice: <<" in refusal(tmp_path, text.replace(before, twice))
    assert "key written twice: ridge" in refusal(
        tmp_path, text.replace(before, merged.replace("<<: *base", "ridge: 4.0"))
    )


@pytest.mark.parametrize(
    "nested",
    ["[" * 20_000, "{a: " * 20_000, "- " * 20_000, "&a {<<: *a}", "&a [*a]"],
    ids=["lists", "mappings", "a line of dashes", "a merge with itself", "a list in itself"],
)
def test_what_is_nested_for_ever(tmp_path, nested):
    message = refusal(tmp_path, f"program: {nested}" if nested[0] != "-" else nested)
    assert len(message) < 1000


@pytest.mark.parametrize(
    "attack",
    [
        "!!python/object/apply:os.system ['touch {}']",
        "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{}']]",
        "!!python/object/new:os.system ['touch {}']",
        "!!python/name:os.system",
    ],
)
def test_a_python_tag_does_not_run(tmp_path, attack):
    witness = tmp_path / "witness"
    text = write(tmp_path, SPEC).read_text().replace("a shop", attack.replace("{}", str(witness)))
    assert "is not safe YAML" in refusal(tmp_path, text)
    assert not witness.exists()


@pytest.mark.parametrize("content", ["", "- a list", "just a word", "a: [", "a: \x00", "42"])
def test_what_is_no_mapping(tmp_path, content):
    refusal(tmp_path, content)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_bytes(b"program: \xff\xfe")
    with pytest.raises(SpecError, match=r"shop\.yaml"):
        load(path)


@pytest.mark.parametrize("day", ["2026-13-45", "tomorrow", "2026-11-16T12:00:00Z", "20261116", "''"])
def test_a_day_that_is_none(tmp_path, day):
    refusal(tmp_path, write(tmp_path, SPEC).read_text().replace("2026-11-16", day))


@pytest.mark.parametrize(
    "name", ["../shop", "a/b", "/etc/passwd", "", ".", "..", "Shop", "sh-op", "shop\n", "a" * 64]
)
def test_a_name_that_could_be_a_path_is_none(tmp_path, monkeypatch, name):
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path / "dags"))
    (tmp_path / "dags").mkdir()
    write(tmp_path, SPEC)
    with pytest.raises(SpecError, match="is not a program's name"):
        find(name)
    assert "program: String should match pattern" in refusal(tmp_path, with_("program", name))


@pytest.mark.parametrize("place", ["learners", "variants", "rewards.values"])
def test_names_inside_a_program_are_names_too(tmp_path, place):
    spec = copy.deepcopy(SPEC)
    inner = spec
    for folder in place.split("."):
        inner = inner[folder]
    inner["../x"] = next(iter(inner.values()))
    assert "String should match pattern" in refusal(tmp_path, spec)


def test_a_file_and_its_program_share_a_name(tmp_path):
    assert "file and program share a name" in refusal(tmp_path, SPEC, name="store")


@pytest.mark.parametrize(("first", "second"), [(0.9, 0.2), (0.5, 0.4), (0.0, 0.0)])
def test_shares_sum_to_1(tmp_path, first, second):
    spec = with_("variants.learned.share", first)
    spec["variants"]["random"]["share"] = second
    assert "the shares must sum to 1" in refusal(tmp_path, spec)


@pytest.mark.parametrize("shares", [(0.1, 0.2, 0.7), (1 / 3, 1 / 3, 1 / 3), (0.7, 0.2, 0.1)])
def test_shares_that_sum_to_1_but_for_rounding_do(tmp_path, shares):
    spec = with_("variants", {f"v{i}": {"share": s, "policy": "uniform"} for i, s in enumerate(shares)})
    assert len(load(write(tmp_path, spec)).only_issue.variants) == 3


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), "0.9", True])
def test_a_share_is_between_0_and_1(tmp_path, share):
    assert "variants.learned.share" in refusal(tmp_path, with_("variants.learned.share", share))


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("gate.first_champion", "nobody", "gate.first_champion: 'nobody' is not one of the learners"),
        ("gate.first_champion", "champion", "gate.first_champion: 'champion' is not one of the learners"),
        ("variants.random.policy", "nobody", "variants.random.policy: 'nobody' is not one of"),
        ("learners.champion", {"kind": "uniform"}, "'champion' is the word for whichever learner"),
        ("learners.logged", {"kind": "uniform"}, "'logged' is the word for the policy that wrote the logs"),
        ("learners.uniform.kind", "magic", "learners.uniform: Input tag 'magic'"),
        ("depth", 1, "depth: a ranking of 1 can't fill 2 slots"),
        ("slots", 0, "slots: Input should be greater than or equal to 1"),
        ("slots", True, "slots: Input should be a valid integer"),
        ("slots", 1.0, "slots: Input should be a valid integer"),
        ("logs.propensity", "guessed", "logs.propensity: Input should be 'conditional' or 'marginal'"),
        ("floor", 0, "floor: Input should be greater than 0"),
        ("floor", 1.5, "floor: Input should be less than or equal to 1"),
        ("floor", float("nan"), "floor: "),
        ("rewards.values", {}, "rewards.values: Dictionary should have at least 1 item"),
        ("rewards.values", {"click": float("nan")}, "rewards.values.click: Input should be a finite number"),
        ("rewards.values", {"click": float("inf")}, "rewards.values.click: Input should be a finite number"),
        (
            "learners.linear.ridge",
            float("inf"),
            "learners.linear.linear_thompson.ridge: Input should be a finite",
        ),
        ("learners.linear.ridge", 0, "learners.linear.linear_thompson.ridge: Input should be greater than 0"),
        ("rewards.attribution", {"rule": "magic"}, "rewards.attribution.rule: Input should be 'last_touch'"),
        ("variants", {}, "variants: Dictionary should have at least 1 item"),
    ],
)
def test_what_a_program_may_not_say(tmp_path, place, value, says):
    assert says in refusal(tmp_path, with_(place, value))


def test_marginal_propensities_have_an_end_and_conditional_ones_have_none(tmp_path):
    spec = with_("slots", 4)
    spec["depth"] = 4
    assert "marginal propensities are exact up to slot 3" in refusal(tmp_path, spec)
    spec["logs"]["propensity"] = "conditional"
    assert load(write(tmp_path, spec)).slots == 4


def test_a_column_declared_twice(tmp_path):
    age = {"name": "age", "type": "number"}
    assert "a column is declared twice" in refusal(tmp_path, with_("logs.context", [age, age]))
    assert "a column is declared twice" in refusal(tmp_path, with_("logs.arm_features", [age, age]))


@pytest.mark.parametrize(
    ("text", "span"),
    [("30m", timedelta(minutes=30)), ("12h", timedelta(hours=12)), ("14d", timedelta(days=14))],
)
def test_durations(tmp_path, text, span):
    assert load(write(tmp_path, with_("rewards.window", text))).only_issue.rewards.window == span


@pytest.mark.parametrize("text", ["3661d", "87841h", "99999d"])
def test_a_duration_has_an_end(tmp_path, text):
    assert "3660d (ten years) at most" in refusal(tmp_path, with_("rewards.window", text))
    assert load(write(tmp_path, with_("rewards.decay", "3660d"))).only_issue.rewards.decay == timedelta(
        days=3660
    )


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("training", {"window_days": 999_999}),
        ("training", {"window_days": 3661}),
        ("evaluation", {"window_days": 999_999_999_999}),
        ("evaluation", {"resamples": 10**9}),
        ("evaluation", {"reward_range": [0.0, 1e300]}),
        ("evaluation", {"reward_model_ridge": 1e300}),
        ("gate.min_ess", 1e300),
        ("gate.min_users", 10**30),
        ("gate.margin", 1e300),
        ("rewards.values.click", -1e300),
        ("rewards.cap", 1e300),
        ("rewards.max_outcomes", 10**30),
        ("rewards.name", "n" * 1001),
        ("description", "a" * 100_000),
        ("owner", "a" * 1001),
        ("start_date", "1969-12-31"),
        ("start_date", "9999-12-31"),
        ("learners.linear.ridge", 1e300),
        ("learners.linear.draws", 10**9),
        ("learners", {f"l{n}": {"kind": "uniform"} for n in range(101)}),
        ("logs.rejects", {"max_files": 10**30}),
        ("logs.context", [{"name": f"c{n}", "type": "number"} for n in range(1001)]),
        ("logs.context", [{"name": "age", "type": "number", "boundaries": [1e300]}]),
        ("exposure", [{"name": "some", "arms": ["a"], "exposures": 1e300}]),
    ],
)
def test_every_size_has_an_end(tmp_path, place, value):
    spec = with_(place, value)
    text = yaml.safe_dump(spec)
    for day in ("2026-11-16", "1969-12-31", "9999-12-31"):
        text = text.replace(f"'{day}'", day)
    message = refusal(tmp_path, text)
    assert place.rpartition(".")[0] in message
    assert any(words in message for words in (" at most ", "less than or equal", "greater than or equal"))
    assert len(message) < 1000


@pytest.mark.parametrize(
    "text", ["0h", "-1h", "1.5h", "h", "12", 12, "1w", "12 h", "12H", "", None, "²d", "9999999999999d"]
)
def test_what_is_no_duration(tmp_path, text):
    assert "rewards.window" in refusal(tmp_path, with_("rewards.window", text))


def test_find_lists_what_there_is(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path))
    with pytest.raises(SpecError, match=r"no program 'shop' in .* \(there: none\)"):
        find("shop")
    write(tmp_path, SPEC)
    write(tmp_path, SPEC, "a_store")
    (tmp_path / "shop.py").touch()
    assert find("shop") == load(tmp_path / "shop.yaml")
    with pytest.raises(SpecError, match=r"no program 'nothing' in .* \(there: a_store, shop\)"):
        find("nothing")


def test_programs_live_in_dags_unless_the_environment_says_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NIGHTSLATE_DAGS", raising=False)
    with pytest.raises(SpecError, match=f"no program 'shop' in {tmp_path / 'dags'}"):
        find("shop")
