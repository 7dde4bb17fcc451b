"""Record who did what. Called by every mutating verb, in its transaction: when the record fails, the change fails."""

from typing import Any

from exclave.domain.audit.models import AuditRow
from exclave.kit.context import Ctx
from exclave.kit.db import Row


async def record(ctx: Ctx, action: str, row: Row, **details: Any) -> None:
    """Leave the audit row of a change: action such as `create`, the object, and details without secrets."""
    org_id = getattr(row, "org_id", "") or (row.id if row.__tablename__ == "orgs" else ctx.org_id)
    ctx.db.add(
        AuditRow(
            org_id=org_id,
            created_by_id=ctx.actor.account_id,
            action=action,
            object_type=row.__tablename__,
            object_id=row.id,
            details=details,
            trace_id=ctx.trace_id,
        )
    )
