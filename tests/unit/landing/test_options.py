"""What the command line may say."""

from datetime import date, timedelta

import pytest

from nightslate.errors import SpecError
from nightslate.landing.options import Source, Until, closing, source, until
from nightslate.landing.topic import Topic


@pytest.mark.parametrize(
    ("url", "servers", "topic"),
    [
        ("kafka://127.0.0.1:9092/clicks", "127.0.0.1:9092", "clicks"),
        (
            "kafka://a.example:9092,b.example:9093/shop.clicks-2",
            "a.example:9092,b.example:9093",
            "shop.clicks-2",
        ),
        ("kafka://[::1]:9092/_x", "[::1]:9092", "_x"),
    ],
)
def test_a_topic_is_named_by_a_url(url, servers, topic):
    found = source(url, None)
    assert (found.servers, found.topic, str(found)) == (servers, topic, url)


@pytest.mark.parametrize(
    "url",
    [
        "clicks",
        "http://a:1/clicks",
        "kafka://a/clicks",
        "kafka://a:9092",
        "kafka://a:9092/",
        "kafka://a:9092/..",
        "kafka://a:9092/a/b",
        "kafka://a:9092/x?y=1",
        "kafka://a:9092/x#y",
        "kafka://a:9092/" + "x" * 181,
        "kafka://a:9092,/x",
    ],
)
def test_what_is_no_topic_is_refused(url):
    with pytest.raises(SpecError, match="--from"):
        source(url, None)


def test_credentials_are_refused_and_not_repeated():
    with pytest.raises(SpecError, match="no room for credentials") as error:
        source("kafka://me:secret@a:9092/x", None)
    assert "secret" not in str(error.value)


def test_settings_come_from_a_file(tmp_path):
    config = tmp_path / "kafka.properties"
    config.write_text("# of the cluster\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n")
    found = source("kafka://a:9092/x", config)
    assert found.settings == (("security.protocol", "SASL_SSL"), ("sasl.password", "a=b"))
    assert "a=b" not in str(found)


@pytest.mark.parametrize("text", ["secret", "=secret", "group.id=secret", "auto.offset.reset=secret"])
def test_a_line_that_is_no_setting_is_named_and_not_repeated(tmp_path, text):
    config = tmp_path / "kafka.properties"
    config.write_text(f"\n{text}\n")
    with pytest.raises(SpecError, match="line 2") as error:
        source("kafka://a:9092/x", config)
    assert "secret" not in str(error.value)


def test_a_setting_that_librdkafka_refuses_is_named_without_its_value():
    wrong = Source("127.0.0.1:1", "x", (("security.protocol", "secret"),))
    with pytest.raises(SpecError, match=r'--config: .*"security\.protocol"') as error:
        Topic(wrong)
    assert "secret" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SpecError, match="can't be read"):
        source("kafka://a:9092/x", tmp_path / "none")


def test_until():
    assert until("latest") == Until()
    assert until("10000") == Until(messages=10_000)
    assert until("30s") == Until(seconds=30)
    assert until("10m") == Until(seconds=600)
    for text in ("", "0", "0s", "ten", "-1", "1.5", "2w"):
        with pytest.raises(SpecError, match="--until"):
            until(text)


def test_closing():
    assert closing("2024-03-01") == date(2024, 3, 1)
    assert closing("2h") == timedelta(hours=2)
    for text in ("", "tomorrow", "2999-01-01"):
        with pytest.raises(SpecError, match="--close"):
            closing(text)
