"""Run a command against the API: one event loop, one connection, problems as one line and an exit code.

Exit codes: 0 fine, 1 the thing asked for failed or is invalid, 2 usage or environment, 3 not found, 130 interrupted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import quote

import typer

from exclave.cli import contexts
from exclave.cli.output import note
from exclave.client.http import Refused, Unreachable, Unusable
from exclave.client.public import PublicApi
from exclave.kit.errors import Problem

T = TypeVar("T")

FAILED, USAGE, MISSING = 1, 2, 3


# Seconds until a server that does not answer is given up. Whoever follows something outlives a restart of it.
QUICK, ENDURING = 2.0, 60.0


def call(work: Callable[[PublicApi], Awaitable[T]], *, patience: float = QUICK) -> T:
    """Open the API of the current context, do the work, give its answer; or end the process with a clear line."""
    try:
        return asyncio.run(_opened(work, patience))
    except contexts.NoContext as error:
        raise stop(str(error), USAGE) from error
    except Unusable as error:
        raise stop(error.description, USAGE) from error
    except UnicodeError as error:  # bytes of an argument that are no text
        raise stop(f"a word of this command is no text: {str(error).rpartition(':')[2].strip()}", USAGE) from error
    except Unreachable as error:
        raise stop(f"{error.description} `exclave up` starts one, `exclave doctor` looks", USAGE) from error
    except Refused as error:
        # What the reader can mend is said by the server's sentence alone; where it was asked matters for the rest.
        clear = error.status in (400, 404, 409, 413, 422, 501)
        raise stop(error.said if clear else error.description, MISSING if error.status == 404 else FAILED) from error
    except Problem as error:
        raise stop(error.description, FAILED) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def _opened(work: Callable[[PublicApi], Awaitable[T]], patience: float) -> T:
    context = contexts.current()
    async with PublicApi(context.api_url, token=context.token, org_id=context.org_id, patience=patience) as api:
        return await work(api)


def segment(word: str) -> str:
    """A word of the reader as one segment of a path: with `/`, `?`, `#` or `..` in it, it would ask for something else."""
    if not word:
        raise stop("a name or an id is empty", USAGE)
    quoted = quote(word, safe="", errors="surrogateescape")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def stop(message: str, code: int) -> typer.Exit:
    note(f"exclave: {message}")
    return typer.Exit(code)
