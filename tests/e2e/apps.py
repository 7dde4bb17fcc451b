"""Small apps that leave traces on the disk: a line in a ledger for each apply, and applies that wait until they are let go."""

from collections.abc import Mapping
from pathlib import Path


def write_app(directory: Path, *, sandbox: str = "", components: Mapping[str, str] = {}, inputs: str = "", sandbox_vars: str = "") -> Path:
    """Write an app of the platform `local`; a component is named with its module."""
    files = {
        "metadata.toml": 'version = "v2"\n',
        "runner.toml": 'runner_type = "local"\n',
        "sandbox.toml": _module("./sandbox", sandbox_vars),
        "sandbox/main.tf": sandbox or ledger(directory.parent / f"{directory.name}.ledger"),
    }
    if inputs:
        files["inputs.toml"] = inputs
    for name, module in components.items():
        files[f"components/{name}.toml"] = f'name = "{name}"\ntype = "terraform_module"\n' + _module(f"./modules/{name}", "")
        files[f"modules/{name}/main.tf"] = module
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def _module(directory: str, variables: str) -> str:
    return f'terraform_version = "1.8.0"\n\n[local]\ndirectory = "{directory}"\n\n[vars]\n{variables}\n'


def ledger(file: Path, *, hold: Path | None = None, version: int = 1) -> str:
    """A module whose apply writes `began`, waits while the file `hold` is there, and writes `ended`.

    `first` is made before that: what is in the state when the apply is interrupted.
    """
    wait = f"while [ -e {hold} ]; do sleep 0.05; done; " if hold else ""
    return f"""
resource "terraform_data" "first" {{ input = {version} }}

resource "terraform_data" "slow" {{
  triggers_replace = [{version}]
  depends_on       = [terraform_data.first]

  provisioner "local-exec" {{
    command = "echo began >> {file}; {wait}echo ended >> {file}"
  }}
}}

output "version" {{ value = terraform_data.first.output }}
"""


def lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []
