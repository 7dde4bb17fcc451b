"""What a child process may see: an allow-list, and what a plan adds to it. Pure rules (tests S22, S23)."""

import re
from collections.abc import Mapping
from pathlib import Path

from exclave.kit.errors import Invalid

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_REFUSED = frozenset(
    {"PATH", "BASH_ENV", "ENV", "IFS", "SHELLOPTS", "BASHOPTS", "PROMPT_COMMAND", "PS4", "PYTHONSTARTUP", "HOME", "TMPDIR"}
)
_REFUSED_PREFIXES = ("LD_", "GIT_", "DYLD_", "BASH_FUNC_", "EXCLAVE_", "RUNNER_API_")
# These decide where Terraform keeps its state and which programs it starts.
_TERRAFORM_REFUSED = frozenset({"TF_DATA_DIR", "TF_WORKSPACE", "TF_REATTACH_PROVIDERS", "TF_PLUGIN_CACHE_DIR", "TF_STATE_PERSIST_INTERVAL"})
_TERRAFORM_REFUSED_PREFIXES = ("TF_HTTP_", "TF_CLI_", "TF_BACKEND_")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class VariableRefused(Invalid):
    """An environment variable of the plan may not be set."""

    code = "environment_refused"


def base(*, ambient: Mapping[str, str], home: Path, temporary: Path) -> dict[str, str]:
    """Return what every child gets: PATH, its own HOME and TMPDIR, a locale, and the operator's proxies, never used for loopback."""
    env = {"LANG": "C.UTF-8", **ambient, "HOME": str(home), "TMPDIR": str(temporary)}
    if any(name.upper() in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in ambient):
        direct = [*_LOOPBACK, *(ambient.get("NO_PROXY") or ambient.get("no_proxy") or "").split(",")]
        env["NO_PROXY"] = env["no_proxy"] = ",".join(dict.fromkeys(part.strip() for part in direct if part.strip()))
    return env


def checked(given: Mapping[str, str], *, where: str) -> dict[str, str]:
    """Return a plan's variables, or raise VariableRefused naming the first that would change how programs are found or started."""
    for name, value in given.items():
        if not _NAME.match(name):
            raise VariableRefused(f"{where} sets {name[:100]!r}: a name is made of letters, digits and _ and starts with no digit")
        if name in _REFUSED or name.startswith(_REFUSED_PREFIXES):
            raise VariableRefused(f"{where} sets {name}, which only the runner may set: use another name")
        if "\0" in value:
            raise VariableRefused(f"{where} sets {name} to a text with a NUL character")
    return dict(given)


def checked_for_terraform(given: Mapping[str, str], *, where: str) -> tuple[dict[str, str], list[str]]:
    """As `checked`, for Terraform; also return the names of what was left out because its output can hold secrets."""
    env = checked(given, where=where)
    for name in env:
        if name in _TERRAFORM_REFUSED or name.startswith(_TERRAFORM_REFUSED_PREFIXES):
            raise VariableRefused(f"{where} sets {name}, which only the runner may set: remove it")
    left_out = [name for name in env if name.startswith("TF_LOG")]
    return {name: value for name, value in env.items() if name not in left_out}, left_out
