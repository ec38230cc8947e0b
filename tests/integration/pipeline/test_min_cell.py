"""The page of a night of a program that tells nothing of single users."""

from collections.abc import Callable
from pathlib import Path

import yaml

from nightslate import programs
from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step

from . import world


def test_a_page_shows_no_user_s_slate_where_a_user_is_too_few(copied: Callable[[], Path]) -> None:
    home, day = copied(), world.DAYS[-1]

    page, path = home / f"reports/{world.PROGRAM}/{day}.html", home / f"{world.PROGRAM}.yaml"
    users = world.night(home, day).table("slates").snapshot().to_arrow()["user_id"].to_pylist()
    assert any(f">{user[:8]}<" in page.read_text("utf-8") for user in users)
    path.write_text(yaml.safe_dump(yaml.safe_load(world.SPEC) | {"privacy": {"min_cell": 20}}))
    run_step("report", Night(programs.load(path), day, home))
    told = page.read_text("utf-8")
    assert not any(user[:8] in told for user in users)
    assert "nothing is told of fewer than 20 users" in told
