"""Does it work on the other Pythons of this machine? Install from the lock file, import every module, validate an app, print the API.

Run by `make smoke`. A Python that is not there is not missed: the suite itself runs on the one that `make` found.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.11", "3.12", "3.13")


def interpreters() -> dict[str, str]:
    """Version -> program, for those that are there and can make a venv; also those that pyenv keeps beside its shims."""
    found: dict[str, str] = {}
    for version in VERSIONS:
        candidates = [shutil.which(f"python{version}")]
        pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
        if os.access(Path(pyenv, "versions"), os.R_OK | os.X_OK):  # after `su` it may be somebody else's
            candidates += sorted(str(path / "bin" / "python") for path in Path(pyenv, "versions").glob(f"{version}.*"))
        for candidate in candidates:
            if candidate and _runs(candidate, version):
                found[version] = candidate
                break
    return found


def _runs(program: str, version: str) -> bool:
    check = f"import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    return subprocess.run([program, "-c", check], capture_output=True).returncode == 0


def smoke(version: str, program: str) -> None:
    with tempfile.TemporaryDirectory(prefix=f"exclave-smoke-{version}-") as directory:
        venv = Path(directory) / "venv"
        python = str(venv / "bin" / "python")
        run = lambda *command: subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE)  # noqa: E731
        run(program, "-m", "venv", str(venv))
        pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
        run(*pip, "--require-hashes", "-r", "requirements/run.lock")
        environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        imports = (
            "import importlib, pkgutil, exclave\n"
            "for found in pkgutil.walk_packages(exclave.__path__, 'exclave.'):\n"
            "    if not found.name.endswith(('__main__', 'migrations.env')) and 'versions' not in found.name:\n"
            "        importlib.import_module(found.name)\n"
        )
        subprocess.run([python, "-c", imports], check=True, cwd=directory, env=environ)
        subprocess.run(
            [python, "-m", "exclave.cli", "apps", "validate", str(ROOT / "examples/hello-local")], check=True, cwd=directory, env=environ
        )
        document = subprocess.run(
            [python, "-m", "exclave.cli", "openapi"], check=True, cwd=directory, env=environ, stdout=subprocess.PIPE
        ).stdout
        assert json.loads(document)["paths"]
    print(f"python {version}: fine", flush=True)


def main() -> None:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    others = {version: program for version, program in interpreters().items() if version != own}
    if not others:
        print("no other Python from 3.11 to 3.13 is here", flush=True)
    for version, program in others.items():
        smoke(version, program)


if __name__ == "__main__":
    main()
