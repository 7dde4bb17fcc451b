"""Every SELECT over installs, limited to what the actor may see."""

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from exclave.domain.apps.models import App, AppConfig, AppInput, AppInputConfig, AppRunnerConfig, AppSandboxConfig
from exclave.domain.components.models import Component
from exclave.domain.installs.models import (
    AWSAccount,
    AzureAccount,
    Install,
    InstallComponent,
    InstallConfig,
    InstallInputs,
    InstallSandbox,
    InstallStack,
)
from exclave.domain.orgs.models import Org
from exclave.domain.runners.models import Runner, RunnerGroup
from exclave.kit.context import Actor
from exclave.kit.prepared import Prepared, in_org, owned_by


def visible_to(actor: Actor) -> Select[Install]:
    return select(Install).where(Install.org_id == actor.org_id, Install.deleted_at == 0)


def by_name(actor: Actor, ref: str) -> Select[Install]:
    """Installs of this name, two at most: more than one is too many."""
    return visible_to(actor).where(Install.name == ref).limit(2)


def runner_that_may_see(actor: Actor, app_id: str) -> Select[Any]:
    """The acting runner, if it makes the builds of the org or is that of an install of the app."""
    return (
        select(Runner.id)
        .join(RunnerGroup, RunnerGroup.id == Runner.runner_group_id)
        .outerjoin(Install, and_(RunnerGroup.owner_type == "installs", Install.id == RunnerGroup.owner_id))
        .where(Runner.id == actor.runner_id, Runner.org_id == actor.org_id)
        .where(or_(RunnerGroup.owner_type == "orgs", Install.app_id == app_id))
    )


def listed(actor: Actor, *, app_id: str = "", q: str = "") -> Select[Install]:
    """Installs by name. `q` is a part of the name, without regard to case."""
    statement = visible_to(actor).order_by(Install.name, Install.id)
    if app_id:
        statement = statement.where(Install.app_id == app_id)
    return statement.where(Install.name.icontains(q, autoescape=True)) if q else statement


def pinnable(actor: Actor, app_id: str) -> Select[*tuple[Any, ...]]:
    """The newest active config of an app, with the sandbox, runner and input config that an install of it pins.

    Children that old clients sent without a config count for every config of the app.
    """

    def child(table: type[Any]) -> Any:
        return (
            select(table.id)
            .where(
                table.app_id == AppConfig.app_id,
                table.app_config_id.in_([AppConfig.id, ""]),
                table.deleted_at == 0,
            )
            .order_by((table.app_config_id == AppConfig.id).desc(), table.created_at.desc())
            .limit(1)
            .correlate(AppConfig)
            .scalar_subquery()
        )

    return (
        select(AppConfig, AppSandboxConfig, AppRunnerConfig, child(AppInputConfig))
        .outerjoin(AppSandboxConfig, AppSandboxConfig.id == child(AppSandboxConfig))
        .outerjoin(AppRunnerConfig, AppRunnerConfig.id == child(AppRunnerConfig))
        .where(AppConfig.app_id == app_id, AppConfig.org_id == actor.org_id, AppConfig.deleted_at == 0, AppConfig.status == "active")
        .order_by(AppConfig.created_at.desc())
        .limit(1)
    )


def input_config_id_of(app_config_id: str | InstrumentedAttribute[str]) -> Select[str]:
    """The id of the input config that an app config has."""
    return (
        select(AppInputConfig.id)
        .where(AppInputConfig.app_config_id == app_config_id, AppInputConfig.deleted_at == 0)
        .order_by(AppInputConfig.created_at.desc())
        .limit(1)
    )


# The inputs of an input config, in their order.
DECLARED: Prepared[AppInput] = Prepared(
    select(AppInput).where(AppInput.app_input_id == bindparam("config"), AppInput.deleted_at == 0).order_by(AppInput.index, AppInput.name)
)


def app_components(app_id: str) -> Select[Component]:
    return select(Component).where(Component.app_id == app_id, Component.deleted_at == 0).order_by(Component.name)


def next_number(app_id: str) -> Select[int]:
    return select(func.coalesce(func.max(Install.install_number), 0) + 1).where(Install.app_id == app_id)


def newest_inputs(install_id: str | InstrumentedAttribute[str]) -> Select[InstallInputs]:
    return (
        select(InstallInputs)
        .where(InstallInputs.install_id == install_id, InstallInputs.deleted_at == 0)
        .order_by(InstallInputs.created_at.desc())
        .limit(1)
    )


def inputs_of(actor: Actor, install_id: str) -> Select[InstallInputs]:
    """Versions of an install's inputs, newest first."""
    return (
        select(InstallInputs)
        .where(InstallInputs.org_id == actor.org_id, InstallInputs.install_id == install_id, InstallInputs.deleted_at == 0)
        .order_by(InstallInputs.created_at.desc())
    )


def components_of(install_id: str | BindParameter[str]) -> Select[InstallComponent, Component]:
    """The live components of an install with their rows."""
    return (
        select(InstallComponent, Component)
        .join(Component, Component.id == InstallComponent.component_id)
        .where(InstallComponent.install_id == install_id, InstallComponent.deleted_at == 0, Component.deleted_at == 0)
        .order_by(Component.name)
    )


COMPONENTS_OF: Prepared[tuple[InstallComponent, Component]] = Prepared(components_of(bindparam("install")))
COMPONENT_OF: Prepared[InstallComponent] = Prepared(
    select(InstallComponent).where(
        InstallComponent.install_id == bindparam("install"), InstallComponent.component_id == bindparam("component")
    )
)


def missing_components(install: Install) -> Select[Component]:
    """Components of the app that the install has no row for."""
    have = select(InstallComponent.component_id).where(InstallComponent.install_id == install.id)
    return app_components(install.app_id).where(Component.id.not_in(have))


CONFIG_OF: Prepared[InstallConfig] = Prepared(
    select(InstallConfig).where(InstallConfig.install_id == bindparam("install"), InstallConfig.deleted_at == 0)
)


SANDBOX_OF: Prepared[InstallSandbox] = Prepared(
    select(InstallSandbox).where(InstallSandbox.install_id == bindparam("install"), InstallSandbox.deleted_at == 0)
)


STACK_OF: Prepared[InstallStack] = Prepared(
    select(InstallStack).where(InstallStack.install_id == bindparam("install"), InstallStack.deleted_at == 0)
)


def installs_of_app(app_id: str) -> Select[Install]:
    return select(Install).where(Install.app_id == app_id, Install.deleted_at == 0)


def runner_of_group() -> ColumnElement[bool]:
    """The condition of a join of a runner group with its runners: the oldest is the one."""
    return and_(Runner.runner_group_id == RunnerGroup.id, Runner.deleted_at == 0)


_newest_inputs_id = newest_inputs(Install.id).with_only_columns(InstallInputs.id).correlate(Install).scalar_subquery()
_input_config_id = input_config_id_of(Install.app_config_id).correlate(Install).scalar_subquery()
_lacks_components = (
    exists()
    .where(
        Component.app_id == Install.app_id,
        Component.deleted_at == 0,
        ~exists()
        .where(InstallComponent.install_id == Install.id, InstallComponent.component_id == Component.id)
        .correlate(Install, Component),
    )
    .correlate(Install)
)

# What an install stands in, in one row: org, app, cloud accounts, runner, its newest inputs, the input config of its app config, and
# whether the app has a component that the install has no row for.
SURROUNDINGS: Prepared[Any] = Prepared(
    select(Install, Org, App, AWSAccount, AzureAccount, Runner, InstallInputs, _input_config_id, _lacks_components)
    .select_from(Install)
    .join(Org, Org.id == Install.org_id)
    .join(App, App.id == Install.app_id)
    .outerjoin(AWSAccount, and_(AWSAccount.install_id == Install.id, AWSAccount.deleted_at == 0))
    .outerjoin(AzureAccount, and_(AzureAccount.install_id == Install.id, AzureAccount.deleted_at == 0))
    .outerjoin(RunnerGroup, owned_by(Install, RunnerGroup))
    .outerjoin(Runner, runner_of_group())
    .outerjoin(InstallInputs, InstallInputs.id == _newest_inputs_id)
    .where(Install.id == bindparam("install"), in_org(Install))
    .order_by(Runner.created_at)
    .limit(1)
)
