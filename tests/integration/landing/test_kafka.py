"""A topic of a real broker into landing files and into the tables of a night."""

import itertools
import platform
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from confluent_kafka import Producer
from tests.integration.pipeline import world

from nightslate.errors import CommitConflictError, LandingError, MachineError, SpecError, UnavailableError
from nightslate.landing import land as landings
from nightslate.landing import topic as topics
from nightslate.landing.batches import Batches
from nightslate.landing.messages import line

from . import broker, landed
from .landed import FIRST, HOUR, MIDNIGHT, land, lines, outcome, outcomes

MACHINES = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "x86_64"), ("Darwin", "arm64")}
if (platform.system(), platform.machine()) not in MACHINES:
    pytest.skip("the broker of these tests is not made for this machine", allow_module_level=True)

Forking = Popen[str]
NAMES = (f"outcomes.{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with broker.running(broker.tansu(), broker.free_port()) as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    dags = tmp_path_factory.mktemp("dags")
    world.write_program(dags)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NIGHTSLATE_DAGS", str(dags))
        environment.setenv("NIGHTSLATE_PSEUDONYM_KEY", "a key of the tests alone")
        yield


@pytest.fixture(scope="module")
def forking(program: None) -> Iterator[Forking]:
    with landed.forking() as process:
        yield process


@pytest.fixture
def topic(address: str) -> str:
    """A new topic of three partitions."""
    name = next(NAMES)
    broker.create(address, name, 3)
    return name


@pytest.fixture
def source(address: str, topic: str) -> str:
    return f"kafka://{address}/{topic}"


def produced(messages: list[tuple[int, bytes | None, int]]) -> Counter[bytes]:
    return Counter(line(value) for _, value, _ in messages)


def test_messages_land_once_in_files_named_by_what_they_hold(
    tmp_path: Path, address: str, topic: str, source: str
) -> None:
    assert "0 messages" in land(tmp_path, source)  # an empty topic
    messages = outcomes(600)
    broker.produce(address, topic, messages[:400])
    said = land(tmp_path, source, "--flush-size", "100")
    assert "400 messages" in said
    assert lines(tmp_path) == produced(messages[:400])

    broker.produce(address, topic, messages[400:])
    assert "200 messages" in land(tmp_path, source)
    assert "0 messages" in land(tmp_path, source)

    assert lines(tmp_path) == produced(messages)
    for file in landed.folder(tmp_path).glob("ds=*/*"):
        _number, name, partition, first, last = file.stem.removeprefix("kafka-").split("-")
        assert name == topic
        held = [value for of, value, _ in messages if of == int(partition)][int(first) : int(last) + 1]
        assert file.read_bytes().splitlines() == held
        assert all(f'"occurred_at": "{file.parent.name[3:]}'.encode() in value for value in held)
    _, record = Batches(landed.folder(tmp_path) / "_kafka").last()
    assert record
    assert record.next == {0: 200, 1: 200, 2: 200}
    assert landed.closed(tmp_path) == []


def test_where_it_stops(tmp_path: Path, address: str, topic: str, source: str) -> None:
    broker.produce(address, topic, outcomes(300))
    assert "250 messages" in land(tmp_path, source, "--until", "250")
    assert "50 messages" in land(tmp_path, source, "--until", "1s")
    assert lines(tmp_path) == produced(outcomes(300))


def test_a_day_is_closed_once_every_partition_is_past_it(
    tmp_path: Path, address: str, topic: str, source: str
) -> None:
    day = 24 * HOUR
    broker.produce(address, topic, [(p, outcome(p, MIDNIGHT), MIDNIGHT + day + 2 * HOUR) for p in (0, 1)])
    said = land(tmp_path, source, "--close", "2h")
    assert "2024-03-01: partition 2 has no message yet" in said
    broker.produce(address, topic, [(2, outcome(2, MIDNIGHT), MIDNIGHT + day + 2 * HOUR - 1)])
    said = land(tmp_path, source, "--close", "2h")
    assert "the newest message of partition 2 is of 2024-03-02 01:59:59 UTC" in said
    assert landed.closed(tmp_path) == []
    broker.produce(address, topic, [(2, outcome(3, MIDNIGHT), MIDNIGHT + day + 2 * HOUR)])
    assert "closed: 2024-03-01" in land(tmp_path, source, "--close", "2h")
    assert "closed: 2024-03-04" in land(tmp_path, source, "--close", "2024-03-04")  # without a message
    assert landed.closed(tmp_path) == ["ds=2024-03-01", "ds=2024-03-04"]


def test_what_comes_too_late_waits_until_its_day_is_reopened(
    tmp_path: Path, address: str, topic: str, source: str
) -> None:
    messages = outcomes(30)
    broker.produce(address, topic, messages)
    land(tmp_path, source, "--close", "2024-03-01")
    late = [
        (0, outcome(99, MIDNIGHT), MIDNIGHT + 30 * HOUR),
        (1, outcome(98, MIDNIGHT + 40 * HOUR), MIDNIGHT),
    ]
    broker.produce(address, topic, late)

    said = land(tmp_path, source)

    assert "Look: of days that had landed: 2024-03-01: 1." in said
    assert lines(tmp_path) == produced(messages) + produced(late[1:])
    assert lines(tmp_path, "_late/ds=2024-03-01") == produced(late[:1])
    assert "messages wait beside 2024-03-01" in land(tmp_path, source)  # each time
    with pytest.raises(SpecError, match="no message waits"):
        land(tmp_path, source, "--reopen", "2024-03-02")
    said = land(tmp_path, source, "--reopen", "2024-03-01")
    assert "2024-03-01 has landed again: run its night" in said
    assert "wait beside" not in said
    assert lines(tmp_path) == produced(messages + late)
    assert landed.closed(tmp_path) == ["ds=2024-03-01"]


def test_every_message_is_a_row_or_a_reject_of_the_night(
    tmp_path: Path, address: str, topic: str, source: str
) -> None:
    """Poison, tombstones and events with a wrong clock land too; a night stops where it is too much of it."""
    world.land_all(tmp_path)
    for file in landed.folder(tmp_path).glob("ds=*/*"):
        file.unlink()
    good = outcomes(2000, days=1)
    poison = [b"no JSON", b"\xff\xfe\x00", b"", b"[1]", b'{"outcome_id": "x"}\n{"outcome_id": "y"}', None]
    poison.append(outcome(10**6, 0))  # in 1970
    broker.produce(
        address, topic, [(0, poison[1], MIDNIGHT), *good, *((1, value, MIDNIGHT) for value in poison)]
    )
    pretty = outcome(10**7, MIDNIGHT).replace(b", ", b",\n")
    broker.produce(address, topic, [(2, pretty, MIDNIGHT)])

    land(tmp_path, source, "--close", str(FIRST))
    said = world.run_step("ingest", world.night(tmp_path, FIRST))

    assert "2001 outcomes, 40 users; 8 rows quarantined" in said


def test_several_at_once_land_once(
    tmp_path: Path, address: str, topic: str, source: str, forking: Forking
) -> None:
    messages = outcomes(120)
    broker.produce(address, topic, messages)
    runs = landed.Runs(forking, source, ("--flush-size", "3", *landed.impatient(tmp_path)))
    codes = runs.at_once(tmp_path / "home", "0", "0", "0")
    assert {*codes} == {0, CommitConflictError.exit_code}
    assert runs.run(tmp_path / "home") == 0
    assert lines(tmp_path / "home") == produced(messages)


def test_a_run_that_slept_while_another_went_on_changes_nothing(
    tmp_path: Path, address: str, topic: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has put its record, and wakes up once its files are written, their day is closed and all landed."""
    messages = outcomes(300)
    broker.produce(address, topic, messages)
    seen = []

    def asleep(path: Path, text: bytes) -> None:
        monkeypatch.setattr(landings, "put_settled", awake)
        land(tmp_path, source, "--close", str(FIRST))
        seen.append(lines(tmp_path))
        awake(path, text)
        seen.append(lines(tmp_path))

    awake = landings.put_settled
    monkeypatch.setattr(landings, "put_settled", asleep)
    with pytest.raises(CommitConflictError, match="another process lands into this log"):
        land(tmp_path, source, "--flush-size", "50")
    assert seen == [produced(messages)] * 2
    assert lines(tmp_path) == produced(messages)
    assert landed.closed(tmp_path) == [f"ds={FIRST}"]


def test_killed_anywhere_and_run_again_no_message_is_lost_or_doubled(
    tmp_path: Path, address: str, topic: str, source: str, forking: Forking
) -> None:
    """At a sample of the moments; `make drills` takes them all, with more messages."""
    messages = outcomes(120)
    broker.produce(address, topic, messages)
    runs = landed.Runs(
        forking, source, ("--flush-size", "60", "--close", str(FIRST), *landed.impatient(tmp_path))
    )
    for moment in itertools.count(1, 11):
        home = tmp_path / str(moment)
        code = runs.run(home, str(moment))
        if not code:
            break
        assert code == -signal.SIGKILL
        if landed.closed(home):
            assert lines(home) == produced(messages), moment
        runs.run(home, str(moment % 11 + 1))  # and killed again, early
        assert runs.run(home) == 0
        assert lines(home) == produced(messages), moment
        assert landed.closed(home) == [f"ds={FIRST}"]
    assert moment > 80


def test_a_log_has_one_topic(tmp_path: Path, address: str, topic: str, source: str) -> None:
    broker.produce(address, topic, outcomes(3))
    land(tmp_path, source)
    with pytest.raises(SpecError, match=f"fed from the topic {topic}, not from other"):
        land(tmp_path, f"kafka://{address}/other")
    with pytest.raises(SpecError, match="there is no such topic"):
        land(tmp_path / "another", f"kafka://{address}/other")


def test_a_topic_that_was_made_anew_stops_by_name_and_goes_on_when_told(tmp_path: Path) -> None:
    port = broker.free_port()
    source = f"kafka://127.0.0.1:{port}/anew"
    first, second = outcomes(30, partitions=2), outcomes(90, partitions=2)[30:]
    for messages in (first, second):
        with broker.running(broker.tansu(), port) as address:
            broker.create(address, "anew", 2)
            broker.produce(address, "anew", messages)
            if messages is first:
                land(tmp_path, source)
                continue
            with pytest.raises(LandingError, match=r"was made anew since .* its id was .* \{0: 15, 1: 15\}"):
                land(tmp_path, source)
            assert lines(tmp_path) == produced(first)
            land(tmp_path, source, "--restart")
            assert "0 messages" in land(tmp_path, source)
    assert lines(tmp_path) == produced(first + second)


def test_a_topic_whose_id_the_broker_does_not_tell_this_time_is_not_taken_for_the_same(
    tmp_path: Path, address: str, topic: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.produce(address, topic, outcomes(30))
    land(tmp_path, source)
    monkeypatch.setattr(topics.Topic, "id", lambda _: "")
    with pytest.raises(UnavailableError, match="whether it is still the topic"):
        land(tmp_path, source)


def test_a_broker_that_is_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "_ANSWER_SECONDS", 1.0)
    port = broker.free_port()
    with pytest.raises(UnavailableError, match=f"no broker of 127.0.0.1:{port} answers for clicks"):
        land(tmp_path, f"kafka://127.0.0.1:{port}/clicks")
    assert UnavailableError.exit_code == 75


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(MachineError, match=r'pip install "nightslate\[engine,kafka\]"'):
        land(tmp_path, "kafka://127.0.0.1:1/clicks")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> tuple[Producer, str]:
    """A cluster that keeps the newest 5 MB of a partition, and does not know of topics' ids."""
    monkeypatch.setattr(topics, "_ANSWER_SECONDS", 1.0)
    return broker.mock_cluster()


def test_expired_offsets_stop_by_name_with_numbers_and_are_recorded_when_told(
    tmp_path: Path, cluster: tuple[Producer, str]
) -> None:
    _, address = cluster
    source = f"kafka://{address}/expiring"
    broker.produce(address, "expiring", [(0, outcome(n, MIDNIGHT), MIDNIGHT) for n in range(10)])
    land(tmp_path, source)
    padded = [(0, outcome(n, MIDNIGHT) + b" " * 200_000, MIDNIGHT) for n in range(10, 60)]
    for message in padded:  # a batch each: whole batches expire
        broker.produce(address, "expiring", [message])

    with pytest.raises(
        LandingError, match=r"the next offset to land is 10, and the broker has (\d+) to 60"
    ) as error:
        land(tmp_path, source)
    low = int(str(error.value).split("the broker has ")[1].split()[0])
    assert f"the offsets 10 to {low - 1} have not landed and are gone" in str(error.value)
    assert sum(lines(tmp_path).values()) == 10

    said = land(tmp_path, source, "--restart")
    assert f"{low - 10:,} offsets are recorded as lost" in said
    assert sum(lines(tmp_path).values()) == 10 + 60 - low


def test_messages_that_expire_before_a_killed_run_is_completed_are_named(
    tmp_path: Path, cluster: tuple[Producer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is there, of its file the beginning, and now its messages are gone."""
    _owner, address = cluster
    source = f"kafka://{address}/gone"
    messages = [(0, outcome(n, MIDNIGHT), MIDNIGHT) for n in range(20)]
    broker.produce(address, "gone", messages[:10])
    land(tmp_path, source)
    broker.produce(address, "gone", messages[10:])
    with monkeypatch.context() as killed:
        killed.setattr(landings, "put_settled", lambda path, content: path.write_bytes(content[:50]))
        killed.setattr(Batches, "mark_done", lambda *_: None)
        land(tmp_path, source)
    for _ in range(50):
        broker.produce(address, "gone", [(0, b"x" * 200_000, MIDNIGHT)])

    with pytest.raises(LandingError, match=r"the next offset to land is 10, and the broker has \d+ to 70"):
        land(tmp_path, source)
    said = land(tmp_path, source, "--restart")

    assert "offsets are recorded as lost" in said
    assert Counter(value for value in lines(tmp_path) if value[:1] == b"{") == produced(messages[:10])


def test_an_end_before_what_has_landed_stops_by_name_with_numbers(
    tmp_path: Path, cluster: tuple[Producer, str]
) -> None:
    _owner, address = cluster
    broker.produce(address, "short", [(0, outcome(n, MIDNIGHT), MIDNIGHT) for n in range(10)])
    land(tmp_path, f"kafka://{address}/short")
    _another, address = broker.mock_cluster()
    broker.produce(address, "short", [(0, outcome(n, MIDNIGHT), MIDNIGHT) for n in range(10, 14)])
    with pytest.raises(
        LandingError, match=r"next offset to land is 10, and the broker has 0 to 4.* made anew"
    ):
        land(tmp_path, f"kafka://{address}/short")
    land(tmp_path, f"kafka://{address}/short", "--restart")
    assert sum(lines(tmp_path).values()) == 14
