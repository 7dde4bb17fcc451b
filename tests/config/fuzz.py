"""Fuzz the loader or the templates: `python tests/config/fuzz.py loader|template --seconds 300`.

Coverage-guided where `atheris` is installed, by mutation elsewhere. A failure is an exception that no reader is meant to see, or an
input that takes more than a second; it is written to `fuzz-failure-*.bin`. The corpora are in `corpus/` and `data/fuzz/`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from exclave import config
from exclave.config import formats, layout, template
from exclave.config.documents import TomlError

HERE = Path(__file__).parent
CORPORA = {"loader": HERE / "corpus", "template": HERE / "data" / "fuzz"}
STATE = {
    "id": "inl0000000000000000000000",
    "install": {"id": "inl0000000000000000000000", "inputs": {"x": "1", "n": "<&>"}},
    "inputs": {"inputs": {"x": "1", "list": "a,b"}},
    "sandbox": {"outputs": {"region": "here", "n": 3, "big": 1e21, "none": None, "list": ["a", {"b": [1, 2]}], "t": True}},
    "components": {"web": {"outputs": {"page": "hello", "map": {"a": {"b": "c"}}}}},
}
NAMES = ["metadata.toml", "components/a.toml", "actions/a.toml", "sandbox.toml", "policies.toml", "inputs.toml", "permissions/a.toml"]
NAMES += ["installs/a.toml", "runbooks/a.toml", "break_glass.toml", "stack.toml", "secrets.toml", "values/a.yaml", "runner.toml"]
PIECES = [b'"', b"'''", b"[", b"]", b"[[", b"]]", b"{", b"}", b"{{", b"}}", b" .nuon.", b"=", b"\n", b"\\", b"\xff", b"\x00"]
PIECES += [b"./", b"-", b"1", b"e9"]


def seeds(what: str) -> list[bytes]:
    """Give the corpus: whole files of the tests, and whatever once failed."""
    files = list(CORPORA[what].glob("*"))
    if what == "loader":
        files += [*(HERE / "broken").rglob("*.toml"), *(HERE / "allkinds").rglob("*.toml")]
    return [path.read_bytes() for path in sorted(files) if path.is_file()]


def load(data: bytes) -> None:
    """Load an app of one file; the first byte says which."""
    name = NAMES[data[0] % len(NAMES)] if data else NAMES[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data[1:])
        started = time.perf_counter()
        loaded = config.load(folder, offline=True)
        formats.text(loaded.reports)
        formats.sarif(loaded.reports)
        if time.perf_counter() - started > 1:
            raise TimeoutError("more than a second")
    try:
        layout.arrange(data[1:].decode())
    except (UnicodeDecodeError, TomlError):
        return


def render(data: bytes) -> None:
    """Parse a text as a template, list its variables, render it."""
    text = data[:20_000].decode("utf-8", "replace")
    started = time.perf_counter()
    try:
        template.parse(text).variables()
        template.render(text + " {{ .nuon.id }}", STATE)
    except template.TemplateError:
        pass
    if time.perf_counter() - started > 1:
        raise TimeoutError("more than a second")


TARGETS = {"loader": load, "template": render}


def mutate(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Change a few places of an input."""
    text = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(text))
        kind = chance.randrange(4)
        if kind == 0:
            text[at:at] = chance.choice(PIECES) * chance.choice([1, 1, 1, 3, 50])
        elif kind == 1:
            del text[at : at + chance.randint(1, 8)]
        elif kind == 2 and text:
            text[at % len(text)] = chance.randrange(256)
        else:
            other = chance.choice(others)
            start = chance.randint(0, len(other))
            text[at:at] = other[start : start + chance.randint(1, 60)]
    return bytes(text[:20_000])


def by_mutation(what: str, seconds: float, seed: int) -> int:
    """Mutate the corpus for a while; gives the number of inputs tried."""
    chance = random.Random(seed)
    corpus = seeds(what)
    until = time.monotonic() + seconds
    tried = 0
    while time.monotonic() < until:
        data = bytes([chance.randrange(256)]) + mutate(chance.choice(corpus), corpus, chance)
        try:
            TARGETS[what](data)
        except Exception:
            failure = Path(f"fuzz-failure-{tried}.bin")
            failure.write_bytes(data)
            sys.stderr.write(f"failed: {failure}\n")
            raise
        tried += 1
    return tried


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=list(TARGETS))
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        import atheris  # type: ignore[import-not-found]
    except ImportError:
        sys.stdout.write(f"{by_mutation(options.what, options.seconds, options.seed)} inputs, no failure\n")
        return
    # What is found on the way goes to the first directory, so that the corpus stays as it is.
    found = tempfile.mkdtemp(prefix="fuzz-")
    atheris.instrument_all()
    limits = [f"-max_total_time={int(options.seconds)}", "-timeout=20"]
    atheris.Setup([sys.argv[0], *limits, found, str(CORPORA[options.what])], TARGETS[options.what])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
