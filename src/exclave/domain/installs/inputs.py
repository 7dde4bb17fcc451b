"""Inputs of an install: append-only versions; sensitive values are sealed (spec domain.md 4.9)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import func, select

from exclave.domain.apps.models import AppInput
from exclave.domain.audit import service as audit
from exclave.domain.installs import queries, rules
from exclave.domain.installs.models import Install, InstallInputs
from exclave.domain.orgs import keys
from exclave.domain.states import service as states
from exclave.kit.context import Ctx
from exclave.kit.db import first


async def declared(ctx: Ctx, input_config_id: str) -> list[AppInput]:
    """Return the inputs that an input config declares; none without one."""
    return await queries.DECLARED.all(ctx.db, config=input_config_id) if input_config_id else []


async def declared_for(ctx: Ctx, install: Install) -> list[AppInput]:
    """Return the inputs that the install's own app config declares."""
    return await declared(ctx, await input_config_id_of(ctx, install))


async def input_config_id_of(ctx: Ctx, install: Install) -> str:
    found: str | None = (await ctx.db.execute(queries.input_config_id_of(install.app_config_id))).scalar()
    if found is None:
        # Old clients send children without a config: then the version that the install was made with counts.
        found = config_id_of(await first(ctx.db, queries.newest_inputs(install.id)))
    return found


def config_id_of(inputs: InstallInputs | None) -> str:
    """The input config that inputs were stored for."""
    return inputs.app_input_config_id if inputs is not None else ""


async def store(
    ctx: Ctx, install: Install, declared: Sequence[AppInput], values: Mapping[str, str], *, input_config_id: str
) -> InstallInputs:
    """Append a version."""
    sensitive = {each.name for each in declared if each.sensitive}
    row = InstallInputs(
        org_id=install.org_id,
        created_by_id=ctx.actor.account_id,
        install_id=install.id,
        app_input_config_id=input_config_id,
        values={name: value for name, value in values.items() if name not in sensitive},
        redacted_values=rules.redacted(declared, values),
    )
    secrets = {name: value for name, value in values.items() if name in sensitive}
    if secrets:
        row.sealed = await keys.seal(ctx, row, "sealed", msgspec.json.encode(secrets))
    ctx.db.add(row)
    await ctx.db.flush()
    return row


async def values_of(ctx: Ctx, install_id: str) -> dict[str, str]:
    """Return the values in force, sensitive ones included."""
    newest: InstallInputs | None = await first(ctx.db, queries.newest_inputs(install_id))
    return await opened(ctx, newest) if newest else {}


async def opened(ctx: Ctx, row: InstallInputs) -> dict[str, str]:
    secrets: dict[str, str] = json.loads(await keys.unseal(ctx, row, "sealed")) if row.sealed else {}
    return {**row.values, **secrets}


def branch(declared: Sequence[AppInput], values: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the branch `inputs` of the state document, and which of its names are sensitive."""
    return {"inputs": rules.with_defaults(declared, values)}, [each.name for each in declared if each.sensitive]


async def change(
    ctx: Ctx, install: Install, given: Mapping[str, str], *, by_customer: bool = False
) -> tuple[InstallInputs, tuple[str, ...]]:
    """Lay new values over the stored ones and return the new version with the names that changed.

    Raises `InputsInvalid`, naming everything that is wrong. Starts nothing: `operations.update_inputs` does.
    """
    await _lock(ctx, install)
    input_config_id = await input_config_id_of(ctx, install)
    known = await declared(ctx, input_config_id)
    if not known:
        rules.resolve_inputs(known, given)
    merged = rules.merge_inputs(known, await values_of(ctx, install.id), given, by_customer=by_customer)
    row = await store(ctx, install, known, merged.values, input_config_id=input_config_id)
    value, sensitive = branch(known, merged.values)
    await states.put(ctx, install.id, "inputs", value, sensitive=sensitive, org_id=install.org_id)
    await states.mark_stale(ctx, install.id)
    await audit.record(ctx, "update", row, install_id=install.id, changed=list(merged.changed))
    return row, merged.changed


async def replace(ctx: Ctx, install: Install, given: Mapping[str, str]) -> InstallInputs:
    """Store a whole new set of values (the deprecated POST); no workflow follows."""
    await _lock(ctx, install)
    input_config_id = await input_config_id_of(ctx, install)
    known = await declared(ctx, input_config_id)
    values = rules.resolve_inputs(known, given)
    row = await store(ctx, install, known, values, input_config_id=input_config_id)
    value, sensitive = branch(known, values)
    await states.put(ctx, install.id, "inputs", value, sensitive=sensitive, org_id=install.org_id)
    await states.mark_stale(ctx, install.id)
    await audit.record(ctx, "create", row, install_id=install.id)
    return row


async def _lock(ctx: Ctx, install: Install) -> None:
    """One change at a time for each install: two that lay values over the same version would lose one another."""
    await ctx.db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"inputs:{install.id}", 0))))
