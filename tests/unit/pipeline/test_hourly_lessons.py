"""Impressions that count, told apart by the hour of the day in which their window ends."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from nightslate.engines import Work
from nightslate.kernels.rewards import Matured
from nightslate.pipeline.hourly_lessons import HourlyLogs
from nightslate.pipeline.matured_logs import Logs
from nightslate.programs.days import end_of, matured_before

from .test_night import DS, night

STAMP = pa.timestamp("us", "UTC")
END, MIDNIGHT = end_of(DS), end_of(DS) - timedelta(days=1)
INSTANT, HOUR = timedelta(microseconds=1), timedelta(hours=1)


def with_window(tonight, minutes):
    rewards = tonight.issue.rewards.model_copy(update={"window": timedelta(minutes=minutes)})
    issue = tonight.issue.model_copy(update={"rewards": rewards})
    return type(tonight)(tonight.program, tonight.ds, tonight.home, issue=issue)


def times(logs, rows):
    return logs.matured.counting({"impressions": rows})["occurred_at"].to_pylist()


@given(
    minutes=st.sampled_from([30, 60, 90, 720, 1440, 10080, 10111]),
    hours=st.integers(0, 24),
    before_the_end=st.lists(st.integers(-3600, 3 * 86400), max_size=20),
    instants=st.sampled_from([-1, 0, 1]),
)
@example(minutes=60, hours=24, before_the_end=[0, 3600, 86400], instants=0)
@example(minutes=60, hours=5, before_the_end=[19 * 3600, 86400], instants=0)
def test_each_impression_counts_in_the_hour_in_which_its_window_ends(
    tmp_path_factory, minutes, hours, before_the_end, instants
):
    tonight = with_window(night(tmp_path_factory.mktemp("n")).of_issue("all"), minutes)
    window, known_until = timedelta(minutes=minutes), MIDNIGHT + hours * HOUR
    stamps = [END - window - timedelta(seconds=s) + instants * INSTANT for s in before_the_end]
    rows = pa.table({"occurred_at": pa.array(sorted(stamps), STAMP)})
    all_of_them = Logs(Work({}, 1), Matured("tiny", DS, matured_before(DS, window)))
    hourly = HourlyLogs.of(tonight, all_of_them, known_until)

    assert times(hourly.before, rows) == [t for t in sorted(stamps) if t + window < MIDNIGHT]
    young = [t for t in sorted(stamps) if t + window >= MIDNIGHT]
    if hours < 24:
        counting = [t for t in young if t + window < known_until]
    else:  # a night believes an impression at the very end, too
        counting = [t for t in young if t + window <= END]
        assert times(all_of_them, rows) == times(hourly.before, rows) + counting
    assert times(hourly.young, rows) == counting
    found = hourly.hours_of(hourly.young.matured.counting({"impressions": rows})).tolist()
    assert found == [min((t + window - MIDNIGHT) // HOUR, 23) for t in counting]


def test_all_count_where_nothing_is_said_of_what_is_known(tmp_path):
    tonight = night(tmp_path).of_issue("all")
    logs = Logs(Work({}, 1), Matured("tiny", DS, matured_before(DS, tonight.issue.rewards.longest_window)))
    assert HourlyLogs.of(tonight, logs) == HourlyLogs.of(tonight, logs, datetime(2024, 3, 9, tzinfo=UTC))
