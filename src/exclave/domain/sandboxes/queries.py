"""Every SELECT on sandbox runs, limited to what the actor may see."""

from sqlalchemy import ARRAY, Select, String, any_, bindparam, func, select

from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.engine.models import WorkflowStep
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org


def visible_to(actor: Actor) -> Select[InstallSandboxRun]:
    return select(InstallSandboxRun).where(InstallSandboxRun.org_id == actor.org_id, InstallSandboxRun.deleted_at == 0)


def by_id(actor: Actor, run_id: str) -> Select[InstallSandboxRun]:
    return visible_to(actor).where(InstallSandboxRun.id == run_id)


_LIVE = select(InstallSandboxRun).where(in_org(InstallSandboxRun), InstallSandboxRun.deleted_at == 0)

# The run that a step made.
BY_KEY: Prepared[InstallSandboxRun] = Prepared(_LIVE.where(InstallSandboxRun.step_key == bindparam("key")))

# The run whose plan one of these steps made.
PLANNED_BY: Prepared[InstallSandboxRun] = Prepared(
    _LIVE.where(
        # As an array, so that the steps are looked at first, and by their ids.
        InstallSandboxRun.id
        == any_(
            func.array(
                select(WorkflowStep.step_target_id)
                .where(
                    WorkflowStep.id == any_(bindparam("steps", type_=ARRAY(String))),
                    WorkflowStep.step_target_type == InstallSandboxRun.__tablename__,
                )
                .scalar_subquery(),
                type_=ARRAY(String),
            )
        )
    )
    .order_by(InstallSandboxRun.created_at.desc())
    .limit(1)
)


def newest_of(actor: Actor, install_id: str) -> Select[InstallSandboxRun]:
    """The runs of an install, newest first."""
    return visible_to(actor).where(InstallSandboxRun.install_id == install_id).order_by(InstallSandboxRun.created_at.desc())
