"""What is written to users: a file NAME.eml for each arm, a message without a recipient."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from nightslate.errors import ContractError
from nightslate.sending.addresses import is_address

_SUFFIX = ".eml"
_OURS = ("To", "Cc", "Bcc", "Date", "Message-ID")
_MOST_NAMED = 10


@dataclass(frozen=True)
class Template:
    """`sender`: the address that it is from. content: the file."""

    sender: str
    content: bytes

    @classmethod
    def read(cls, path: Path) -> Template:
        """Raises ContractError, naming the file, for what can't be sent."""
        content = path.read_bytes()
        message = _parsed(content)
        if message.defects or any(part.defects for part in message.walk()):
            raise ContractError(f"{path} is no message: {message.defects or 'a part of it is broken'}")
        there = [name for name in _OURS if name in message]
        if there:
            raise ContractError(f"{path}: {there[0]} is filled in when it is sent; leave it out")
        if not str(message.get("Subject", "")).strip():
            raise ContractError(f"{path} has no Subject: it begins with headers, such as Subject and From")
        addresses: tuple[Any, ...] = message["From"].addresses if "From" in message else ()
        if len(addresses) != 1 or not is_address(addresses[0].addr_spec):
            raise ContractError(f"{path} has no From with one address")
        return cls(addresses[0].addr_spec, content)

    def message(self, send_id: str, address: str, at: datetime) -> bytes:
        """As it goes to somebody. The Message-ID is the send's own, so that a copy is known as one."""
        message = _parsed(self.content)
        message["To"] = address
        message["Date"] = format_datetime(at)
        message["Message-ID"] = f"<{send_id}@{self.sender.rpartition('@')[2]}>"
        return message.as_bytes(policy=SMTP)


def templates(folder: Path, arms: Collection[str]) -> dict[str, Template]:
    """By arm. Files are looked for among those that there are: no id becomes a path. Raises ContractError,
    naming the arms, where one has no file."""
    if not folder.is_dir():
        raise ContractError(f"there is no folder {folder}")
    files = {file.stem: file for file in folder.iterdir() if file.suffix == _SUFFIX}
    missing = sorted({*arms} - files.keys())
    if missing:
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        named = ", ".join(missing[:_MOST_NAMED])
        raise ContractError(f"{folder} has no file {_SUFFIX} for {named}{more}; nothing was sent")
    return {arm: Template.read(files[arm]) for arm in sorted({*arms})}


def _parsed(content: bytes) -> EmailMessage:
    try:
        return message_from_bytes(content, policy=SMTP)
    except (MessageError, ValueError) as error:
        raise ContractError(f"a template is no message: {error}") from error
