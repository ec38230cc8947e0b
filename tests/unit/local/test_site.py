"""What the local services remember: private, stable, and never in the way of another process."""

import dataclasses
import socket
from pathlib import Path

import pytest

from nightslate.errors import MachineError
from nightslate.local.site import Site, free_port, open_site

SECRETS = [field.name for field in dataclasses.fields(Site) if not field.repr]


def test_a_site_opens_again_as_it_was_saved(tmp_path: Path) -> None:
    assert open_site(tmp_path) == open_site(tmp_path)


def test_two_sites_share_no_secret(tmp_path: Path) -> None:
    one, other = open_site(tmp_path / "one"), open_site(tmp_path / "other")

    assert len(SECRETS) == 6
    assert all(getattr(one, name) != getattr(other, name) for name in SECRETS)


def test_secrets_lie_in_private_files_and_show_nowhere(tmp_path: Path) -> None:
    site = open_site(tmp_path)

    files = [file for file in site.folder.iterdir() if file.is_file()]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert all(getattr(site, name) not in repr(site) for name in SECRETS)


def test_a_damaged_site_says_which_file_to_delete(tmp_path: Path) -> None:
    (open_site(tmp_path).folder / "site.json").write_text("{")

    with pytest.raises(MachineError, match=r"\.services"):
        open_site(tmp_path)


def test_a_taken_port_gives_way_to_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port
