"""The state document: its current branches, and its versions. Both are sealed: sensitive inputs and outputs are in them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Encrypted, Tenant


class InstallStateBranch(Tenant):
    """One branch, written by the slice that knows it: `sandbox`, `inputs`, `components/<name>`, `actions/<name>` …"""

    __tablename__ = "install_state_branches"
    prefix = "isb"

    install_id: Mapped[str] = mapped_column(String(26))
    branch: Mapped[str]
    contents: Mapped[bytes | None] = mapped_column(Encrypted, nullable=True)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("install_id", "branch"),)


class InstallState(Tenant):
    """A version of the whole document. The newest 50 keep their contents."""

    __tablename__ = "install_states"
    prefix = "isa"

    install_id: Mapped[str] = mapped_column(String(26))
    version: Mapped[int]
    contents: Mapped[bytes | None] = mapped_column(Encrypted, nullable=True)
    triggered_by_id: Mapped[str] = mapped_column(default="")
    triggered_by_type: Mapped[str] = mapped_column(default="")
    archived: Mapped[bool] = mapped_column(default=False)
    stale_at: Mapped[datetime | None]

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (
            UniqueConstraint("install_id", "version"),
            Index("install_states_newest", "install_id", "created_at"),
        )
