"""Sends that a test makes, and mailings of them."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nightslate.sending.journal import Journal
from nightslate.sending.mailing import Clock, Mailing
from nightslate.sending.smtp import Connection, Server
from nightslate.sending.templates import Template

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
LETTER = (
    b"From: Shop <news@shop.example>\r\nSubject: News\r\n\r\nHello.\r\n.a line that begins with a dot\r\n"
)


def sends(number: int, **changed) -> list[dict]:
    return [
        {
            "send_id": f"{at:064x}",
            "slate_id": "5" * 64,
            "user_id": f"{at:032x}",
            "arm_id": "letter",
            "send_at": NOON - timedelta(hours=1),
            "send_until": NOON + timedelta(hours=1),
            **changed,
        }
        for at in range(number)
    ]


def address(at: int) -> str:
    return f"user{at}@home.example"


def mailing(folder: Path, port: int, slept: list[float] | None = None, **changed) -> Mailing:
    """At noon, as fast as can be, of users who all have an address; waits are noted and not made."""
    said = {
        "journal": Journal(folder),
        "addresses": {f"{at:032x}": address(at) for at in range(100)},
        "opted_out": frozenset(),
        "templates": {"letter": Template("news@shop.example", LETTER)},
        "connection": Connection(Server("127.0.0.1", port, seconds=5.0)),
        "per_second": 1e6,
        "clock": Clock(now=lambda: NOON, sleep=(slept if slept is not None else []).append),
    }
    return Mailing(**{**said, **changed})


if __name__ == "__main__":
    mailing(Path(sys.argv[1]), int(sys.argv[2])).run(sends(int(sys.argv[3])))
