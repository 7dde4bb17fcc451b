"""Decisions about Terraform as pure functions: versions, what a line of its output says, what a plan file needs."""

import io
import re
import zipfile
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from exclave.runner.job import JobFailed
from exclave.runner.logs import DEBUG, ERROR, INFO, WARN

OLDEST = (1, 8)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
_LEVELS = {"trace": DEBUG, "debug": DEBUG, "info": INFO, "warn": WARN, "error": ERROR}
STALE = "Saved plan is stale"
_INIT = re.compile(r"\b(?:terraform|tofu) init\b")

OVERRIDE = """\
# Written by the Exclave runner: the state is kept by the control plane, whatever the module says.
terraform {
  backend "http" {}
}
"""


@dataclass(frozen=True)
class Version:
    """A program's name and version."""

    program: str  # terraform or tofu
    number: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.program} {'.'.join(map(str, self.number))}"


def check_version(have: Version, wanted: str) -> str:
    """Decide whether this Terraform may be used where a config asks for `wanted`; return what to say about it, if anything.

    Same major and at least as new is good enough. Raises JobFailed naming both otherwise, and for one older than 1.8.
    """
    if have.number[:2] < OLDEST:
        raise JobFailed(
            f"{have} is too old: 1.8 or newer is needed. Install one, or set EXCLAVE_TERRAFORM=/path/to/it.",
            reason="terraform-version",
        )
    text = wanted.strip().lstrip("=").strip()
    if text in ("", "latest"):
        return ""
    match = _VERSION.fullmatch(text)
    if match is None:
        return f"the config asks for Terraform {wanted!r}, which names no single version: {have} is used"
    asked = (int(match[1]), int(match[2]), int(match[3] or 0))
    if asked[0] != have.number[0] or asked > have.number:
        raise JobFailed(
            f"the config asks for Terraform {text}, this runner has {have}: "
            f"install {text} or a newer {asked[0]}.x, or set EXCLAVE_TERRAFORM=/path/to/it",
            reason="terraform-version",
        )
    return "" if asked == have.number else f"the config asks for Terraform {text}: {have} is used, which is newer"


def parse_version(program: str, output: str) -> Version:
    """Read `version -json`."""
    try:
        text = str(msgspec.json.decode(output[output.index("{") :])["terraform_version"])
        match = _VERSION.match(text)
        assert match is not None
    except (ValueError, KeyError, TypeError, AssertionError, msgspec.MsgspecError) as error:
        raise JobFailed(f"{program} does not tell its version: is it Terraform or OpenTofu?", reason="terraform-version") from error
    return Version(program, (int(match[1]), int(match[2]), int(match[3] or 0)))


def backend_environment(api_url: str, *, workspace_id: str, job_id: str, execution_id: str, token: str) -> dict[str, str]:
    """Return the settings of Terraform's HTTP backend: the credentials are in the environment, never in a URL."""
    workspace, job = quote(workspace_id, safe=""), quote(job_id, safe="")
    base = api_url.rstrip("/")
    return {
        "TF_HTTP_ADDRESS": f"{base}/v1/terraform-backend?workspace_id={workspace}&job_id={job}",
        "TF_HTTP_LOCK_ADDRESS": f"{base}/v1/terraform-workspaces/{workspace}/lock?job_id={job}",
        "TF_HTTP_UNLOCK_ADDRESS": f"{base}/v1/terraform-workspaces/{workspace}/unlock?job_id={job}",
        "TF_HTTP_LOCK_METHOD": "POST",
        "TF_HTTP_UNLOCK_METHOD": "POST",
        "TF_HTTP_USERNAME": execution_id,
        "TF_HTTP_PASSWORD": token,
        "TF_HTTP_RETRY_MAX": "6",
        "TF_HTTP_RETRY_WAIT_MAX": "5",
    }


@dataclass(frozen=True)
class Said:
    """One line of Terraform's output, for people."""

    text: str
    severity: int
    stale: bool = False
    error: str = ""  # summary of an error
    wants_init: bool = False


def read_line(text: str, *, cut: bool = False) -> Said | None:
    """Read a line of `-json` output; other lines are passed as they are. None: nothing worth telling."""
    if not text.startswith('{"@level"'):
        return Said(text, INFO) if text.strip() else None
    if cut:
        return Said("Terraform wrote a line that is too long to be shown", WARN)
    try:
        line: dict[str, Any] = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return Said(text, INFO)
    severity = _LEVELS.get(str(line.get("@level")), INFO)
    message = str(line.get("@message") or "")
    diagnostic = line.get("diagnostic")
    if not isinstance(diagnostic, dict):
        return Said(message, severity) if message and line.get("type") != "version" else None
    summary, detail = str(diagnostic.get("summary") or message), str(diagnostic.get("detail") or "")
    place = _place(diagnostic)
    said = "\n".join(part for part in (message + (f" ({place})" if place else ""), detail) if part)
    failed = diagnostic.get("severity") == "error"
    return Said(
        said,
        severity,
        stale=failed and summary == STALE,
        error=said.removeprefix("Error: ") if failed else "",
        wants_init=failed and _INIT.search(said) is not None,
    )


def _place(diagnostic: dict[str, Any]) -> str:
    extent = diagnostic.get("range")
    parts = [str(diagnostic["address"])] if diagnostic.get("address") else []
    if isinstance(extent, dict) and extent.get("filename"):
        parts.append(f"{extent['filename']} line {(extent.get('start') or {}).get('line', '?')}")
    return ", ".join(parts)


def lock_file_of(plan: bytes) -> bytes | None:
    """Return the dependency lock file inside a plan file; None when it is no plan file."""
    try:
        with zipfile.ZipFile(io.BytesIO(plan)) as packed:
            name = ".terraform.lock.hcl"
            return packed.read(name) if name in packed.namelist() else b""
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError):
        return None


def needs_init(lock_file: bytes) -> bool:
    """Must `init` run before a plan is applied? Only to install providers: backend and modules are in the plan file."""
    return b"provider " in lock_file


def are_within(modules: bytes) -> bool:
    """Do all modules in a `modules.json` lie within the files of the module that names them?"""
    listed = msgspec.json.decode(modules).get("Modules") or ()
    return all(module.get("Key") == "" or str(module.get("Source")).startswith(("./", "../")) for module in listed)


def outputs_of(state: bytes) -> tuple[dict[str, Any], list[str]]:
    """Return the outputs in a state file, and the names of the sensitive ones."""
    if not state.strip():
        return {}, []
    document = msgspec.json.decode(state)
    outputs = document.get("outputs") or {}
    return {name: output.get("value") for name, output in outputs.items()}, sorted(n for n, o in outputs.items() if o.get("sensitive"))
