"""Every SELECT on runners, limited to what the actor may see."""

from datetime import datetime, timedelta

from sqlalchemy import CTE, Select, bindparam, cast, literal, select
from sqlalchemy.dialects.postgresql import insert

from exclave.domain.runners import access
from exclave.domain.runners.models import Runner, RunnerGroup, RunnerGroupSettings, RunnerHealthCheck, RunnerHeartBeat
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org


def visible_to(actor: Actor) -> Select[Runner]:
    return select(Runner).where(Runner.org_id == actor.org_id, Runner.deleted_at == 0, access.own(actor, Runner.id))


def by_id(actor: Actor, runner_id: str) -> Select[Runner]:
    return visible_to(actor).where(Runner.id == runner_id)


OF_OWNER: Prepared[Runner] = Prepared(
    select(Runner)
    .join(RunnerGroup, RunnerGroup.id == Runner.runner_group_id)
    .where(
        RunnerGroup.owner_type == bindparam("owner_type"),
        RunnerGroup.owner_id == bindparam("owner"),
        in_org(RunnerGroup),
        RunnerGroup.deleted_at == 0,
        Runner.deleted_at == 0,
    )
    .order_by(Runner.created_at)
    .limit(1)
)


def group_of_owner(org_id: str, owner_type: str, owner_id: str) -> Select[RunnerGroup]:
    return select(RunnerGroup).where(
        RunnerGroup.org_id == org_id,
        RunnerGroup.owner_type == owner_type,
        RunnerGroup.owner_id == owner_id,
        RunnerGroup.deleted_at == 0,
    )


def in_group(group_id: str) -> Select[Runner]:
    return select(Runner).where(Runner.runner_group_id == group_id, Runner.deleted_at == 0).order_by(Runner.created_at)


def on_this_machine() -> Select[str, str]:
    """Runners of the platform `local`, of all orgs, that have an account and are not out of service; with the type of their group."""
    return (
        select(Runner.id, RunnerGroup.type)
        .join(RunnerGroup, RunnerGroup.id == Runner.runner_group_id)
        .where(
            RunnerGroup.platform == "local",
            RunnerGroup.deleted_at == 0,
            Runner.deleted_at == 0,
            Runner.account_id != "",
            Runner.status.not_in(("deprovisioned", "deprovisioning")),
        )
    )


def one_on_this_machine(runner_id: str) -> Select[Runner]:
    return select(Runner).where(Runner.id == runner_id, Runner.id.in_(on_this_machine().with_only_columns(Runner.id)))


def with_group(actor: Actor, runner_id: str) -> Select[Runner, RunnerGroup, RunnerGroupSettings]:
    return (
        select(Runner, RunnerGroup, RunnerGroupSettings)
        .join(RunnerGroup, RunnerGroup.id == Runner.runner_group_id)
        .join(RunnerGroupSettings, RunnerGroupSettings.runner_group_id == RunnerGroup.id)
        .where(
            Runner.id == runner_id,
            Runner.org_id == actor.org_id,
            Runner.deleted_at == 0,
            access.own(actor, Runner.id),
        )
    )


def settings_of(group_id: str) -> Select[RunnerGroupSettings]:
    return select(RunnerGroupSettings).where(RunnerGroupSettings.runner_group_id == group_id)


def beat(*also: CTE) -> Prepared[tuple[RunnerHeartBeat, str]]:
    """Keep the newest beat of a process of a runner; it comes with the runner's status. Nobody beats for a runner of another org.

    `also`: what else the beat does, in the same statement.
    """
    given = {
        RunnerHeartBeat.id: bindparam("id"),
        RunnerHeartBeat.created_by_id: bindparam("account"),
        RunnerHeartBeat.created_at: bindparam("moment"),
        RunnerHeartBeat.process: bindparam("process"),
        RunnerHeartBeat.version: bindparam("version"),
        RunnerHeartBeat.alive_time: bindparam("alive_time"),
        RunnerHeartBeat.beat_at: bindparam("moment"),
        RunnerHeartBeat.updated_at: bindparam("moment"),
        RunnerHeartBeat.deleted_at: literal(0),
    }
    runner = select(Runner.org_id, Runner.id, *(cast(value, column.type) for column, value in given.items())).where(
        Runner.id == bindparam("runner"), in_org(Runner), Runner.deleted_at == 0
    )
    names = ["org_id", "runner_id", *(column.key for column in given)]
    kept = insert(RunnerHeartBeat).from_select(names, runner, include_defaults=False)
    status = select(Runner.status).where(Runner.id == bindparam("runner")).scalar_subquery()
    return Prepared(
        kept.on_conflict_do_update(
            index_elements=[RunnerHeartBeat.runner_id, RunnerHeartBeat.process],
            set_={name: kept.excluded[name] for name in ("version", "alive_time", "beat_at", "updated_at")},
        )
        .returning(RunnerHeartBeat, status.label("status"))
        .add_cte(*also),
        returns=(RunnerHeartBeat, None),
        fresh=True,
    )


BEAT = beat()


def beats_of(actor: Actor, runner_id: str) -> Select[RunnerHeartBeat]:
    """The newest beat of each process of a runner, newest first."""
    return (
        select(RunnerHeartBeat)
        .where(
            RunnerHeartBeat.runner_id == runner_id,
            RunnerHeartBeat.org_id == actor.org_id,
            access.own(actor, RunnerHeartBeat.runner_id),
        )
        .order_by(RunnerHeartBeat.beat_at.desc())
    )


def checks_of(actor: Actor, runner_id: str, *, since: datetime) -> Select[RunnerHealthCheck]:
    """Health checks, one a minute and process, oldest first."""
    return (
        select(RunnerHealthCheck)
        .where(
            RunnerHealthCheck.runner_id == runner_id,
            RunnerHealthCheck.org_id == actor.org_id,
            access.own(actor, RunnerHealthCheck.runner_id),
            RunnerHealthCheck.minute >= since - timedelta(minutes=1),
        )
        .order_by(RunnerHealthCheck.minute, RunnerHealthCheck.process)
    )
