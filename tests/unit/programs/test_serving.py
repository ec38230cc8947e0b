from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from nightslate.programs.detectors import Detector
from nightslate.programs.features import FeatureSpecs
from nightslate.programs.serving import Serving, require_servable


def test_a_day_is_closed_before_the_next_one_is_over() -> None:
    assert Serving().late == timedelta(minutes=10)
    assert Serving(late="23h").late == timedelta(hours=23)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="less than a day"):
        Serving(late="1d")  # type: ignore[arg-type]


def test_what_no_request_can_know_is_refused_by_name() -> None:
    seen = {"source": "impressions", "aggregation": "count", "key": ["user_id", "topic"], "window": "7d"}
    features = TypeAdapter(FeatureSpecs).validate_python({"seen": seen})
    detectors = {"churn": Detector.model_validate({"of": "cancellation", "within": "7d"})}
    require_servable(None, features, detectors)
    require_servable(Serving(), {}, {})
    with pytest.raises(ValueError, match=r"features with a key of arms \(seen\)"):
        require_servable(Serving(), features, {})
    with pytest.raises(ValueError, match=r"detectors \(churn\)"):
        require_servable(Serving(), {}, detectors)
