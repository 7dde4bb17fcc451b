"""Commands that become another program: the server's parts import what this one must not."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from exclave.cli import contexts, output
from exclave.kit import process


def _become(module: str, *arguments: str) -> None:
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])


def server(role: Annotated[str, typer.Option(help="What this process does: api, worker or all.")] = "all") -> None:
    """Run a server process on an existing PostgreSQL 15 or newer (EXCLAVE_DATABASE_URL)."""
    if role not in ("api", "worker", "all"):
        output.note(f"exclave: --role {role}: choose api, worker or all")
        raise typer.Exit(2)
    os.environ["EXCLAVE_ROLE"] = role
    _become("exclave.server", "server")


def migrate() -> None:
    """Bring the database that EXCLAVE_DATABASE_URL (or EXCLAVE_OWNER_URL) names to the newest schema."""
    _become("exclave.server", "migrate")


def access() -> None:
    """Make the first account of an external database with its org and token, or print them again. Keep the answer secret."""
    _become("exclave.server", "access")


def openapi(audience: Annotated[str, typer.Option(help="public or runner.")] = "public") -> None:
    """Print the OpenAPI document of a listener."""
    _become("exclave.server", "openapi", audience)


def runner(mode: Annotated[str, typer.Argument(help="Which jobs it takes: build, install or all.")] = "install") -> None:
    """Run a runner in the foreground (RUNNER_API_URL, RUNNER_API_TOKEN, RUNNER_ID)."""
    _become("exclave.runner", mode)


def up(
    context: Annotated[str, typer.Option(help="Name of the context to write for this server.")] = "local",
) -> None:
    """Start everything on this machine and keep it running: PostgreSQL, the server, its runners. Ctrl-C stops all of it."""
    with tempfile.TemporaryDirectory(prefix="exclave-up-") as directory:
        announcement = Path(directory) / "ready.json"
        reader, writer = os.pipe()
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "exclave.server", "up", str(announcement), str(writer)],
            stdin=subprocess.DEVNULL,
            pass_fds=(writer,),
            preexec_fn=process.ending_with_parent(signal.SIGTERM),
        )
        os.close(writer)
        # The server hears Ctrl-C and a closed terminal itself, as part of our process group; a signal to us alone is passed on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGTERM))
        os.read(reader, 1)  # returns when everything answers, or when the child ended
        if announcement.exists():
            _welcome(json.loads(announcement.read_text()), context)
        code = child.wait()
        raise typer.Exit(code if code >= 0 else 128 - code)


def _welcome(facts: dict[str, str], name: str) -> None:
    made = contexts.Context(api_url=facts["api_url"], token=facts["token"], org_id=facts["org_id"], data_dir=facts["data_dir"])
    try:
        used = f"{contexts.keep(name, made)} in {contexts.path()}"
    except (contexts.NoContext, OSError) as error:
        used = f"not written ({error}); the token is in {facts['data_dir']}/server/access.json"
    output.data(f"public API   {facts['api_url']}  (docs at {facts['api_url']}/docs)")
    output.data(f"runner API   {facts['runner_api_url']}")
    output.data(f"org          {facts['org_name']} {facts['org_id']}")
    output.data(f"context      {used}")
    output.data("running; Ctrl-C stops everything")
