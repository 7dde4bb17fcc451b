"""The audit history of an install as CSV: its action runs, sandbox runs and deploys, oldest first (spec domain.md 4.14)."""

import csv
import io
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select

from exclave.api.pages import action_run, install
from exclave.domain.actions.models import InstallActionWorkflowRun
from exclave.domain.deploys.models import InstallDeploy
from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.kit import errors, time
from exclave.kit.context import Ctx
from exclave.kit.db import every

LIMIT = 10_000

_KINDS: tuple[tuple[str, type[Any], Any], ...] = (
    ("install_action_workflow_run", InstallActionWorkflowRun, action_run.bare),
    ("install_sandbox_run", InstallSandboxRun, install.sandbox_run),
    ("install_deploy", InstallDeploy, install.deploy),
)


async def history(ctx: Ctx, install_id: str, start: datetime, end: datetime) -> str:
    """Return the lines between two moments. Raises `Invalid` when there are none."""
    found: list[tuple[datetime, str, Any]] = []
    for kind, table, shaped in _KINDS:
        statement = (
            select(table)
            .where(
                table.install_id == install_id,
                table.org_id == ctx.org_id,
                table.deleted_at == 0,
                table.created_at >= start,
                table.created_at <= end,
            )
            .order_by(table.created_at)
            .limit(LIMIT)
        )
        found += [(row.created_at, kind, shaped(row)) for row in await every(ctx.db, statement)]
    if not found:
        raise errors.Invalid("nothing happened in this install between start and end")
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["Install ID", "Type", "Time Stamp", "Log Line"])
    for moment, kind, shape in sorted(found, key=lambda line: line[0])[:LIMIT]:
        lines.writerow([install_id, kind, time.rfc3339(moment), msgspec.json.encode(shape).decode()])
    return text.getvalue()


def moment(name: str, text: str) -> datetime:
    """Read a time of the query: RFC 3339, with nanoseconds or without."""
    if not text:
        raise errors.Invalid(f"{name}: give a time such as 2026-01-31T12:00:00Z")
    try:
        found = msgspec.convert(text.replace(" ", "+"), datetime)
    except msgspec.ValidationError:
        raise errors.Invalid(f"{name}: {text[:60]!r} is no time such as 2026-01-31T12:00:00Z") from None
    if found.tzinfo is None:
        raise errors.Invalid(f"{name}: {text[:60]!r} names no zone, write 2026-01-31T12:00:00Z")
    return found
