"""Write and read the state document of an install (spec domain.md 4.11).

Every slice pushes its own branch when it knows something new. Branches are rows of their own, so two slices that write at the same
time never lose one another. `generate` keeps a version of the whole. What a branch holds, as JSON object:

    install          {id, name}
    org, app         {id, name, status}, app also {variables: {name: text}}
    inputs           {inputs: {name: text}}                                     sensitive: names of inputs
    runner           {id, runner_group_id, status}
    cloud_account    {aws: {region}} or {azure: {location}}
    install_stack    {status, quick_link_url, template_url, template_json, checksum, outputs: {}}
    sandbox          {status, type, version, outputs: {}, recent_runs: []}      sensitive: names of outputs
    components/NAME  {status, build_id, component_id, install_component_id, outputs: {}}    sensitive: names of outputs
    actions/NAME     {id, status, outputs: {}}
    secrets          {outputs: {name: {name, arn, kubernetes_namespace, …}}}

`populated` is added (true once a branch was written); a branch may say `populated: false` itself.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import func, select, update

from exclave.domain.orgs import keys
from exclave.domain.states import queries, rules
from exclave.domain.states.models import InstallState, InstallStateBranch
from exclave.kit import ids, time
from exclave.kit.context import Ctx

# Of each branch its value, and the names in it that people never see.
Branches = Mapping[str, tuple[Mapping[str, Any], Collection[str]]]

_decoder = msgspec.json.Decoder(rules.Branch)
_version_decoder = msgspec.json.Decoder(dict[str, rules.Branch])


async def put(
    ctx: Ctx, install_id: str, branch: str, value: Mapping[str, Any], *, sensitive: Collection[str] = (), org_id: str = ""
) -> None:
    """Write one branch, replacing what it held. `sensitive` names keys below `outputs` (of the branch `inputs`: below `inputs`)
    that people never see."""
    await put_many(ctx, install_id, {branch: (value, sensitive)}, org_id=org_id)


async def put_many(ctx: Ctx, install_id: str, branches: Branches, *, org_id: str = "") -> None:
    """Write several branches in two statements."""
    if branches:
        written = await _claim(ctx, install_id, branches, org_id=org_id)
        await queries.FILL.run(ctx.db, **await _sealed(ctx, written))


async def drop(ctx: Ctx, install_id: str, branch: str) -> None:
    """Empty one branch: the document shows it as never written."""
    await queries.TURN.run(ctx.db, install=install_id)
    await ctx.db.execute(
        update(InstallStateBranch)
        .where(InstallStateBranch.install_id == install_id, InstallStateBranch.branch == branch)
        .values(contents=None, updated_at=time.now())
        .execution_options(synchronize_session=False)
    )


async def generate(
    ctx: Ctx, install_id: str, branches: Branches | None = None, *, by_id: str, by_type: str, org_id: str = ""
) -> InstallState:
    """Write branches and keep a version of the whole document as it is then: two statements, and the flush of the caller.

    The newest 50 versions keep their contents, older ones are archived.
    """
    if branches:
        written = await _claim(ctx, install_id, branches, org_id=org_id)
    else:
        await queries.TURN.run(ctx.db, install=install_id)
        written = []
    asked = {"install": install_id, "org": ctx.org_id, "kept": rules.KEPT_VERSIONS}
    rows = await queries.FILL_AND_READ.records(ctx.db, **asked, **await _sealed(ctx, written))
    others, found_org_id = await _opened(ctx, (row[:4] for row in rows if row["id"] is not None))
    state = InstallState(
        org_id=org_id or found_org_id or ctx.org_id,
        created_by_id=ctx.actor.account_id,
        install_id=install_id,
        version=rows[0]["version"] + 1,
        triggered_by_id=by_id,
        triggered_by_type=by_type,
    )
    document = others | {row.branch: _decoder.decode(contents) for row, contents in written}
    state.contents = await keys.seal(ctx, state, "contents", msgspec.json.encode(document))
    ctx.db.add(state)
    return state


Written = list[tuple[InstallStateBranch, bytes]]


async def _claim(ctx: Ctx, install_id: str, branches: Branches, *, org_id: str) -> Written:
    """Take the turn, and return the rows of branches with what is to be sealed in each."""
    org_id = org_id or ctx.org_id
    if not org_id:
        raise ValueError("the state of an install is sealed by its org: no org is known here")
    for branch in branches:
        if not rules.is_branch(branch):
            raise ValueError(f"{branch!r} is no branch of the state document")
    names = sorted(branches)
    row_ids = [ids.new_id(InstallStateBranch.prefix) for _ in names]
    claim = {"ids": row_ids, "branches": names, "org": org_id, "by": ctx.actor.account_id, "install": install_id}
    rows = [InstallStateBranch(id=row_id, branch=name, org_id=org_id) for row_id, name in await queries.CLAIM.records(ctx.db, **claim)]
    return [(row, _encoded(row.branch, *branches[row.branch])) for row in rows]


def _encoded(branch: str, value: object, sensitive: Collection[str]) -> bytes:
    if not isinstance(value, Mapping | msgspec.Raw):
        raise TypeError(f"the branch {branch!r} holds an object, not {type(value).__name__}")
    return rules.encode({"value": value, "sensitive": sorted(sensitive)})


async def _sealed(ctx: Ctx, written: Written) -> dict[str, Any]:
    sealed = [await keys.seal(ctx, row, "contents", contents) for row, contents in written]
    return {"ids": [row.id for row, _ in written], "contents": sealed}


async def mark_stale(ctx: Ctx, install_id: str) -> None:
    """Say that the newest version no longer tells the truth."""
    newest = select(func.max(InstallState.version)).where(InstallState.install_id == install_id).scalar_subquery()
    await ctx.db.execute(
        update(InstallState)
        .where(InstallState.install_id == install_id, InstallState.version == newest, InstallState.stale_at.is_(None))
        .values(stale_at=time.now())
        .execution_options(synchronize_session=False)
    )


async def document(ctx: Ctx, install_id: str) -> dict[str, Any]:
    """Return the document as it is now, unmasked: for templates and plans, never for an answer to people."""
    return rules.full((await _branches(ctx, install_id))[0])


async def current(ctx: Ctx, install_id: str) -> rules.Current:
    """Return the document as it is now, with the texts that a log must never show."""
    return rules.current((await _branches(ctx, install_id))[0])


async def both(ctx: Ctx, install_id: str) -> tuple[rules.Current, dict[str, Any]]:
    """Return the document as it is now and as people may see it, both as plain values."""
    branches, _ = await _branches(ctx, install_id)
    return rules.current(branches), json.loads(msgspec.json.encode(rules.shown(branches)))


async def shown(ctx: Ctx, install_id: str) -> dict[str, Any]:
    """Return the document as people may see it: sensitive inputs and outputs are masked, other values are as they were written."""
    return rules.shown((await _branches(ctx, install_id))[0])


async def shown_plain(ctx: Ctx, install_id: str) -> dict[str, Any]:
    """Return the document as people may see it, as plain values: for texts that are rendered for people."""
    plain: dict[str, Any] = json.loads(msgspec.json.encode(await shown(ctx, install_id)))
    return plain


async def branch(ctx: Ctx, install_id: str, name: str) -> dict[str, Any] | None:
    """Return the value of one branch, unmasked; None when it was never written."""
    found = (await _branches(ctx, install_id))[0].get(name)
    return json.loads(bytes(found.value)) if found else None


async def shown_version(ctx: Ctx, state: InstallState) -> dict[str, Any] | None:
    """Return the document of a version as people may see it; None when it is archived."""
    if state.contents is None:
        return None
    return rules.shown(_version_decoder.decode(await keys.unseal(ctx, state, "contents")))


async def _branches(ctx: Ctx, install_id: str) -> tuple[dict[str, rules.Branch], str]:
    return await _opened(ctx, await queries.BRANCHES_OF.all(ctx.db, install=install_id, org=ctx.org_id))


async def _opened(ctx: Ctx, rows: Iterable[tuple[str, bytes, str, str]]) -> tuple[dict[str, rules.Branch], str]:
    opened, org_id = {}, ""
    for name, contents, row_id, org_id in rows:
        data = await keys.unseal_value(ctx, org_id, InstallStateBranch.__tablename__, "contents", row_id, contents)
        opened[name] = _decoder.decode(data)
    return opened, org_id
