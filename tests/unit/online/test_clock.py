from datetime import UTC, datetime, timedelta

from nightslate.online.clock import Clock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_no_moment_comes_twice_and_none_goes_back() -> None:
    times = iter([NOON, NOON, NOON - timedelta(hours=1), NOON + timedelta(seconds=1)])
    clock = Clock(lambda: next(times))
    step = timedelta(microseconds=1)
    assert [clock.next() for _ in range(4)] == [
        NOON,
        NOON + step,
        NOON + 2 * step,
        NOON + timedelta(seconds=1),
    ]


def test_it_goes_on_after_what_was_before() -> None:
    clock = Clock(lambda: NOON)
    clock.not_before(NOON + timedelta(minutes=1))
    clock.not_before(NOON)
    assert clock.next() > NOON + timedelta(minutes=1)
