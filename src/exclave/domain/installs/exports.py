"""The config file of an existing install, as `installs sync` reads it (spec config.md 4.8)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import tomlkit
from sqlalchemy import select

from exclave.domain.apps.models import AppInput, AppInputGroup
from exclave.domain.installs import inputs as install_inputs
from exclave.domain.installs import service
from exclave.domain.installs.models import AWSAccount, Install
from exclave.kit.context import Ctx
from exclave.kit.db import first


async def config_file(ctx: Ctx, install: Install) -> str:
    """Write an install as its config file: keys in alphabetical order, inputs by group, nothing sensitive."""
    declared = await install_inputs.declared_for(ctx, install)
    values = await install_inputs.values_of(ctx, install.id)
    account: AWSAccount | None = await first(
        ctx.db, select(AWSAccount).where(AWSAccount.install_id == install.id, AWSAccount.deleted_at == 0)
    )
    groups = select(AppInputGroup.id, AppInputGroup.index).where(AppInputGroup.id.in_({each.group_id for each in declared}))
    order = {row[0]: row[1] for row in (await ctx.db.execute(groups)).all()}
    return written(
        name=install.name,
        approval_option=await service.approval_option(ctx, install.id),
        region=account.region if account else "",
        groups=by_group(declared, values, order),
        schema=f"{ctx.runtime.settings.public_url}/v1/general/config-schema?type=install",
    )


def by_group(declared: Sequence[AppInput], values: Mapping[str, str], order: Mapping[str, int]) -> list[dict[str, str]]:
    """Return the inputs that a file holds, group by group. A required input without a value is there, empty."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for each in declared:
        if not each.sensitive and (each.name in values or each.required):
            found[each.group_id][each.name] = values.get(each.name, "")
    return [dict(sorted(found[group].items())) for group in sorted(found, key=lambda group: (order.get(group, 0), group))]


def written(*, name: str, approval_option: str, region: str, groups: Sequence[Mapping[str, str]], schema: str) -> str:
    document = tomlkit.document()
    document.add(tomlkit.comment(f":schema {schema}"))
    document["approval_option"] = approval_option
    document["name"] = name
    if region:
        document["aws_account"] = {"region": region}
    if groups:
        tables = tomlkit.aot()
        for group in groups:
            tables.append(tomlkit.item(dict(group)))
        document["inputs"] = tables
    return tomlkit.dumps(document).replace("# :schema", "#:schema", 1)
