"""What the public API says about releases."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from exclave.wire.base import Body, Shape


class ComponentRelease(Shape):
    """`app.ComponentRelease` of the contract."""

    id: str = ""
    build_id: str = ""
    created_by_id: str = ""
    release_steps: list[ComponentReleaseStep] = field(default_factory=list)
    status: str = ""
    status_description: str = ""
    total_release_steps: int = 0
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ComponentReleaseStep(Shape):
    """`app.ComponentReleaseStep` of the contract."""

    id: str = ""
    component_release_id: str = ""
    created_by_id: str = ""
    delay: str = ""
    install_deploys: list[InstallDeploy] = field(default_factory=list)
    requested_install_ids: list[str] | None = None
    status: str = ""
    status_description: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ServiceCreateComponentReleaseRequestStrategy(Body):
    """`ServiceCreateComponentReleaseRequestStrategy` of the contract."""

    delay: str = ""
    installs_per_step: int = 0


class CreateComponentReleaseRequest(Body):
    """`service.CreateComponentReleaseRequest` of the contract."""

    auto_build: bool = False
    build_id: str = ""
    install_ids: list[str] | None = None
    strategy: ServiceCreateComponentReleaseRequestStrategy | None = None


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.deploys import InstallDeploy
