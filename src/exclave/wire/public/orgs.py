"""What the public API says about orgs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import field

from exclave.wire.base import Body, JSONObject, Shape, StringBoolMap, word


OrgInviteStatus = Literal["pending", "accepted"]


class NotificationsConfig(Shape):
    """`app.NotificationsConfig` of the contract."""

    id: str = ""
    created_by_id: str = ""
    org_id: str = ""
    owner_id: str = ""
    owner_type: str = ""
    slack_webhook_url: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Org(Shape):
    """`app.Org` of the contract."""

    id: str = ""
    created_by_id: str = ""
    features: StringBoolMap | None = None
    links: JSONObject = field(default_factory=dict)
    logo_url: str = ""
    name: str = ""
    notifications_config: NotificationsConfig | None = None
    runner_group: RunnerGroup | None = None
    sandbox_mode: bool = False
    status: str = ""
    status_description: str = ""
    vcs_connections: list[VCSConnection] = field(default_factory=list)
    created_at: datetime | None = None
    updated_at: datetime | None = None


class OrgInvite(Shape):
    """`app.OrgInvite` of the contract."""

    id: str = ""
    created_by_id: str = ""
    email: str = ""
    org_id: str = ""
    role_type: Annotated[str, word(RoleType)] = ""
    status: Annotated[str, word(OrgInviteStatus)] = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class CreateOrgInviteRequest(Body):
    """`service.CreateOrgInviteRequest` of the contract."""

    email: str


class CreateOrgRequest(Body):
    """`service.CreateOrgRequest` of the contract."""

    name: str
    use_sandbox_mode: bool = False


class CreateOrgUserRequest(Body):
    """`service.CreateOrgUserRequest` of the contract."""

    user_id: str = ""


class RemoveOrgUserRequest(Body):
    """`service.RemoveOrgUserRequest` of the contract."""

    user_id: str = ""


class UpdateOrgRequest(Body):
    """`service.UpdateOrgRequest` of the contract."""

    name: str


# Shapes nest in a circle: what other modules give arrives after the classes of this one.
from exclave.wire.public.accounts import RoleType
from exclave.wire.public.runners import RunnerGroup
from exclave.wire.public.vcs import VCSConnection
