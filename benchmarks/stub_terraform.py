"""A terraform that does nothing, at once: so that what is left of a provision is the control plane's own time.

`write(directory)` makes a program `terraform` of a few lines of shell (a Python would take longer to start than what it stands for).
It answers `version -json`, `init`, `plan -out`, `show -json`, `apply -json` and `output -json` with the smallest valid documents: its
plan is a real zip file that creates one resource, so that it is approved, carried and applied like any other. It keeps no state.
"""

import io
import json
import zipfile
from pathlib import Path

VERSION = "1.11.4"

PLAN = {
    "format_version": "1.2",
    "terraform_version": VERSION,
    "planned_values": {"root_module": {"resources": []}},
    "resource_changes": [
        {
            "address": "terraform_data.stub",
            "mode": "managed",
            "type": "terraform_data",
            "name": "stub",
            "provider_name": "terraform.io/builtin/terraform",
            "change": {"actions": ["create"], "before": None, "after": {"input": None}, "after_unknown": {"id": True}},
        }
    ],
    "configuration": {"root_module": {}},
}
STATE = {"format_version": "1.0", "terraform_version": VERSION, "values": {"root_module": {}}}

_PROGRAM = """\
#!/bin/sh
here=${0%/*}
case "$1" in
version) exec cat "$here/version.json" ;;
plan)
    for word; do case "$word" in -out=*) cp "$here/plan.zip" "${word#-out=}" ;; esac; done ;;
show)
    for word; do last=$word; done
    case "$last" in *.json) exec cat "$here/state.json" ;; *) exec cat "$here/plan.json" ;; esac ;;
output) echo '{}' ;;
esac
"""


def write(directory: Path) -> Path:
    """Write the program with its documents; return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "plan.zip").write_bytes(plan_file())
    for name, document in (("version", {"terraform_version": VERSION}), ("plan", PLAN), ("state", STATE)):
        (directory / f"{name}.json").write_text(json.dumps(document))
    program = directory / "terraform"
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    return program


def plan_file() -> bytes:
    """The plan file that the program writes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as plan:
        plan.writestr("tfplan", b"stub")
        plan.writestr(".terraform.lock.hcl", b"")
    return packed.getvalue()
