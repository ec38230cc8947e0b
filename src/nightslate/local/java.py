"""A Java runtime that Spark 4 runs on: 17 or newer, with the module jdk.incubator.vector."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from nightslate.errors import MachineError

OLDEST = 17
MODULE = "jdk.incubator.vector"
PACKAGES = ("openjdk-17-jre-headless", "openjdk-21-jre-headless", "openjdk-25-jre-headless")
"""What Debian and Ubuntu call them. No release has all: Debian 12 has the first, Debian 13 the others."""
ADVICE = (
    f"Spark needs Java {OLDEST} or newer with the module {MODULE}. On Debian or Ubuntu: apt-get install one"
    f" of {', '.join(PACKAGES)}. Elsewhere install any full JDK or JRE {OLDEST}+ and set JAVA_HOME to its"
    " folder."
)


def java_home() -> Path | None:
    """The first suitable Java: $JAVA_HOME, the java on PATH, then the oldest below /usr/lib/jvm."""
    return next((home for home in _candidates() if is_suitable(home)), None)


def require_java() -> Path:
    """The same; raises MachineError that says what to install where there is none."""
    home = java_home()
    if home is None:
        raise MachineError(f"no suitable Java found. {ADVICE}")
    return home


def ensure_java() -> Path:
    """The same; where there is none apt installs it, if this user may. Raises MachineError if not."""
    home = java_home()
    if home is not None:
        return home
    administrator = _administrator()
    if administrator is None or shutil.which("apt-get") is None:
        return require_java()
    _apt_get(administrator, "update")
    package = next(filter(_is_on_offer, PACKAGES), None)
    if package is None:
        raise MachineError(f"this distribution has no package of a suitable Java. {ADVICE}")
    _apt_get(administrator, "install", "-y", "--no-install-recommends", package)
    return require_java()


def _apt_get(administrator: list[str], *arguments: str) -> None:
    command = [*administrator, "apt-get", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    code = subprocess.run(command, env=environment, check=False).returncode
    if code != 0:
        raise MachineError(f"{' '.join(command)} failed (exit code {code}). {ADVICE}")


def _is_on_offer(package: str) -> bool:
    """Whether apt would install it: a name alone may be one that other packages only mention."""
    command = ["apt-get", "install", "--simulate", "--no-install-recommends", package]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def is_suitable(home: Path) -> bool:
    """Whether `home`/bin/java runs, is new enough and has the module."""
    try:
        modules = subprocess.run(
            [str(home / "bin" / "java"), "--list-modules"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False  # Java 8 doesn't know the option
    version = re.search(r"^java\.base@(\d+)", modules, re.MULTILINE)
    return version is not None and int(version[1]) >= OLDEST and f"{MODULE}@" in modules


def _candidates() -> Iterator[Path]:
    if os.environ.get("JAVA_HOME"):
        yield Path(os.environ["JAVA_HOME"])
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path).resolve().parent.parent
    installed = Path("/usr/lib/jvm").glob("*/bin/java")
    yield from sorted((java.resolve().parent.parent for java in installed), key=_version_in_name)


def _version_in_name(home: Path) -> int:
    number = re.search(r"\d+", home.name)
    return int(number[0]) if number else 0


def _administrator() -> list[str] | None:
    """What to put before a command to run it as root: nothing, sudo without a password, or None: can't."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None
