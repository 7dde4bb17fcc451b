"""B02, part "validate": how long `exclave apps validate` takes for 30 and for 1,000 components, start of the process included.

    python -m benchmarks.b02_validate [--runs 5] [--seed 1] [--out FILE.json]

The bound of the same run is the same interpreter reading the same files with the standard library's TOML reader and saying nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What the program does before it imports anything else.
COMMAND = """
import sys
from exclave.cli import config_quick
sys.exit(config_quick.run(sys.argv[1:]))
"""
BOUND = """
import pathlib, sys, tomllib
for path in pathlib.Path(sys.argv[1]).rglob("*.toml"):
    tomllib.loads(path.read_text())
"""
GOALS = {30: 0.120, 1000: 2.0}


def app(root: Path, components: int, seed: int) -> None:
    """Write an app with a graph five levels deep, two templates in each component, an action for every tenth."""
    chance = random.Random(seed)
    repo = '[public_repo]\nrepo = "acme/infra"\ndirectory = "modules/thing"\nbranch = "main"\n'
    files = {
        "metadata.toml": 'version = "v2"\ndisplay_name = "Bench"\n',
        "runner.toml": 'runner_type = "aws"\n',
        "sandbox.toml": f'terraform_version = "1.11.3"\n{repo}[vars]\nname = "{{{{ .nuon.install.id }}}}"\n',
        "stack.toml": 'type = "aws-cloudformation"\nname = "x-{{ .nuon.install.id }}"\ndescription = "x"\n',
        "inputs.toml": '[[group]]\nname = "g"\ndisplay_name = "g"\ndescription = "g"\n'
        '[[input]]\nname = "size"\ndisplay_name = "s"\ndescription = "s"\ngroup = "g"\n',
    }
    for i in range(components):
        variables = 'size = "{{ .nuon.inputs.inputs.size }}"\nname = "c-{{ .nuon.install.id }}"\n'
        if i % 5:
            needed = chance.randrange(i - i % 5, i)
            variables += f'from = "{{{{ .nuon.components.c{needed}.outputs.name }}}}"\n'
        kind = 'type = "terraform_module"\nterraform_version = "1.11.3"\n' if i % 3 else f'type = "helm_chart"\nchart_name = "c{i}"\n'
        table = "vars" if i % 3 else "values"
        files[f"components/c{i}.toml"] = f'{kind}name = "c{i}"\nmax_auto_retries = 5\n\n{repo}\n[{table}]\n{variables}'
        if i % 10 == 0:
            files[f"actions/a{i}.toml"] = (
                f'name = "a{i}"\ntimeout = "5m"\n[[triggers]]\ntype = "manual"\n[[steps]]\nname = "s"\ninline_contents = "./a.sh"\n'
                f'[steps.env_vars]\nNAME = "{{{{ .nuon.components.c{i}.outputs.name }}}}"\n'
            )
    files["actions/a.sh"] = "#!/bin/sh\ntrue\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def seconds(program: str, *words: str, runs: int) -> list[float]:
    """Run a program several times, and give the wall time of each."""
    found = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program, *words], check=True, capture_output=True)
        found.append(time.perf_counter() - started)
    return found


def measure(components: int, seed: int, runs: int) -> dict[str, object]:
    """Measure one size of app."""
    root = Path(tempfile.mkdtemp(prefix="exclave-b02-")) / "app"
    try:
        app(root, components, seed)
        ours = seconds(COMMAND, "apps", "validate", str(root), "--offline", runs=runs)
        bound = seconds(BOUND, str(root), runs=runs)
    finally:
        shutil.rmtree(root.parent)
    figure, floor = min(ours), min(bound)
    return {
        "components": components,
        "seconds": round(figure, 4),
        "median": round(statistics.median(ours), 4),
        "bound": round(floor, 4),
        "ratio": round(figure / floor, 2),
        "goal": GOALS[components],
        "met": figure <= GOALS[components],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [measure(components, options.seed, options.runs) for components in GOALS]
    document = {"id": "B02", "part": "validate", "cores": os.cpu_count(), "load": os.getloadavg()[0], "rows": rows}
    text = json.dumps(document, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
