"""Figures, each beside a bound that was measured in the same run: `python -m benchmarks B06 [--seed 1] [--short] [--out FILE.json]`.

A benchmark is a module `bNN_<what>.py` in this package with a docstring whose first line says the workload, and one function:

    async def run(asked: Asked) -> list[Figure]

It starts what it needs (`benchmarks.places.database()` gives a PostgreSQL of its own with the schema), measures its figures and their
bounds, and stops what it started. `asked.short` asks for a run of at most 15 seconds, for CI; `asked.random` is the only source of chance.
"""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """What the command line asked for."""

    seed: int = 1
    short: bool = False

    @property
    def random(self) -> random.Random:
        return random.Random(self.seed)


@dataclass(frozen=True)
class Figure:
    """One number, what it was measured against in the same run, and where it should be.

    `first` is what the issue that introduced it must reach, `goal` where we are going; both are in the figure's unit, or, with
    `of_bound`, a share of the bound. `less`: less is better. A figure without a bound of its own says None.
    """

    name: str
    value: float
    unit: str
    bound: float | None = None
    bound_is: str = ""
    first: float | None = None
    goal: float | None = None
    of_bound: bool = False
    less: bool = True

    @property
    def ratio(self) -> float | None:
        return self.value / self.bound if self.bound else None

    def meets(self, target: float | None) -> bool | None:
        """Whether the figure is as good as a target; None when there is nothing to compare."""
        judged = self.ratio if self.of_bound else self.value
        if target is None or judged is None:
            return None
        return judged <= target if self.less else judged >= target
