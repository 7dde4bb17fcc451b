"""The command tree. Every command's module is imported when the command runs, so that `exclave` starts fast."""

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from exclave import __version__

# Noun -> the module that holds its typer app, and a line of help.
NOUNS = {
    "apps": ("exclave.cli.apps", "Apps: create, list, validate, sync, compare."),
    "installs": ("exclave.cli.installs", "Installs: create, look at, reprovision, deprovision."),
    "workflows": ("exclave.cli.workflows", "Workflows: list, watch, approve, deny, retry, cancel."),
    "config": ("exclave.cli.config", "The configuration language: schemas and error codes."),
}
# Command -> the function behind it.
COMMANDS = {
    "sandbox-runs": ("exclave.cli.runs:sandbox_runs", "Sandbox runs of an install, newest first."),
    "logs": ("exclave.cli.logs:logs", "Logs of a sandbox run, deploy, action run, build or log stream."),
    "render": ("exclave.cli.config_commands:render", "Render a template against a state document."),
    "doctor": ("exclave.cli.doctor:doctor", "Look at what this machine has and what the server says."),
    "demo": ("exclave.cli.demo:demo", "Run the whole product once, from files to a torn-down install."),
    "up": ("exclave.cli.programs:up", "Start everything on this machine and keep it running."),
    "server": ("exclave.cli.programs:server", "Run a server process on an existing PostgreSQL."),
    "runner": ("exclave.cli.programs:runner", "Run a runner: build, install or all."),
    "migrate": ("exclave.cli.programs:migrate", "Bring the database to the newest schema."),
    "access": ("exclave.cli.programs:access", "Make or show the first account of an external database."),
    "openapi": ("exclave.cli.programs:openapi", "Print the OpenAPI document of a listener."),
    "lsp": ("exclave.cli.config_commands:lsp", "The editor server for app directories, over stdio."),
}


class Lazy(TyperGroup):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*NOUNS, *COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        place = NOUNS.get(cmd_name) or COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place[0].partition(":")
        found = getattr(importlib.import_module(module), attribute or "app")
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
            single.command(name=cmd_name, help=(found.__doc__ or place[1]).strip())(found)
            found = single
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, place[1]) for name, place in {**NOUNS, **COMMANDS}.items()])


app = typer.Typer(cls=Lazy, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Exclave: run your software inside each customer's own cloud account."""
    if version:
        print(__version__)
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    app(args=list(arguments) if arguments is not None else sys.argv[1:], prog_name="exclave")
