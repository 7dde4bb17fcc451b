"""Audit rows: written once, in the transaction of what they tell."""

from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Tenant


class AuditRow(Tenant):
    __tablename__ = "audit_rows"
    prefix = "aud"

    action: Mapped[str]  # create | update | delete | approve | cancel …
    object_type: Mapped[str]  # table name
    object_id: Mapped[str] = mapped_column(String(26))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)  # never a secret
    trace_id: Mapped[str] = mapped_column(default="")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (Index("audit_rows_object", "object_id", "created_at"),)
