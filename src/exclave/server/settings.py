"""Every setting of a server process, read once from the environment (`EXCLAVE_…`)."""

import contextlib
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

if TYPE_CHECKING:
    from exclave.kit.context import Facts

Role = Literal["api", "worker", "all"]


class Settings(BaseSettings):
    """What an operator can set. The names in the environment are these in capitals after `EXCLAVE_`."""

    model_config = SettingsConfigDict(env_prefix="EXCLAVE_", extra="ignore", hide_input_in_errors=True)

    database_url: str = Field(
        default="", description="PostgreSQL 15 or newer, `postgresql://user:password@host:5432/name`. `up` has its own."
    )
    owner_url: str = Field(default="", description="The owner of the schema, for `migrate`. Empty: the database URL.")
    data_dir: Path = Field(default=Path(), description="Where blobs, keys and the embedded database live.")
    master_key: str = Field(
        default="", repr=False, description="32 bytes in base64 that seal everything; empty: a file in the data directory."
    )
    role: Role = Field(default="all", description="What this process does: answer (api), work (worker), or both.")

    host: str = Field(default="127.0.0.1", description="The address that all three listeners bind.")
    public_port: int = Field(default=8081, ge=0, le=65535, description="Port of the public API.")
    admin_port: int = Field(default=8082, ge=0, le=65535, description="Port of the admin API. Keep it inside.")
    runner_port: int = Field(default=8083, ge=0, le=65535, description="Port of the runner API.")
    public_url: str = Field(default="", description="How clients reach the public API. Empty: the host and port above.")
    runner_url: str = Field(default="", description="How runners reach the runner API. Empty: the host and port above.")

    lease: timedelta = Field(default=timedelta(seconds=30), description="How long a runner may be silent before its job is given up.")
    heartbeat: timedelta = Field(default=timedelta(seconds=5), description="How often runners say that they live.")
    unhealthy_after: timedelta = Field(default=timedelta(seconds=15), description="How old the last heartbeat of a healthy runner may be.")
    allow_local_platform: bool = Field(
        default=False, description="Allow apps of runner type `local`, whose runner runs tenant code on this host. `up` allows it."
    )
    local_sources: Annotated[list[Path], NoDecode] = Field(
        default=[], description="Directories below which path and file:// sources may lie, separated by colons."
    )
    api_connections: int = Field(default=12, ge=2, description="Database connections for requests.")
    engine_connections: int = Field(default=5, ge=3, description="Database connections for workflows and sweeps.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="How much the process says on stderr.")

    @field_validator("lease", "heartbeat", "unhealthy_after", mode="before")
    @classmethod
    def _seconds(cls, value: object) -> object:
        """A plain number counts seconds; `PT1M30S` and `00:01:30` work as well."""
        with contextlib.suppress(ValueError):
            return float(value) if isinstance(value, str) else value
        return value

    @field_validator("local_sources", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @property
    def public_address(self) -> str:
        return self.public_url or f"http://{self.host}:{self.public_port}"

    @property
    def runner_address(self) -> str:
        return self.runner_url or f"http://{self.host}:{self.runner_port}"

    def facts(self) -> "Facts":
        """What verbs need of these."""
        from exclave.kit.context import Facts  # brings SQLAlchemy: `up` reads settings before it has time for that

        return Facts(
            public_url=self.public_address,
            runner_url=self.runner_address,
            ui_url=self.public_address,
            lease_seconds=self.lease.total_seconds(),
            local_platform=self.allow_local_platform,
            local_sources=tuple(str(path) for path in self.local_sources),
            heartbeat_seconds=self.heartbeat.total_seconds(),
            unhealthy_after_seconds=self.unhealthy_after.total_seconds(),
        )
