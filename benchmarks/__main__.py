"""`python -m benchmarks B01 B06 … [--seed 1] [--short] [--out FILE.json]`; without an id it lists what there is."""

import argparse
import asyncio
import importlib
import json
import pkgutil
import sys
import time
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks import Asked, Figure
from benchmarks.bound import probe


def registry() -> dict[str, str]:
    """Ids and the modules behind them: `b06_sandbox_runs` is B06, `b03b_approvals` is B03b."""
    names = (found.name for found in pkgutil.iter_modules(benchmarks.__path__) if found.name[:1] == "b" and found.name[1:3].isdigit())
    return {"B" + name[1:].partition("_")[0]: f"benchmarks.{name}" for name in sorted(names)}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure figures beside their bounds.")
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="at most 15 seconds each, for CI")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = parser.parse_args(arguments)
    known = registry()
    unknown = [asked for asked in given.ids if asked not in known]
    if unknown or not given.ids:
        print("\n".join(f"{name}  {_says(module)}" for name, module in known.items()), file=sys.stderr)
        print(f"no benchmark {', '.join(unknown)}" if unknown else "name at least one", file=sys.stderr)
        return 2
    machine = asyncio.run(probe())
    print(f"machine: {json.dumps(machine)}", file=sys.stderr)
    document: dict[str, Any] = {"seed": given.seed, "short": given.short, "machine": machine, "benchmarks": {}}
    for name in given.ids:
        began = time.monotonic()
        figures = asyncio.run(importlib.import_module(known[name]).run(Asked(seed=given.seed, short=given.short)))
        document["benchmarks"][name] = [as_json(figure) for figure in figures]
        print(f"{name}  {_says(known[name])}  ({time.monotonic() - began:.0f} s)")
        for figure in figures:
            print("  " + line(figure))
    if given.out:
        given.out.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def line(figure: Figure) -> str:
    """A figure as people read it: the number, its bound, whether it is where it should be."""
    parts = [f"{figure.name:<42} {figure.value:>10.4g} {figure.unit}"]
    if figure.bound is not None:
        parts.append(f"bound {figure.bound:.4g} {figure.unit} ({figure.bound_is}), {figure.ratio:.0%} of it")
    for word, target in (("first", figure.first), ("goal", figure.goal)):
        if target is not None:
            sign, shown = "≤" if figure.less else "≥", f"{target:.0%} of bound" if figure.of_bound else f"{target:g} {figure.unit}"
            parts.append(f"{word} {sign} {shown}: {'met' if figure.meets(target) else 'NOT MET'}")
    return " | ".join(parts)


def as_json(figure: Figure) -> dict[str, Any]:
    told = {name: getattr(figure, name) for name in figure.__dataclass_fields__}
    return {**told, "ratio": figure.ratio, "meets_first": figure.meets(figure.first), "meets_goal": figure.meets(figure.goal)}


def _says(module: str) -> str:
    source = Path(benchmarks.__path__[0], module.rpartition(".")[2] + ".py").read_text()
    return source.lstrip('"').partition("\n")[0].rstrip('"')


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
