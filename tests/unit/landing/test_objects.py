"""Objects that are whole or not there."""

import os
import signal
import threading

import pytest

from nightslate.landing import objects
from nightslate.landing.objects import put_if_absent, put_settled


def test_of_many_who_put_one_name_one_does_and_its_content_stands(tmp_path):
    results = {}
    start = threading.Barrier(8)

    def put(number):
        start.wait()
        results[number] = put_if_absent(tmp_path / "1", str(number).encode() * 1000)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (winner,) = (number for number, won in results.items() if won)
    assert (tmp_path / "1").read_bytes() == str(winner).encode() * 1000
    assert [path for path in (tmp_path / "drafts").iterdir() if path.is_file()] == []


def test_what_a_killed_writer_left_goes_with_the_next_object(tmp_path):
    def killed(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if not pid:
        os.link = killed
        put_if_absent(tmp_path / "1", b"one")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert len(list((tmp_path / "drafts").iterdir())) == 1
    assert not (tmp_path / "1").exists()

    assert put_if_absent(tmp_path / "1", b"two")

    assert (tmp_path / "1").read_bytes() == b"two"
    assert list((tmp_path / "drafts").iterdir()) == []


@pytest.mark.parametrize("there", [b"", b"whole", b"whole text", b"whole text and more", b"other bytes"])
def test_a_settled_object_is_what_was_settled_whatever_was_there(tmp_path, there):
    (tmp_path / "a").write_bytes(there)
    put_settled(tmp_path / "a", b"whole text")
    assert (tmp_path / "a").read_bytes() == b"whole text"


def test_a_whole_object_is_whole_also_while_it_is_put_again(tmp_path, monkeypatch):
    """Whoever was stopped while it wrote goes on later: no reader sees less than the whole."""
    put_settled(tmp_path / "a", b"whole text")
    seen = []
    opened = os.open

    def watched(path, *arguments, **options):
        number = opened(path, *arguments, **options)
        seen.append((tmp_path / "a").read_bytes())
        return number

    monkeypatch.setattr(objects.os, "open", watched)
    put_settled(tmp_path / "a", b"whole text")
    assert seen
    assert set(seen) == {b"whole text"}
