"""Find the terraform or tofu program of this machine, and its version. It is never bundled and never pretended."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

OLDEST = (1, 8)


class TerraformMissing(Exception):
    """No usable terraform or tofu. The message is one line and names the way out."""


@dataclass(frozen=True)
class Terraform:
    path: str
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.path} ({'.'.join(map(str, self.version))})"


def find(environ: Mapping[str, str]) -> Terraform:
    """Return the program that EXCLAVE_TERRAFORM names, else terraform or tofu of PATH; 1.8 or newer. Raises TerraformMissing."""
    named = environ.get("EXCLAVE_TERRAFORM", "")
    candidates = [named] if named else ["terraform", "tofu"]
    for candidate in candidates:
        path = shutil.which(candidate, path=environ.get("PATH") or os.defpath)
        if path:
            version = _version(path, environ)
            if version[:2] < OLDEST:
                raise TerraformMissing(
                    f"{path} is version {'.'.join(map(str, version))}, 1.8 or newer is needed: set EXCLAVE_TERRAFORM=/path/to/terraform"
                )
            return Terraform(path, version)
    what = f"EXCLAVE_TERRAFORM names {named}, which is no program" if named else "neither terraform nor tofu is on PATH"
    raise TerraformMissing(f"{what}: install terraform or tofu 1.8 or newer, or set EXCLAVE_TERRAFORM=/path/to/terraform")


def _version(path: str, environ: Mapping[str, str]) -> tuple[int, int, int]:
    try:
        shown = subprocess.run(
            [path, "version", "-json"],
            capture_output=True,
            timeout=30,
            check=True,
            env={"PATH": environ.get("PATH", os.defpath), "CHECKPOINT_DISABLE": "1", "HOME": environ.get("HOME", "/")},
        )
        major, minor, patch = json.loads(shown.stdout)["terraform_version"].split("-")[0].split(".")[:3]
        return int(major), int(minor), int(patch)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TerraformMissing(f"{path} does not tell its version ({_cause(error)}): set EXCLAVE_TERRAFORM=/path/to/terraform") from error


def _cause(error: Exception) -> str:
    """Why there is no version, in one line: what the program said itself, when it said something."""
    match error:
        case OSError():
            return error.strerror or str(error)
        case subprocess.TimeoutExpired():
            return f"no answer to `version -json` within {error.timeout:.0f} s"
        case subprocess.CalledProcessError():
            said = [line.strip() for line in (error.stderr or error.stdout).decode(errors="replace").splitlines() if line.strip()]
            return f"`version -json` ended with exit code {error.returncode}" + (f", it said: {said[0]}" if said else "")
        case _:
            return "what it prints for `version -json` is not that of a terraform"
