"""What a runner process is told by its environment, read once; the token leaves the environment at once."""

import os
import shutil
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from exclave.kit import process
from exclave.kit.errors import Invalid
from exclave.kit.ids import is_id

GROUPS: Mapping[str, tuple[str, ...]] = {
    "build": ("operations", "sync", "build"),
    "install": ("operations", "sync", "sandbox", "deploy", "actions"),
    "all": ("operations", "sync", "build", "sandbox", "deploy", "actions"),
}
_KNOWN_GROUPS = frozenset({"health-checks", "sync", "build", "deploy", "sandbox", "runner", "operations", "management", "actions"})


class SettingsInvalid(Invalid):
    """The runner cannot start with these settings."""

    code = "settings_invalid"


class Token:
    """The runner's token; read again from its file when the server says that it is not valid any more."""

    def __init__(self, value: str, file: Path | None = None) -> None:
        self._value = value
        self._file = file

    def __call__(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Token(…)"

    def refresh(self) -> bool:
        """Read the file again; tell whether it holds another token now."""
        if self._file is None:
            return False
        fresh = _read_token(self._file)
        changed = fresh != self._value
        self._value = fresh
        return changed


@dataclass(frozen=True)
class Settings:
    """One process of one runner."""

    api_url: str
    runner_id: str
    token: Token
    process: str  # its name in heartbeats
    groups: tuple[str, ...]
    work: Path
    parallel: int = 4
    drain_seconds: float = 20.0
    terraform: str = ""  # path of terraform or tofu; empty: looked up when a job needs it
    terraform_cli_config: str = ""
    local_sources: tuple[Path, ...] = ()
    # What children may see of the operator's environment: PATH and the network's proxies.
    ambient: Mapping[str, str] = field(default_factory=dict)


def read(environ: MutableMapping[str, str], mode: str = "") -> Settings:
    """Read the settings; raises SettingsInvalid naming the variable and what it should hold.

    RUNNER_API_URL, RUNNER_ID, and one of RUNNER_API_TOKEN, RUNNER_API_TOKEN_FILE, RUNNER_API_TOKEN_FD (a number; 0 is stdin) are
    needed; `mode` or EXCLAVE_RUNNER_GROUPS (comma-separated) says which jobs are taken.
    """
    url = _needed(environ, "RUNNER_API_URL", "the address of the runner API, for example http://127.0.0.1:8083")
    runner_id = _needed(environ, "RUNNER_ID", "the id of this runner")
    if not is_id(runner_id):
        raise SettingsInvalid(f"RUNNER_ID is {runner_id!r}: it must be an id of 26 characters")
    groups = tuple(g.strip() for g in environ.get("EXCLAVE_RUNNER_GROUPS", "").split(",") if g.strip())
    if not groups:
        if mode not in GROUPS:
            raise SettingsInvalid("say which jobs this runner takes: build, install or all, or list groups in EXCLAVE_RUNNER_GROUPS")
        groups = GROUPS[mode]
    if unknown := set(groups) - _KNOWN_GROUPS:
        raise SettingsInvalid(f"EXCLAVE_RUNNER_GROUPS names {', '.join(sorted(unknown))}: known are {', '.join(sorted(_KNOWN_GROUPS))}")
    name = mode or ("build" if "build" in groups else "install")
    work = Path(environ.get("EXCLAVE_RUNNER_WORK") or _default_work(environ))
    return Settings(
        api_url=url,
        runner_id=runner_id,
        token=_token(environ),
        process="" if name == "all" else name,
        groups=groups,
        work=work.absolute() / runner_id,
        parallel=int(_number(environ, "EXCLAVE_RUNNER_PARALLEL", 4, least=1)),
        drain_seconds=_number(environ, "EXCLAVE_RUNNER_DRAIN_SECONDS", 20.0, least=0),
        terraform=environ.get("EXCLAVE_TERRAFORM", ""),
        terraform_cli_config=environ.get("EXCLAVE_TERRAFORM_CLI_CONFIG", ""),
        local_sources=tuple(Path(p).resolve() for p in environ.get("EXCLAVE_LOCAL_SOURCES", "").split(os.pathsep) if p),
        ambient=_ambient(environ),
    )


def find_terraform(settings: Settings) -> str:
    """Return the path of terraform or tofu, or raise SettingsInvalid with the way out."""
    names = (settings.terraform,) if settings.terraform else ("terraform", "tofu")
    for name in names:
        if found := shutil.which(name, path=settings.ambient.get("PATH")):
            return found
    raise SettingsInvalid(
        f"{' and '.join(names)} not found: install terraform or tofu 1.8 or newer, or set EXCLAVE_TERRAFORM=/path/to/terraform"
    )


def _token(environ: MutableMapping[str, str]) -> Token:
    # From os.environ it is also wiped out of the memory that /proc shows.
    value = process.scrub_environment("RUNNER_API_TOKEN") if environ is os.environ else environ.pop("RUNNER_API_TOKEN", None)
    if value:
        return Token(value.strip())
    if path := environ.get("RUNNER_API_TOKEN_FILE"):
        return Token(_read_token(Path(path)), Path(path))
    if number := environ.get("RUNNER_API_TOKEN_FD"):
        if not number.isdecimal():
            raise SettingsInvalid(f"RUNNER_API_TOKEN_FD is {number!r}: it must be the number of an open file, 0 for stdin")
        with os.fdopen(int(number), "rb", closefd=number != "0") as file:
            value = file.read(65536).decode("utf-8", "replace").strip()
        if value:
            return Token(value)
    raise SettingsInvalid("the runner needs its token in RUNNER_API_TOKEN, or in a file named by RUNNER_API_TOKEN_FILE")


def _read_token(path: Path) -> str:
    """Read a file that holds the token, or a line RUNNER_API_TOKEN=… as on the original's machines."""
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise SettingsInvalid(f"RUNNER_API_TOKEN_FILE names {path}, which cannot be read: {error.strerror}") from error
    token = text.removeprefix("RUNNER_API_TOKEN=").strip().strip('"')
    if not token or any(c.isspace() for c in token):
        raise SettingsInvalid(f"RUNNER_API_TOKEN_FILE names {path}, which holds no token")
    return token


def _needed(environ: Mapping[str, str], name: str, what: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise SettingsInvalid(f"{name} is not set: it must hold {what}")
    return value


def _number(environ: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = environ.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise SettingsInvalid(f"{name} is {text!r}: it must be a number of at least {least:g}")
    return value


def _default_work(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_CACHE_HOME") or (os.path.join(environ["HOME"], ".cache") if environ.get("HOME") else "/var/tmp")
    return os.path.join(base, "exclave", "runner")


def _ambient(environ: Mapping[str, str]) -> dict[str, str]:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
    kept = {n: environ[n] for name in names for n in (name, name.lower()) if environ.get(n)}
    return {"PATH": environ.get("PATH") or os.defpath, **kept}
