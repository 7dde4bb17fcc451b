"""Orgs, roles, invites and data keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Base, Row, Tenant
from exclave.kit.time import now


class Org(Row):
    __tablename__ = "orgs"
    prefix = "org"

    name: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    status_description: Mapped[str] = mapped_column(default="")
    sandbox_mode: Mapped[bool] = mapped_column(default=False)
    org_type: Mapped[str] = mapped_column(default="default")
    logo_url: Mapped[str] = mapped_column(default="")
    features: Mapped[dict[str, Any]] = mapped_column(default=dict)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("name", "deleted_at"),)


class OrgKey(Base):
    """The org's data key, wrapped by the master key. Deleting the row makes everything the org sealed unreadable."""

    __tablename__ = "org_keys"

    org_id: Mapped[str] = mapped_column(String(26), ForeignKey("orgs.id"), primary_key=True)
    wrapped: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Role(Row):
    __tablename__ = "roles"
    prefix = "rol"

    org_id: Mapped[str] = mapped_column(String(26), ForeignKey("orgs.id"), index=True)
    role_type: Mapped[str]  # org_admin | installer | runner | hosted-installer


class Policy(Row):
    """What a role may do: object id -> all | create | read | update | delete."""

    __tablename__ = "policies"
    prefix = "acp"

    org_id: Mapped[str] = mapped_column(String(26), index=True)
    role_id: Mapped[str] = mapped_column(String(26), ForeignKey("roles.id"), index=True)
    name: Mapped[str]
    permissions: Mapped[dict[str, Any]] = mapped_column(default=dict)


class AccountRole(Row):
    __tablename__ = "account_roles"
    prefix = "acc"

    org_id: Mapped[str] = mapped_column(String(26), index=True)
    account_id: Mapped[str] = mapped_column(String(26), ForeignKey("accounts.id"), index=True)
    role_id: Mapped[str] = mapped_column(String(26), ForeignKey("roles.id"))

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("role_id", "account_id", "deleted_at"),)


class OrgInvite(Tenant):
    __tablename__ = "org_invites"
    prefix = "org"

    email: Mapped[str]
    status: Mapped[str] = mapped_column(default="pending")
    role_type: Mapped[str] = mapped_column(default="org_admin")

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("org_id", "email", "deleted_at"),)


class NotificationsConfig(Tenant):
    __tablename__ = "notifications_configs"
    prefix = "app"

    owner_id: Mapped[str] = mapped_column(String(26), index=True)
    owner_type: Mapped[str]
    slack_webhook_url: Mapped[str] = mapped_column(default="")
