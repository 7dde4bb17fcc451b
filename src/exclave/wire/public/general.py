"""What the public API says about general."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import field

from exclave.wire.base import Body, Shape


CloudPlatform = Literal["aws", "azure", "unknown"]


OperationStatus = Literal["started", "finished", "noop", "failed"]


class CloudPlatformRegion(Shape):
    """`app.CloudPlatformRegion` of the contract."""

    display_name: str = ""
    icon: str = ""
    name: str = ""
    value: str = ""


class Waitlist(Shape):
    """`app.Waitlist` of the contract."""

    id: str = ""
    created_by_id: str = ""
    org_name: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class CLIConfig(Shape):
    """`service.CLIConfig` of the contract."""

    auth_audience: str = field(default_factory=str)
    auth_client_id: str = field(default_factory=str)
    auth_domain: str = field(default_factory=str)
    dashboard_url: str = field(default_factory=str)


class WaitlistRequest(Body):
    """`service.WaitlistRequest` of the contract."""

    org_name: str
