"""Every SELECT on stacks, their versions and what these phoned home, limited to what the actor may see."""

from sqlalchemy import Select, select

from exclave.domain.installs.models import InstallStack
from exclave.domain.stacks.models import InstallStackOutputs, InstallStackVersion, InstallStackVersionRun
from exclave.kit.context import Actor


def visible_to(actor: Actor) -> Select[InstallStack]:
    return select(InstallStack).where(InstallStack.org_id == actor.org_id, InstallStack.deleted_at == 0)


def outputs_of(stack_id: str) -> Select[InstallStackOutputs]:
    return select(InstallStackOutputs).where(InstallStackOutputs.install_stack_id == stack_id, InstallStackOutputs.deleted_at == 0)


def versions_of(stack_id: str) -> Select[InstallStackVersion]:
    """The versions of a stack, newest first."""
    return (
        select(InstallStackVersion)
        .where(InstallStackVersion.install_stack_id == stack_id, InstallStackVersion.deleted_at == 0)
        .order_by(InstallStackVersion.created_at.desc())
    )


def runs_of(actor: Actor, install_id: str) -> Select[InstallStackVersionRun]:
    """What the versions of an install's stack phoned home, newest first."""
    return (
        select(InstallStackVersionRun)
        .join(InstallStackVersion, InstallStackVersion.id == InstallStackVersionRun.install_stack_version_id)
        .where(
            InstallStackVersionRun.org_id == actor.org_id,
            InstallStackVersion.install_id == install_id,
            InstallStackVersionRun.deleted_at == 0,
        )
        .order_by(InstallStackVersionRun.created_at.desc())
    )
