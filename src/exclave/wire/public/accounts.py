"""What the public API says about accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import field

from exclave.wire.base import Body, PermissionSet, Shape, word


AccountType = Literal["auth0", "service", "canary", "integration"]


PolicyName = Literal["org_admin", "installer", "runner", "hosted_installer"]


RoleType = Literal["org_admin", "installer", "runner", "hosted-installer"]


class Account(Shape):
    """`app.Account` of the contract."""

    id: str = ""
    account_type: Annotated[str, word(AccountType)] = ""
    email: str = ""
    org_ids: list[str] | None = None
    permissions: PermissionSet | None = None
    roles: list[Role] | None = None
    subject: str = ""
    user_journeys: list[UserJourney] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Policy(Shape):
    """`app.Policy` of the contract."""

    id: str = ""
    created_by_id: str = ""
    name: Annotated[str, word(PolicyName)] = ""
    permissions: dict[str, str | None] = field(default_factory=lambda: {})
    role_id: str = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Role(Shape):
    """`app.Role` of the contract."""

    id: str = ""
    created_by: Account = field(default_factory=lambda: Account(), name="createdBy")
    created_by_id: str = ""
    policies: list[Policy] | None = None
    role_type: Annotated[str, word(RoleType)] = ""
    org_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class UserJourney(Shape):
    """`app.UserJourney` of the contract."""

    name: str = field(default_factory=str)
    steps: list[UserJourneyStep] | None = field(default_factory=lambda: None)
    title: str = field(default_factory=str)


class UserJourneyStep(Shape):
    """`app.UserJourneyStep` of the contract."""

    complete: bool = field(default_factory=bool)
    completion_method: str = ""
    completion_source: str = ""
    metadata: Any = None
    name: str = field(default_factory=str)
    title: str = field(default_factory=str)
    completed_at: datetime | None = None


class CreateUserJourneyRequest(Body):
    """`service.CreateUserJourneyRequest` of the contract."""

    name: str
    steps: list[CreateUserJourneyStepReq]
    title: str


class CreateUserJourneyStepReq(Body):
    """`service.CreateUserJourneyStepReq` of the contract."""

    name: str
    title: str


class UpdateUserJourneyStepRequest(Body):
    """`service.UpdateUserJourneyStepRequest` of the contract."""

    complete: bool = False
