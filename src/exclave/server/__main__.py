"""`python -m exclave.server up|server|migrate|access|openapi|stop|remove`: what the CLI starts, so that it needs to import none of it."""

import asyncio
import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from exclave.kit import postgres
from exclave.kit.postgres import PostgresProblem
from exclave.kit.terraform import TerraformMissing
from exclave.server.pidfile import AlreadyUp
from exclave.server.ports import PortTaken, listen
from exclave.server.settings import Settings, SettingsInvalid
from exclave.server.settings import read as read_settings

if TYPE_CHECKING:
    from exclave.api.contract import Listener


def main(arguments: list[str]) -> int:
    """Run a command; problems are one line on stderr and exit code 2, an interruption ends with 0."""
    command, *rest = arguments or [""]
    gc.disable()  # what is imported and made now stays: to look for garbage among it took 0.3 s of a start. `serve` turns it on again
    try:
        settings = read_settings(os.environ)
        if command == "openapi":
            return _openapi(rest)
        if command == "status":
            return _status()
        # Absolute: it names this place to runners, which have another working directory, and in the context of the command line.
        base = postgres.default_base() if settings.data_dir == Path() else settings.data_dir
        settings = msgspec.structs.replace(settings, data_dir=base.absolute())
        match command:
            case "up":
                return _up(settings, rest)
            case "server":
                return _server(settings)
            case "migrate":
                return _migrate(settings, as_json="--json" in rest)
            case "access":
                return _access(settings)
            case "stop":
                return _stop(settings)
            case "remove":
                return _remove(settings)
    except SettingsInvalid as error:
        for line in str(error).splitlines():
            print(f"exclave: {line}", file=sys.stderr)
        return 2
    except (TerraformMissing, PostgresProblem, AlreadyUp, PortTaken, Refused) as error:
        print(f"exclave: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    except RuntimeError as error:  # Ctrl-C while an import makes a class
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        return 0
    print("usage: exclave up | server | migrate | access | openapi", file=sys.stderr)
    return 2


class Refused(Exception):
    """A setting is missing or wrong; the message names it and the way out."""


def _up(settings: Settings, rest: list[str]) -> int:
    from exclave.server.launch import launch

    for number in (signal.SIGTERM, signal.SIGHUP):  # until `serve` listens: what was started so far is stopped
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    launch(settings, os.environ, announce=int(rest[0]) if rest else None)
    return 0


def _server(settings: Settings) -> int:
    from exclave.server import database, runtime, serve

    _needs_database(settings)
    serve.set_up_logs(settings.log_level)

    async def run() -> None:
        urls = runtime.external(settings)
        await database.check(urls.app)
        sockets = listen(settings) if settings.role in ("api", "all") else {}
        process = runtime.make(settings, urls)
        try:
            await serve.serve(settings, process.runtime, sockets)
        finally:
            await process.close()

    try:
        serve.run(run())
    except database.DatabaseUnfit as error:
        raise Refused(str(error)) from error
    return 0


def _migrate(settings: Settings, *, as_json: bool) -> int:
    from exclave.migrations.upgrade import newest, upgrade
    from exclave.server import database, runtime

    async def run() -> None:
        owner = runtime.external(settings).owner
        await database.check(owner, roles=False)
        await upgrade(owner)

    _needs_database(settings)
    try:
        asyncio.run(run())
    except database.DatabaseUnfit as error:
        raise Refused(str(error)) from error
    except database.REFUSALS as error:
        raise Refused(
            f"the schema stays as it was, PostgreSQL refused to change it: {database.said(error)}. "
            "`migrate` runs as the owner of the schema (EXCLAVE_OWNER_URL), who may create roles"
        ) from error
    print("the schema is up to date", file=sys.stderr)
    if as_json:
        print(json.dumps({"schema": newest()}))
    return 0


def _access(settings: Settings) -> int:
    """Make the first account, its org and its token, or say again what they are."""
    from exclave.server import database, runtime
    from exclave.server.first import first_access

    async def run() -> dict[str, str]:
        urls = runtime.external(settings)
        await database.check(urls.app)
        process = runtime.make(settings, urls)
        try:
            access = await first_access(process.runtime, settings.data_dir)
        finally:
            await process.close()
        return {"api_url": settings.public_address, "org_id": access.org_id, "org_name": access.org_name, "token": access.token}

    _needs_database(settings)
    try:
        print(json.dumps(asyncio.run(run()), indent=2))
    except database.DatabaseUnfit as error:
        raise Refused(str(error)) from error
    return 0


def _stop(settings: Settings) -> int:
    """Stop what an `up` on this data directory left running."""
    from exclave.server import left_over, pidfile

    try:
        pidfile.stop(settings.data_dir / "up.pid")
        left_over.stop(settings.data_dir / "server" / "runners")
        if settings.data_dir.exists():
            postgres.stop_left_over(settings.data_dir)
    except OSError as error:
        raise Refused(
            f"nobody knows what runs on {settings.data_dir} ({error.filename or 'its process'}: {error.strerror}): "
            "look at it as its owner, or name another directory in EXCLAVE_DATA_DIR"
        ) from error
    return 0


def _remove(settings: Settings) -> int:
    """Stop the embedded database of this data directory and delete everything in it. Only the demo does this."""
    if settings.data_dir.exists():
        postgres.remove(settings.data_dir)
    return 0


def _openapi(rest: list[str]) -> int:
    from exclave.server import wiring

    wanted = rest[0] if rest else "public"
    audiences: dict[str, Listener] = {"public": "public", "runner": "runner"}
    if wanted not in audiences:
        raise Refused(f"{wanted!r} is no audience: choose public or runner")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` has read enough
    print(json.dumps(wiring.document(audiences[wanted]), indent=1, ensure_ascii=False))
    return 0


def _status() -> int:
    from exclave.server import wiring

    print(wiring.status_page(), end="")
    return 0


def _needs_database(settings: Settings) -> None:
    if not settings.database_url:
        raise Refused("EXCLAVE_DATABASE_URL is not set: it names a PostgreSQL 15 or newer; for a database of its own use `exclave up`")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
