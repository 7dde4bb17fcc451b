"""The checksum by which a sync knows that a component did not change (config.md 4.4). Opaque to the server."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from exclave.config import model, refs

_LEFT_OUT = {".git", ".terraform", "__pycache__", ".DS_Store"}


def checksum(component: model.Component, root: Path | None = None) -> str:
    """Give the SHA-256 over what a component says, its loaded texts included; empty fields count as absent.

    With the app directory as `root`, the files of a local source count too: they have no commit that would tell of a change.
    """
    said = msgspec.to_builtins(component)
    said["dependencies"] = refs.dependencies(component)
    lines = sorted(f"{path}:{json.dumps(value, ensure_ascii=False)}" for path, value in _leaves("", said))
    source = getattr(component, "source", None)
    if root is not None and isinstance(source, model.LocalSource):
        lines.append(f"source.files:{directory_digest(root / source.directory)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def directory_digest(directory: Path) -> str:
    """Give the SHA-256 over the names, modes and contents of the files below a directory."""
    digest = hashlib.sha256()
    for name in sorted(_files(directory)):
        path = directory / name
        if path.is_symlink():
            digest.update(f"link {name} {os.readlink(path)}\n".encode())
            continue
        mode = "x" if os.access(path, os.X_OK) else "-"
        digest.update(f"file {name} {mode} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _files(directory: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not left_out(name))
        for name in files:
            if not left_out(name):
                yield os.path.relpath(os.path.join(folder, name), directory).replace(os.sep, "/")


def left_out(name: str) -> bool:
    """Tell what is never sent of a local source: what tools keep beside it, and states, which hold secrets."""
    return name in _LEFT_OUT or name.startswith("terraform.tfstate")


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), item)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _leaves(f"{path}.{i}", item)
    elif value not in ("", None, False):
        yield path, value
