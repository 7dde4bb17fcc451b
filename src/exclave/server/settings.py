"""Every setting of a server process, read once from the environment (`EXCLAVE_…`)."""

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from exclave.kit.context import Facts

Role = Literal["api", "worker", "all"]
Port = Annotated[int, Meta(ge=0, le=65535)]

PREFIX = "EXCLAVE_"
_YES_AND_NO = {"yes": True, "on": True, "no": False, "off": False}  # beside true, false, 1 and 0


def says(text: str) -> Meta:
    """What a setting is for."""
    return Meta(description=text)


class SettingsInvalid(Exception):
    """Settings hold what they cannot; the message has a line for each, which names it and says what it is for."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator can set. The names in the environment are these in capitals after `EXCLAVE_`; an empty one is not set.

    A duration is a number of seconds, or as ISO 8601 has it: `PT1M30S`.
    """

    database_url: Annotated[str, says("PostgreSQL 15 or newer, `postgresql://user:password@host:5432/name`. `up` has its own.")] = ""
    owner_url: Annotated[str, says("The owner of the schema, for `migrate`. Empty: the database URL.")] = ""
    data_dir: Annotated[Path, says("Where blobs, keys and the embedded database live.")] = Path()
    master_key: Annotated[str, says("32 bytes in base64 that seal everything; empty: a file in the data directory.")] = ""
    role: Annotated[Role, says("What this process does: answer (api), work (worker), or both (all).")] = "all"

    host: Annotated[str, says("The address that all three listeners bind.")] = "127.0.0.1"
    public_port: Annotated[Port, says("Port of the public API.")] = 8081
    admin_port: Annotated[Port, says("Port of the admin API. Keep it inside.")] = 8082
    runner_port: Annotated[Port, says("Port of the runner API.")] = 8083
    public_url: Annotated[str, says("How clients reach the public API. Empty: the host and port above.")] = ""
    runner_url: Annotated[str, says("How runners reach the runner API. Empty: the host and port above.")] = ""

    lease: Annotated[timedelta, says("How long a runner may be silent before its job is given up.")] = timedelta(seconds=30)
    heartbeat: Annotated[timedelta, says("How often runners say that they live.")] = timedelta(seconds=5)
    unhealthy_after: Annotated[timedelta, says("How old the last heartbeat of a healthy runner may be.")] = timedelta(seconds=15)
    allow_local_platform: Annotated[
        bool, says("Allow apps of runner type `local`, whose runner runs tenant code on this host. `up` allows it.")
    ] = False
    local_sources: Annotated[tuple[Path, ...], says("Directories below which path and file:// sources may lie, separated by colons.")] = ()
    api_connections: Annotated[int, Meta(ge=2), says("Database connections for requests.")] = 12
    engine_connections: Annotated[int, Meta(ge=3), says("Database connections for workflows and sweeps.")] = 5
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        says("How much the process says on stderr: debug, info, warning or error."),
    ] = "info"

    def __repr__(self) -> str:
        return "Settings(…)"  # with passwords in it

    @property
    def public_address(self) -> str:
        return self.public_url or _address(self.host, self.public_port)

    @property
    def runner_address(self) -> str:
        return self.runner_url or _address(self.host, self.runner_port)

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


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings; raises SettingsInvalid. No message holds a value: some are secret."""
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for setting in msgspec.structs.fields(Settings):
        name = PREFIX + setting.name.upper()
        kind: Any = setting.type.__origin__
        notes: Sequence[Meta] = setting.type.__metadata__
        if text := environ.get(name):
            try:
                found[setting.name] = _read(setting.type, kind, text)
            except ValueError:
                what = next(note.description for note in notes if note.description)
                wrong.append(f"{name} must be {_expected(kind, notes)}. {what}")
    if wrong:
        raise SettingsInvalid("\n".join(wrong))
    return Settings(**found)


def _read(setting: Any, kind: Any, text: str) -> Any:
    """Convert the text to what the setting holds; raises ValueError."""
    parts: Any = text
    if kind is bool:
        parts = _YES_AND_NO.get(text.lower(), text)
    elif kind == tuple[Path, ...]:
        parts = [part for part in text.split(os.pathsep) if part]
    value = msgspec.convert(parts, setting, strict=False, dec_hook=lambda kind, path: kind(path))
    if kind is timedelta and value <= timedelta():
        raise ValueError(text)
    return value


def _expected(kind: Any, notes: Sequence[Meta]) -> str:
    if kind is bool:
        return "true or false"
    if kind is timedelta:
        return "a number of seconds, or a duration such as PT1M30S"
    if kind is int:
        least = next(note.ge for note in notes if note.ge is not None)
        most = next((note.le for note in notes if note.le is not None), None)
        return f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most}"
    return f"one of {', '.join(kind.__args__)}"
