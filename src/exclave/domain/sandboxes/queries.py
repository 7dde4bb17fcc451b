"""Every SELECT on sandbox runs, limited to what the actor may see."""

from collections.abc import Sequence

from sqlalchemy import Select, select

from exclave.domain.sandboxes.models import InstallSandboxRun
from exclave.engine.models import WorkflowStep
from exclave.kit.context import Actor


def visible_to(actor: Actor) -> Select[InstallSandboxRun]:
    return select(InstallSandboxRun).where(InstallSandboxRun.org_id == actor.org_id, InstallSandboxRun.deleted_at == 0)


def by_id(actor: Actor, run_id: str) -> Select[InstallSandboxRun]:
    return visible_to(actor).where(InstallSandboxRun.id == run_id)


def by_key(actor: Actor, key: str) -> Select[InstallSandboxRun]:
    """The run that a step made."""
    return visible_to(actor).where(InstallSandboxRun.step_key == key)


def planned_by(actor: Actor, step_ids: Sequence[str]) -> Select[InstallSandboxRun]:
    """The run whose plan one of these steps made."""
    target = select(WorkflowStep.step_target_id).where(
        WorkflowStep.id.in_(step_ids), WorkflowStep.step_target_type == InstallSandboxRun.__tablename__
    )
    return visible_to(actor).where(InstallSandboxRun.id.in_(target)).order_by(InstallSandboxRun.created_at.desc()).limit(1)


def newest_of(actor: Actor, install_id: str) -> Select[InstallSandboxRun]:
    """The runs of an install, newest first."""
    return visible_to(actor).where(InstallSandboxRun.install_id == install_id).order_by(InstallSandboxRun.created_at.desc())
