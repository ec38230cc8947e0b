"""Mail against a real server: once each, whatever it answers and whenever somebody is killed."""

import json
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from nightslate.errors import MachineError, UnavailableError
from nightslate.sending.journal import UNKNOWN, Journal
from nightslate.sending.mailing import in_words
from nightslate.sending.pace import Pace
from nightslate.sending.smtp import Connection, Server

from .mail_server import OK, Box, mail_server
from .mailings import NOON, address, mailing, sends

FIRST, SECOND = f"{0:064x}", f"{1:064x}"


def once(answer: str, times: int = 1):
    """That answer so many times, then OK."""
    left = [answer] * times
    return lambda _: left.pop() if left else OK


def of_first(answer: str):
    return lambda recipient: answer if recipient == address(0) else OK


def test_each_send_is_a_message_and_none_is_sent_again(tmp_path: Path):
    box, folder = Box(), tmp_path / "journal"
    with mail_server(box) as port:
        found = mailing(folder, port).run(sends(3))
        assert in_words(found) == "3 sent"
        again = mailing(folder, port).run(sends(4))
    assert again.counts == {"sent before": 3, "sent": 1}
    assert box.recipients == [address(at) for at in range(4)]
    message = box.taken[1][1]
    assert (message["To"], message["From"], message["Subject"]) == (
        address(1),
        "Shop <news@shop.example>",
        "News",
    )
    assert message["Message-ID"] == f"<{SECOND}@shop.example>"
    assert message["Date"].datetime == NOON
    assert message.get_content().splitlines() == ["Hello.", ".a line that begins with a dot"]


def test_what_is_not_to_be_sent_now_is_counted(tmp_path: Path):
    (optout, over, early, stranger), box = sends(4), Box()
    over["send_until"], early["send_at"] = NOON, NOON + timedelta(minutes=30)
    stranger["user_id"] = "f" * 32
    with mail_server(box) as port:
        found = mailing(tmp_path, port, opted_out={optout["user_id"]}).run([optout, over, early, stranger])
    assert in_words(found) == "1 no_address, 1 not due yet, 1 opted_out, 1 window_over; the next at 12:30 UTC"
    assert not box.asked
    assert not Journal(tmp_path).statuses()


def test_a_window_that_is_over_while_others_are_sent_is_over(tmp_path: Path):
    hours = iter([0, 0, 0, 0, 2, 2])
    how, box = mailing(tmp_path, 0), Box()
    clock = type(how.clock)(now=lambda: NOON + timedelta(hours=next(hours, 2)), sleep=lambda _: None)
    with mail_server(box) as port:
        found = mailing(tmp_path, port, clock=clock).run(sends(2))
    assert found.counts == {"sent": 1, "window_over": 1}
    assert box.recipients == [address(0)]


@pytest.mark.parametrize(("moment", "answer"), [("rcpt", "550 no such user"), ("data", "554 no thanks")])
def test_what_is_refused_for_ever_is_recorded_and_not_tried_again(tmp_path: Path, moment: str, answer: str):
    box, slept = Box(**{moment: of_first(answer)}), []
    with mail_server(box) as port:
        found = mailing(tmp_path, port, slept).run(sends(2))
        asked = len(box.asked)
        again = mailing(tmp_path, port).run(sends(2))
    assert found.counts == {"refused": 1, "sent": 1}
    assert again.counts == {"refused before": 1, "sent before": 1}
    assert len(box.asked) == asked == 2
    assert not slept
    claim, said = (tmp_path / FIRST[:2] / FIRST).read_text().splitlines()
    assert json.loads(said)["code"] == int(answer[:3])
    assert json.loads(claim)["user_id"] == f"{0:032x}"
    assert "@" not in claim + said


@pytest.mark.parametrize("moment", ["rcpt", "data", "mail"])
def test_what_is_refused_for_now_is_tried_again_later_and_later(tmp_path: Path, moment: str):
    box, slept = Box(**{moment: once("451 try again", 3)}), []
    with mail_server(box) as port:
        assert mailing(tmp_path, port, slept).run(sends(1)).counts == {"sent": 1}
    assert box.recipients == [address(0)]
    assert slept == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("moment", ["rcpt", "data"])
def test_what_is_not_taken_in_five_tries_is_left_to_another_run(tmp_path: Path, moment: str):
    box = Box(**{moment: of_first("451 try again")})
    with mail_server(box) as port:
        found = mailing(tmp_path, port).run(sends(2))
        assert found.counts == {"deferred": 1, "sent": 1}
        assert box.asked.count(address(0)) == 5
        assert Journal(tmp_path).statuses() == {SECOND: "sent"}
        setattr(box, moment, lambda _: OK)
        assert mailing(tmp_path, port).run(sends(2)).counts == {"sent": 1, "sent before": 1}
    assert box.recipients == [address(1), address(0)]


def test_a_server_that_hangs_with_a_message_leaves_it_unknown_and_the_others_go_on(tmp_path: Path):
    box = Box(hangs=lambda recipient: recipient == address(0))
    with mail_server(box) as port:
        slow = Connection(Server("127.0.0.1", port, seconds=0.5))
        with pytest.raises(UnavailableError, match=f"went silent .*whether {FIRST} was sent is unknown"):
            mailing(tmp_path, port, connection=slow).run(sends(3))
        assert Journal(tmp_path).statuses() == {FIRST: UNKNOWN}
        found = mailing(tmp_path, port).run(sends(3))
    assert found.counts == {"unknown before": 1, "sent": 2}
    assert found.unknown == [FIRST]
    assert box.asked.count(address(0)) == 1


def test_where_no_server_is_nothing_is_claimed(tmp_path: Path):
    with mail_server(Box()) as port:
        pass
    slept: list[float] = []
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port} does not answer"):
        mailing(tmp_path, port, slept).run(sends(2))
    assert slept == [1.0, 2.0, 4.0, 8.0]
    assert not Journal(tmp_path).statuses()


def test_a_connection_that_was_lost_is_made_again(tmp_path: Path):
    box = Box()
    with mail_server(box) as port:
        how = mailing(tmp_path, port)
        send_the_rest = sends(2)
        assert how._sent(send_the_rest[0], Pace(1e6, time.monotonic, lambda _: None)) == "sent"
        how.connection._client.sock.close()
        assert how.run(send_the_rest).counts == {"sent before": 1, "sent": 1}
    assert box.recipients == [address(0), address(1)]


def test_a_server_that_refuses_the_sender_gives_up_no_send(tmp_path: Path):
    with (
        mail_server(Box(mail=lambda _: "550 not you")) as port,
        pytest.raises(MachineError, match=r"takes no mail from the sender of the template \(code 550\)"),
    ):
        mailing(tmp_path, port).run(sends(2))
    assert not Journal(tmp_path).statuses()


def test_a_server_that_refuses_whatever_comes_is_not_sent_everything(tmp_path: Path):
    box = Box(data=lambda _: "554 you are on a list")
    with mail_server(box) as port, pytest.raises(MachineError, match="not taken 20 messages in a row"):
        mailing(tmp_path, port).run(sends(50))
    assert len(box.asked) == 20


@pytest.mark.parametrize("moment", ["claim", "answer"])
def test_whoever_stops_between_claim_and_answer_leaves_an_unknown_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
):
    """Before the message is handed over, or after."""
    box, done = Box(), getattr(Journal, moment)

    def stopped(self, send_id, *said):
        if moment == "claim":
            done(self, send_id, *said)
        raise KeyboardInterrupt

    with mail_server(box) as port:
        with monkeypatch.context() as broken:
            broken.setattr(Journal, moment, stopped)
            with pytest.raises(KeyboardInterrupt):
                mailing(tmp_path, port).run(sends(2))
        found = mailing(tmp_path, port).run(sends(2))
    assert found.counts == {"unknown before": 1, "sent": 1}
    assert found.unknown == [FIRST]
    assert box.recipients == ([address(1)] if moment == "claim" else [address(0), address(1)])


def test_killed_with_a_message_on_its_way_and_run_again_sends_nothing_twice(tmp_path: Path):
    reached = threading.Event()

    def slow(recipient: str) -> bool:
        if recipient == address(3) and not reached.is_set():
            reached.set()
            return True
        return False

    box = Box(hangs=slow)
    with mail_server(box) as port:
        script = [sys.executable, "-m", "tests.unit.sending.mailings", str(tmp_path), str(port), "8"]
        process = subprocess.Popen(script)
        assert reached.wait(60)
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
        found = mailing(tmp_path, port).run(sends(8))
    assert found.counts == {"sent before": 3, "unknown before": 1, "sent": 4}
    assert found.unknown == [f"{3:064x}"]
    assert box.recipients == [address(at) for at in (0, 1, 2, 4, 5, 6, 7)]


def test_of_several_at_once_one_sends_each(tmp_path: Path):
    box = Box()
    with mail_server(box) as port:
        ways = [mailing(tmp_path, port) for _ in range(4)]
        found: list = []
        threads = [threading.Thread(target=lambda how=how: found.append(how.run(sends(60)))) for how in ways]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(box.recipients) == sorted(address(at) for at in range(60))
    assert sum(each.counts["sent"] for each in found) == 60
    assert all(sum(each.counts.values()) == 60 for each in found)


def test_a_line_that_was_cut_short_is_no_answer(tmp_path: Path):
    journal = Journal(tmp_path)
    assert journal.claim(FIRST, {})
    assert not journal.claim(FIRST, {})
    journal.answer(FIRST, "sent", 250, "now")
    assert journal.statuses() == {FIRST: "sent"}
    whole = (tmp_path / FIRST[:2] / FIRST).read_bytes()
    for length in range(len(whole)):
        (tmp_path / FIRST[:2] / FIRST).write_bytes(whole[:length])
        assert journal.statuses() == {FIRST: UNKNOWN}


def test_so_many_a_second_at_most():
    now, starts = [0.0], []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pace = Pace(4.0, lambda: now[0], sleep)
    for took in (0.0, 0.1, 0.9, 0.0, 0.0):
        pace.wait()
        starts.append(now[0])
        now[0] += took
    assert starts == pytest.approx([0.0, 0.25, 0.5, 1.4, 1.65])


def test_a_mailing_keeps_the_pace(tmp_path: Path):
    slept: list[float] = []
    with mail_server(Box()) as port:
        mailing(tmp_path, port, slept, per_second=2.0).run(sends(3))
    assert len(slept) == 2
    assert sum(slept) <= 0.5 + 1.0
    assert all(wait > 0.3 for wait in slept)


class _Knows:
    def __call__(self, *asked):
        data = asked[-1]
        right = isinstance(data, LoginPassword) and data == LoginPassword(b"mailer", b"open sesame")
        return AuthResult(success=right)


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
@pytest.mark.parametrize("password", ["open sesame", "wrong"])
def test_the_login_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str):
    monkeypatch.setenv("NIGHTSLATE_SMTP_USER", "mailer")
    monkeypatch.setenv("NIGHTSLATE_SMTP_PASSWORD", password)
    asks = {"authenticator": _Knows(), "auth_required": True, "auth_require_tls": False}
    with mail_server(Box(), **asks) as port:
        if password == "open sesame":  # noqa: S105
            assert mailing(tmp_path, port).run(sends(1)).counts == {"sent": 1}
        else:
            with pytest.raises(MachineError, match="does not let us in") as error:
                mailing(tmp_path, port).run(sends(1))
            assert password not in str(error.value)


def test_another_machine_gets_no_mail_without_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Server, "is_here", False)
    box = Box()
    with mail_server(box) as port, pytest.raises(MachineError, match="no STARTTLS that can be trusted"):
        mailing(tmp_path, port).run(sends(1))
    assert not box.asked
