"""The app's README, rendered for one install (spec domain.md 4.14)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from exclave.config import template
from exclave.domain.apps.models import AppConfig
from exclave.domain.installs.models import Install
from exclave.domain.states import service as states
from exclave.kit.context import Ctx


@dataclass(frozen=True)
class Rendered:
    """A README with what stood in the way: with warnings, the text is the one that the vendor wrote."""

    original: str
    readme: str
    warnings: list[str] = field(default_factory=list)


async def render(ctx: Ctx, install: Install) -> Rendered:
    """Render the README of the app config that the install has, with the state as people may see it."""
    original = (await ctx.db.execute(select(AppConfig.readme).where(AppConfig.id == install.app_config_id))).scalar() or ""
    return rendered(original, await states.shown_plain(ctx, install.id))


def rendered(original: str, document: Mapping[str, Any]) -> Rendered:
    try:
        return Rendered(original, template.render(original, document, name="readme"))
    except template.TemplateError as error:
        return Rendered(original, original, _warnings(original, document) or [str(error)])


def _warnings(original: str, document: Mapping[str, Any]) -> list[str]:
    """Name every plain variable that has no value yet, not just the first."""
    try:
        variables = template.parse(original).variables()
    except template.TemplateError as error:
        return [str(error)]
    found: dict[str, None] = {}
    for variable in variables:
        path = variable.path
        if path[:1] == ("nuon",) and "*" not in path and not variable.optional and not _has(document, path[1:]):
            found[f"{'.'.join(path)} has no value yet (line {variable.line})"] = None
    return list(found)


def _has(document: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(document, Mapping) or key not in document:
            return False
        document = document[key]
    return True
