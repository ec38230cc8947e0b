"""Features of a program: what can't be computed from its activity is refused by name."""

import pytest
from pydantic import TypeAdapter

from nightslate.programs import load
from nightslate.programs.features_file import FeaturesFile
from nightslate.programs.learners import LearnerSpec, blind_to_more
from nightslate.programs.meaning import meaning

from .test_loading import SPEC, refusal, write

ACTIVITY = {"columns": [{"name": "page", "type": "category"}, {"name": "seconds", "type": "number"}]}
COUNT = {"aggregation": "count", "window": "7d"}


def with_features(features, activity=ACTIVITY, **more):
    return {**SPEC, "logs": {**SPEC["logs"], "activity": activity}, "features": features, **more}


def test_features_are_columns_of_contexts(tmp_path):
    spec = with_features(
        {
            "errors": {"aggregation": "count", "where": {"kind": "error"}, "windows": ["1d", "90m"]},
            "last_page": {"aggregation": "last", "column": "page", "window": "7d", "default": "none"},
            "seconds": {"aggregation": "sum", "column": "seconds", "window": "1d", "boundaries": [1, 9]},
        }
    )
    program = load(write(tmp_path, spec))
    columns = {feature.name: (feature.type, feature.boundaries) for feature in program.context}
    assert columns == {
        "age": ("number", ()),
        "errors_1d": ("number", ()),
        "errors_90m": ("number", ()),
        "last_page": ("category", ()),
        "seconds": ("number", (1.0, 9.0)),
    }
    assert program.only_issue.context == program.context
    assert program.logs.names[-1] == "activity"


@pytest.mark.parametrize(
    ("name", "feature", "says"),
    [
        ("n", {**COUNT, "where": {"pagee": "a"}}, "'pagee' is no column of activity"),
        ("n", {**COUNT, "where": {"pagee": "a"}}, "is page what is meant?"),
        ("n", {"aggregation": "sum", "column": "page", "window": "1d"}, "page is a category"),
        ("n", {"aggregation": "count"}, "features.n: a window is needed"),
        ("n", {**COUNT, "window": "36d"}, "its window is longer than activity is kept"),
        ("n", {"aggregation": "mean", "column": "seconds", "window": "1d"}, "say its `default`"),
        ("n", {"aggregation": "last", "column": "page", "window": "1d", "default": 0}, "has to be text"),
        ("n", {"aggregation": "last", "column": "seconds", "window": "1d", "default": "a"}, "to be a number"),
        ("age", COUNT, "the name 'age' is taken by another column of contexts"),
        ("reward", COUNT, "the name 'reward' is taken by another column of contexts"),
        ("interval", COUNT, "the name 'interval' is a word of SQL"),
        ("n", {**COUNT, "source": "clicks"}, "features.n.count.source"),
        ("n", {**COUNT, "source": "outcomes", "where": {"page": "a"}}, "'page' is no column of outcomes"),
    ],
)
def test_what_can_not_be_computed(tmp_path, name, feature, says):
    assert says in refusal(tmp_path, with_features({name: feature}))


def test_features_need_activity(tmp_path):
    assert "declare `logs.activity`" in refusal(tmp_path, {**SPEC, "features": {"n": COUNT}})
    of_clicks = {**COUNT, "source": "outcomes", "where": {"kind": "click"}}
    assert load(write(tmp_path, {**SPEC, "features": {"n": of_clicks}})).context[-1].name == "n"


def test_columns_of_activity_have_names_of_their_own(tmp_path):
    for name, says in (("kind", "the name 'kind' is taken"), ("page", "a column is declared twice")):
        columns = [{"name": "page", "type": "category"}, {"name": name, "type": "number"}]
        assert says in refusal(tmp_path, with_features({}, {"columns": columns}))


def test_an_issue_does_not_say_features_of_its_own(tmp_path):
    spec = with_features({"n": COUNT}, issues={"a": {"features": {"n": COUNT}}, "b": {}})
    assert "features is said once, for the whole program" in refusal(tmp_path, spec)


SEEN = {"source": "impressions", "aggregation": "count", "key": ["user_id", "topic"], "window": "7d"}


def with_topics(features, **more):
    arm_features = [{"name": "topic", "type": "category"}, {"name": "price", "type": "number"}]
    spec = with_features(features, **more)
    return {**spec, "logs": {**spec["logs"], "arm_features": arm_features}}


def test_features_by_arm_are_no_columns_of_users(tmp_path):
    of_arm = {**SEEN, "key": ["user_id", "arm_id"], "window": None, "windows": ["1d", "28d"]}
    program = load(write(tmp_path, with_topics({"seen": SEEN, "of_arm": of_arm})))
    assert [feature.name for feature in program.context] == ["age"]
    keyed = [(each.name, each.by, each.default) for each in program.keyed]
    assert keyed == [("of_arm_1d", "arm_id", 0.0), ("of_arm_28d", "arm_id", 0.0), ("seen", "topic", 0.0)]
    assert program.columns_of_contexts == ("age", "of_arm_1d", "of_arm_28d", "seen")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"key": ["user_id", "price"]}, "'price' is neither arm_id nor a category of logs.arm_features"),
        ({"key": ["topic"]}, "key: ['topic'] is none that features have"),
        ({"key": ["arm_id", "topic"]}, "is none that features have"),
        ({"key": ["user_id", "user_id"]}, "is none that features have"),
        ({"key": ["user_id", "topic", "arm_id"]}, "is none that features have"),
        ({"source": "activity"}, "activity is about no arm"),
        ({"boundaries": [2, 1]}, "boundaries: each must be larger than the one before"),
        ({"aggregation": "last", "column": "surface", "default": "app"}, "text is for features of users"),
    ],
)
def test_what_can_not_be_told_apart_by_arm(tmp_path, changes, says):
    assert says in refusal(tmp_path, with_topics({"seen": {**SEEN, **changes}}))


RATE = {
    "source": "credits",
    "key": ["arm_id"],
    "aggregation": "rate",
    "within": "1d",
    "window": "7d",
    "prior": 20,
    "default": 0.0,
}
LEFT = {"source": "arms", "key": ["arm_id"], "aggregation": "days_until", "column": "ends_on", "default": 99}


def with_dates(features):
    spec = with_topics(features)
    spec["logs"]["arm_dates"] = ["ends_on"]
    return spec


def test_features_of_arms_alone_stand_beside_arms(tmp_path):
    shown = {"source": "impressions", "key": ["arm_id"], "aggregation": "count", "windows": ["1d", "7d"]}
    program = load(write(tmp_path, with_dates({"shown": shown, "rate": RATE, "left": LEFT})))
    assert [feature.name for feature in program.context] == ["age"]
    defaults = {each.name: (each.by, each.default) for each in program.keyed}
    of_zero = dict.fromkeys(("shown_1d", "shown_7d", "rate"), ("arm_id", 0.0))
    assert defaults == {**of_zero, "left": ("arm_id", 99.0)}
    meant = meaning(program, "features_of_arms")
    assert {*meant} >= {"features.shown_1d", "features.rate", "features.left", "rewards.values.click"}
    assert not any(key.startswith("features.") for key in meaning(program, "features"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"source": "impressions"}, "rate: it has `source: credits` and `key: [arm_id]`"),
        ({"key": ["user_id", "arm_id"]}, "rate: it has `source: credits` and `key: [arm_id]`"),
        ({"within": "7d"}, "within: 7d is all of the window"),
        ({"prior": 0}, "prior: Input should be greater than 0"),
        ({"where": {"arm_id": "a"}}, "each arm has a rate of its own"),
        ({"where": {"price": 1}}, "'price' is no column of credits"),
        ({"default": None}, "say its `default`"),
    ],
)
def test_what_is_no_rate(tmp_path, changes, says):
    assert says in refusal(tmp_path, with_dates({"rate": {**RATE, **changes}}))


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        ({**LEFT, "column": "starts_on"}, "'starts_on' is none of logs.arm_dates (there: ['ends_on'])"),
        ({**LEFT, "window": "7d"}, "and neither `where` nor a window"),
        ({**LEFT, "default": None}, "say its `default`, which arms have that have no such date"),
        ({**SEEN, "source": "arms"}, "arms have days_until and days_since alone"),
        (
            {**SEEN, "key": ["arm_id"], "aggregation": "distinct", "column": "surface"},
            "is of the history of one user",
        ),
    ],
)
def test_what_arms_alone_have_not(tmp_path, feature, says):
    assert says in refusal(tmp_path, with_dates({"seen": feature}))


DAY = {"source": "calendar", "aggregation": "day_of_week"}
HOUR = {"source": "calendar", "aggregation": "hour_of_day", "boundaries": [6, 18]}


def test_days_and_hours_are_columns_of_contexts_and_of_no_table(tmp_path):
    spec = with_topics({"weekday": DAY, "hour": HOUR, "seen": SEEN}, features_as_of="temporal")
    program = load(write(tmp_path, spec))
    columns = {each.name: (each.type, each.boundaries) for each in program.context if each.name != "age"}
    assert columns == {"weekday": ("category", ()), "hour": ("number", (6.0, 18.0))}
    assert {*meaning(program, "features")} == {"features_as_of", "features.seen"}


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        (HOUR, "hour_of_day: slates of the night before are shown at any time of their (UTC) day"),
        ({**DAY, "zone": "timezone"}, "zone: slates of the night before"),
        ({**HOUR, "boundaries": []}, "hour_of_day: say its boundaries"),
        ({**DAY, "boundaries": [1]}, "day_of_week: it is a category"),
        ({**DAY, "window": "1d"}, "it has `source: calendar`, and no key, window or default"),
        ({**DAY, "source": "activity"}, "it has `source: calendar`"),
        ({"source": "calendar", "aggregation": "count"}, "calendar has day_of_week and hour_of_day"),
    ],
)
def test_what_the_calendar_has_not(tmp_path, feature, says):
    assert says in refusal(tmp_path, with_topics({"when": feature}))


def test_a_zone_is_a_category_that_lands(tmp_path):
    spec = with_topics({"when": {**DAY, "zone": "timezone"}}, features_as_of="temporal")
    assert "zone: 'timezone' is not a category of logs.context" in refusal(tmp_path, spec)


def test_users_are_not_chosen_by_features_of_arms(tmp_path):
    assert "seen" in refusal(tmp_path, with_topics({"seen": SEEN}, concerns="seen > 2"))


def test_a_key_is_part_of_what_a_feature_means(tmp_path):
    by_topic = meaning(load(write(tmp_path, with_topics({"seen": SEEN}))), "features")
    of_user = {**SEEN, "key": ["user_id"]}
    by_user = meaning(load(write(tmp_path, with_topics({"seen": of_user}))), "features")
    assert '"key": ["user_id", "topic"]' in by_topic["features.seen"]
    assert "key" not in by_user["features.seen"]


def test_what_a_learner_ignores_is_there(tmp_path):
    learners = {"uniform": {"kind": "uniform"}, "plain": {"kind": "linear_ucb", "ignores": ["seen", "age"]}}
    spec = with_topics({"seen": SEEN}, learners=learners)
    assert load(write(tmp_path, spec)).only_issue.learners["plain"].ignores == ("seen", "age")
    learners["plain"]["ignores"] = ["sen"]
    assert "learners.plain.ignores: 'sen' is not one of logs.context or features" in refusal(tmp_path, spec)
    learners["uniform"]["ignores"] = ["age"]
    assert "learners.uniform.uniform.ignores" in refusal(tmp_path, spec)


def test_features_of_credits_mean_what_rewards_say(tmp_path):
    credited = {**SEEN, "source": "credits", "aggregation": "sum", "column": "credit"}
    of_credits, of_impressions = (
        meaning(load(write(tmp_path, with_topics({"seen": feature}))), "features")
        for feature in (credited, SEEN)
    )
    assert {key.split(".")[0] for key in of_impressions} == {"features_as_of", "features"}
    assert "rewards.attribution.rule" in of_credits
    assert "is no column of credits" in refusal(tmp_path, with_topics({"n": {**credited, "column": "worth"}}))


def test_learners_that_are_alike_say_what_features_are_worth():
    learners = {
        "ucb": {"kind": "linear_ucb", "alpha": 0.5},
        "blind": {"kind": "linear_ucb", "alpha": 0.5, "ignores": ["seen", "age"]},
        "half": {"kind": "linear_ucb", "alpha": 0.5, "ignores": ["age"]},
        "other": {"kind": "linear_ucb", "ignores": ["seen"]},
        "uniform": {"kind": "uniform"},
    }
    known = TypeAdapter(dict[str, LearnerSpec]).validate_python(learners)
    assert blind_to_more(known) == [
        ("ucb", "blind", ("seen", "age")),
        ("ucb", "half", ("age",)),
        ("half", "blind", ("seen",)),
    ]


def test_a_file_has_users_and_no_arms():
    feature = {"aggregation": "count", "key": ["user_id", "arm_id"]}
    with pytest.raises(ValueError, match=r"features.seen: key: arm_id is of arms, which programs have"):
        FeaturesFile.model_validate({"features": {"seen": feature}})
