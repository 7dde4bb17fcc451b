"""Reads of accounts and tokens.

Roles and policies belong to orgs, above this slice, but an account's rights are asked for before any org is known. So they are
read here by table name, without their classes.
"""

from typing import Any

from sqlalchemy import Select, column, select, table

from exclave.domain.accounts.models import Account, Token

roles = table("roles", column("id"), column("org_id"), column("role_type"), column("deleted_at"))
policies = table("policies", column("role_id"), column("permissions"), column("deleted_at"))
account_roles = table(
    "account_roles",
    *(column(name) for name in ("id", "created_by_id", "created_at", "updated_at", "deleted_at", "org_id", "account_id", "role_id")),
)


def by_id(account_id: str) -> Select[Account]:
    return select(Account).where(Account.id == account_id, Account.deleted_at == 0)


def by_email(email: str) -> Select[Account]:
    return select(Account).where(Account.email == email, Account.deleted_at == 0).order_by(Account.created_at)


def by_subject(subject: str) -> Select[Account]:
    return select(Account).where(Account.subject == subject, Account.deleted_at == 0).order_by(Account.created_at)


def token_with_account(token_hash: bytes) -> Select[Token, Account]:
    return (
        select(Token, Account)
        .join(Account, Account.id == Token.account_id)
        .where(Token.token_hash == token_hash, Token.deleted_at == 0, Account.deleted_at == 0)
    )


def rights(account_id: str) -> Select[Any]:
    """Rows of (org id, permissions) of an account, oldest grant first: later ones overwrite."""
    return (
        select(account_roles.c.org_id, policies.c.permissions)
        .select_from(account_roles.outerjoin(policies, (policies.c.role_id == account_roles.c.role_id) & (policies.c.deleted_at == 0)))
        .where(account_roles.c.account_id == account_id, account_roles.c.deleted_at == 0)
        .order_by(account_roles.c.created_at)
    )


def role_of_type(org_id: str, role_type: str) -> Select[Any]:
    return select(roles.c.id).where(roles.c.org_id == org_id, roles.c.role_type == role_type, roles.c.deleted_at == 0)


def membership(account_id: str, role_id: str) -> Select[Any]:
    return select(account_roles.c.id).where(
        account_roles.c.account_id == account_id, account_roles.c.role_id == role_id, account_roles.c.deleted_at == 0
    )
