"""Commands that become another program: the server's parts import what this one must not."""

import os
import sys
from typing import Annotated

import typer

from exclave.cli import output
from exclave.cli.up import run as run_up

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Nothing = Annotated[bool, typer.Option("--json", help="Taken as everywhere; this command prints messages only, on stderr.")]
Already = Annotated[bool, typer.Option("--json", help="Taken as everywhere; what is printed is JSON in any case.")]


def _become(module: str, *arguments: str) -> None:
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])


def server(
    role: Annotated[str, typer.Option(help="What this process does: api, worker or all.")] = "all",
    as_json: Nothing = False,
) -> None:
    """Run a server process on an existing PostgreSQL 15 or newer (EXCLAVE_DATABASE_URL)."""
    if role not in ("api", "worker", "all"):
        output.note(f"exclave: --role {role}: choose api, worker or all")
        raise typer.Exit(2)
    os.environ["EXCLAVE_ROLE"] = role
    _become("exclave.server", "server")


def migrate(as_json: Json = False) -> None:
    """Bring the database that EXCLAVE_DATABASE_URL (or EXCLAVE_OWNER_URL) names to the newest schema."""
    _become("exclave.server", "migrate", *(["--json"] if as_json else []))


def access(as_json: Already = False) -> None:
    """Make the first account of an external database with its org and token, or print them again. Keep the answer secret."""
    _become("exclave.server", "access")


def openapi(
    audience: Annotated[str, typer.Option(help="public or runner.")] = "public",
    as_json: Already = False,
) -> None:
    """Print the OpenAPI document of a listener."""
    _become("exclave.server", "openapi", audience)


def runner(
    mode: Annotated[str, typer.Argument(help="Which jobs it takes: build, install or all.")] = "install",
    as_json: Nothing = False,
) -> None:
    """Run a runner in the foreground (RUNNER_API_URL, RUNNER_API_TOKEN, RUNNER_ID)."""
    _become("exclave.runner", mode)


def up(
    context: Annotated[str, typer.Option(help="Name of the context to write for this server.")] = "local",
    as_json: Json = False,
) -> None:
    """Start everything on this machine and keep it running: PostgreSQL, the server, its runners. Ctrl-C stops all of it."""
    raise typer.Exit(run_up(context, as_json=as_json))
