"""`exclave doctor`"""

import os
import platform
import shutil
import sys
from typing import Annotated, Any

import typer

from exclave import __version__
from exclave.cli import contexts, output
from exclave.kit import terraform


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look at what this machine has and what the server says. Exit code 1 when something is missing."""
    checks = [_python(), _terraform(), _git(), *_server()]
    if as_json:
        output.as_json([{"check": name, "ok": ok, "what": what} for name, ok, what in checks])
    else:
        for name, ok, what in checks:
            output.data(f"{'ok  ' if ok else 'FAIL'} {name:10} {what}")
    if not all(ok for _, ok, _ in checks):
        raise typer.Exit(1)


Check = tuple[str, bool, str]


def _python() -> Check:
    return "python", sys.version_info >= (3, 11), f"{platform.python_version()} with exclave {__version__}"


def _terraform() -> Check:
    try:
        return "terraform", True, str(terraform.find(os.environ))
    except terraform.TerraformMissing as error:
        return "terraform", False, str(error)


def _git() -> Check:
    found = shutil.which("git")
    return "git", True, found or "not found: needed only for sources of type public_repo"


def _server() -> list[Check]:
    try:
        context = contexts.current()
    except contexts.NoContext as error:
        return [("server", False, str(error))]
    import asyncio

    from exclave.client.public import PublicApi
    from exclave.kit.errors import Problem

    async def ask() -> tuple[Any, Any]:
        async with PublicApi(context.api_url, token=context.token, org_id=context.org_id) as api:
            version = await api.http.get("/version", dict[str, Any], patience=2)
            account = await api.http.get("/v1/account", dict[str, Any], patience=2)
            return version, account

    try:
        version, account = asyncio.run(ask())
    except Problem as error:
        return [("server", False, error.description)]
    return [("server", True, f"{context.api_url} version {version['version']}, as {account['email']}")]
