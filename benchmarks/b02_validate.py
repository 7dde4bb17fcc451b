"""B02, part "validate": how long `exclave apps validate` takes for 30 and for 1,000 components, start of the process included.

The bound of the same run is the same interpreter reading the same files with the standard library's TOML reader and saying nothing.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import Asked, Figure

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


def seconds(*words: str, runs: int) -> float:
    """Run Python with these words several times, and give the median of the wall times."""
    found = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def measure(components: int, asked: Asked) -> Figure:
    """Measure one size of app."""
    runs = 3 if asked.short else 10
    with tempfile.TemporaryDirectory(prefix="exclave-b02-") as directory:
        root = Path(directory) / "app"
        app(root, components, asked.seed)
        ours = seconds("-P", "-m", "exclave.cli", "apps", "validate", str(root), "--offline", runs=runs)
        bound = seconds("-c", BOUND, str(root), runs=runs)
    name = f"validate {components} components"
    return Figure(
        name, ours, "s", bound=bound, bound_is="reading the same files with tomllib", first=GOALS[components], goal=GOALS[components]
    )


async def run(asked: Asked) -> list[Figure]:
    return [await asyncio.to_thread(measure, components, asked) for components in GOALS]
