"""Reads of apps, their configs and what hangs on a config, limited to the actor's org."""

from typing import TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from exclave.domain.apps.models import App, AppConfig, AppConfigChild
from exclave.kit.context import Actor
from exclave.kit.db import Tenant
from exclave.kit.ids import is_id

Child = TypeVar("Child", bound=AppConfigChild)
Part = TypeVar("Part", bound=Tenant)


def visible_to(actor: Actor) -> Select[App]:
    return select(App).where(App.org_id == actor.org_id, App.deleted_at == 0)


def by_ref(actor: Actor, ref: str) -> Select[App]:
    return visible_to(actor).where(App.id == ref if is_id(ref) else App.name == ref)


def by_name(actor: Actor, text: str) -> Select[App]:
    """Apps by name, those whose name holds the text."""
    found = visible_to(actor).order_by(App.name)
    return found.where(App.name.icontains(text, autoescape=True)) if text else found


def configs(actor: Actor, app_id: str = "") -> Select[AppConfig]:
    """Configs of an app, newest first."""
    found = select(AppConfig).where(AppConfig.org_id == actor.org_id, AppConfig.deleted_at == 0)
    return (found.where(AppConfig.app_id == app_id) if app_id else found).order_by(AppConfig.version.desc())


def newest_configs(actor: Actor, app_ids: list[str], *, each: int) -> Select[AppConfig]:
    """The newest configs of many apps, so many of each."""
    place = func.row_number().over(partition_by=AppConfig.app_id, order_by=AppConfig.version.desc()).label("place")
    ranked = (
        select(AppConfig.id, place)
        .where(AppConfig.org_id == actor.org_id, AppConfig.deleted_at == 0, AppConfig.app_id.in_(app_ids))
        .subquery()
    )
    return select(AppConfig).join(ranked, ranked.c.id == AppConfig.id).where(ranked.c.place <= each).order_by(AppConfig.version.desc())


def highest_version(app_id: str) -> Select[int]:
    return select(func.coalesce(func.max(AppConfig.version), 0)).where(AppConfig.app_id == app_id)


def children(kind: type[Child], actor: Actor, *, app_id: str = "", app_config_id: str = "") -> Select[Child]:
    """What hangs on an app's configs, newest first."""
    found = select(kind).where(kind.org_id == actor.org_id, kind.deleted_at == 0)
    if app_id:
        found = found.where(kind.app_id == app_id)
    if app_config_id:
        found = found.where(kind.app_config_id == app_config_id)
    return found.order_by(kind.created_at.desc())


def newest_children(kind: type[Child], actor: Actor, app_ids: list[str]) -> Select[Child]:
    """The newest child of each of many apps."""
    return (
        select(kind)
        .where(kind.org_id == actor.org_id, kind.deleted_at == 0, kind.app_id.in_(app_ids))
        .ext(distinct_on(kind.app_id))
        .order_by(kind.app_id, kind.created_at.desc())
    )


def parts(kind: type[Part], actor: Actor) -> Select[Part]:
    return select(kind).where(kind.org_id == actor.org_id, kind.deleted_at == 0)
