"""Accounts and tokens. They stand above orgs, so row-level security does not hold for them: they are entered by id or hash only."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Row


class Account(Row):
    __tablename__ = "accounts"
    prefix = "acc"

    email: Mapped[str]
    subject: Mapped[str]
    account_type: Mapped[str]  # auth0 | service | canary | integration
    user_journeys: Mapped[list[Any]] = mapped_column(default=list)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("email", "subject", "deleted_at"),)


class Token(Row):
    """A token is kept as its SHA-256 only; `hint` holds its first characters, so that people can tell tokens apart."""

    __tablename__ = "tokens"
    prefix = "tok"

    account_id: Mapped[str] = mapped_column(String(26), ForeignKey("accounts.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    hint: Mapped[str] = mapped_column(default="")
    token_type: Mapped[str] = mapped_column(default="nuon")
    expires_at: Mapped[datetime]
    issued_at: Mapped[datetime]
    issuer: Mapped[str] = mapped_column(default="exclave")
    scope: Mapped[str] = mapped_column(default="")  # empty: all that the account may; `job:<job>:<execution>`: one execution's state
    org_id: Mapped[str] = mapped_column(default="")
