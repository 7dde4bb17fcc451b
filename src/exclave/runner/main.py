"""Start a runner process: `python -m exclave.runner [build|install|all]`, settings by environment (see `settings.read`)."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence

from exclave import __version__
from exclave.kit import process
from exclave.kit.errors import Problem
from exclave.runner import settings as reading
from exclave.runner.agent import Agent

EXIT_SETTINGS = 2


def main(argv: Sequence[str]) -> int:
    """Run until SIGTERM; exit 0 when drained, 2 for wrong settings, 77 when the server refuses this runner for good."""
    parser = argparse.ArgumentParser(prog="exclave runner", description="Run jobs of one runner. Settings come from the environment.")
    parser.add_argument("mode", nargs="?", default="", choices=["", *reading.GROUPS], help="which jobs to take")
    parser.add_argument("--version", action="version", version=__version__)
    mode = parser.parse_args(argv).mode
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    process.hide_from_same_user()
    os.umask(0o077)
    try:
        settings = reading.read(os.environ, mode)
        return asyncio.run(_run(settings))
    except Problem as problem:
        print(f"exclave runner: {problem.description}", file=sys.stderr)
        return EXIT_SETTINGS


async def _run(settings: reading.Settings) -> int:
    return await Agent(settings).run()
