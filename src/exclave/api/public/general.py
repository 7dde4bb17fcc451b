"""What anybody may ask: how to sign in, the schema of config files, the regions of a cloud."""

from typing import Any

from exclave.api.public import accounts
from exclave.api.route import AnyRequest, Routes
from exclave.config import schemas
from exclave.domain.apps import regions
from exclave.kit import errors
from exclave.kit.context import Ctx, Runtime
from exclave.wire.public import accounts as account_wire
from exclave.wire.public import general as wire

route = Routes("general")


@route.get("/v1/general/current-user", org=False)
async def get_current_user(ctx: Ctx, request: AnyRequest) -> account_wire.Account:
    """Read the account that owns the token in use."""
    return await accounts.current(ctx, request)


@route.get("/v1/general/cli-config", token=False)
async def get_cli_config(runtime: Runtime) -> wire.CLIConfig:
    """Read how a command line signs in here. Without an identity provider a token is all that it needs."""
    return wire.CLIConfig(dashboard_url=runtime.settings.ui_url)


@route.get("/v1/general/cloud-platform/{cloud_platform}/regions", token=False)
async def get_cloud_platform_regions(cloud_platform: str) -> list[wire.CloudPlatformRegion]:
    """List the regions of a cloud."""
    found = regions.REGIONS.get(cloud_platform)
    if found is None:
        raise errors.Invalid(f"cloud_platform: {cloud_platform!r} is not one of {', '.join(sorted(regions.REGIONS))}")
    return [wire.CloudPlatformRegion(name=name, value=name, display_name=f"{label} ({name})", icon=icon) for name, label, icon in found]


@route.get("/v1/general/config-schema", token=False)
async def get_config_schema(type: str = "") -> Any:
    """Read the JSON schema of a file of an app's config."""
    known = ", ".join(sorted(schemas.TYPES))
    if type not in schemas.TYPES:
        raise errors.Invalid(f"type: {type!r} is no kind of config file: give one of {known}" if type else f"type: give one of {known}")
    return schemas.schema(type)
