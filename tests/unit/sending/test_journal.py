"""What was handed over to a user is forgotten where the user is."""

from pathlib import Path

from nightslate.sending.journal import Journal


def test_the_sends_of_a_user_go_and_those_of_others_stay(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for send, user in (("a1", "ann"), ("a2", "bob"), ("b1", "ann")):
        journal.claim(send, {"send_id": send, "user_id": user})
        journal.answer(send, "sent", 250, "2026-11-16T12:00:00Z")
    cut_short = tmp_path / "c1" / "c1"
    cut_short.parent.mkdir()
    cut_short.write_bytes(b'{"send_id": "c1", "user_id": "ann')
    assert journal.forget("ann") == 3
    assert journal.statuses() == {"a2": "sent"}
    assert journal.forget("ann") == 0
