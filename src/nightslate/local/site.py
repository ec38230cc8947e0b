"""What the local services remember between starts: folders, ports and generated secrets."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from nightslate.errors import MachineError


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Site:
    """One warehouse and the services around it. Everything below `folder` belongs to the services."""

    home: Path
    airflow_port: int = 8080
    mlflow_port: int = 5000
    database_port: int = 5432
    admin_password: str = field(default_factory=_secret, repr=False)
    database_password: str = field(default_factory=_secret, repr=False)
    fernet_key: str = field(default_factory=_fernet_key, repr=False)
    api_secret: str = field(default_factory=_secret, repr=False)
    jwt_secret: str = field(default_factory=_secret, repr=False)
    pseudonym_key: str = field(default_factory=_secret, repr=False)

    @property
    def folder(self) -> Path:
        return services_folder(self.home)

    @property
    def airflow_url(self) -> str:
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        return f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def passwords_file(self) -> Path:
        """The file from which Airflow's simple auth manager reads the admin's password."""
        return self.folder / "airflow-passwords.json"

    def with_free_ports(self) -> Site:
        """The same site; each port that something else has taken is replaced by a free one."""
        return replace(
            self,
            airflow_port=free_port(self.airflow_port),
            mlflow_port=free_port(self.mlflow_port),
            database_port=free_port(self.database_port),
        )

    def save(self) -> Site:
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)  # logs and secrets: pass, not look around
        content = {name: value for name, value in asdict(self).items() if name != "home"}
        write_private(self.folder / "site.json", json.dumps(content, indent=1))
        write_private(self.passwords_file, json.dumps({"admin": self.admin_password}))
        return self


def services_folder(home: Path) -> Path:
    return home / ".services"


def open_site(home: Path) -> Site:
    """The site of a warehouse: as it was saved, or a new one with secrets of its own."""
    home = home.absolute()
    file = services_folder(home) / "site.json"
    if not file.is_file():
        return Site(home).save()
    try:
        content = json.loads(file.read_text("utf-8"))
        return Site(home, **{f.name: content[f.name] for f in fields(Site) if f.name != "home"})
    except (ValueError, KeyError) as error:
        raise MachineError(
            f"{file} is damaged ({error!r}). Delete {file.parent}: Airflow's history goes, no table does."
        ) from error


def free_port(preferred: int) -> int:
    """`preferred` if nothing listens there on loopback, else a port that the system picks."""
    for port in (preferred, 0):
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(candidate.getsockname()[1])
    raise MachineError("no free port on 127.0.0.1: is the loopback interface up?")


def write_private(path: Path, content: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    new.replace(path)
