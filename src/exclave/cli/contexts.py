"""Where the command talks to: named contexts in a file of mode 0600, overruled by the environment.

The file is `$EXCLAVE_CONFIG`, else `exclave/config.toml` below `$XDG_CONFIG_HOME` or `~/.config`. EXCLAVE_API_URL, EXCLAVE_TOKEN and
EXCLAVE_ORG_ID stand above it.
"""

import fcntl
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any


class NoContext(Exception):
    """The command does not know where to talk to. The message names the way out."""


@dataclass(frozen=True)
class Context:
    api_url: str
    token: str = ""
    org_id: str = ""
    data_dir: str = ""  # set by `exclave up` for what it started itself


def path(environ: Mapping[str, str] = os.environ) -> Path:
    if environ.get("EXCLAVE_CONFIG"):
        return Path(environ["EXCLAVE_CONFIG"])
    base = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return Path(base) / "exclave" / "config.toml"


def read(environ: Mapping[str, str] = os.environ) -> tuple[str, dict[str, Context]]:
    """Return the name of the current context and all contexts."""
    file = path(environ)
    try:
        found = tomllib.loads(file.read_text())
        contexts = {name: _context(values) for name, values in found.get("contexts", {}).items()}
    except FileNotFoundError:
        return "", {}
    except (OSError, ValueError, AttributeError) as error:
        raise NoContext(f"{file} cannot be read: {error}. Mend it, or move it away and run `exclave up` again") from error
    return str(found.get("current", "")), contexts


def _context(values: Any) -> Context:
    if not isinstance(values, dict) or not values.get("api_url"):
        raise ValueError("a context is a table with an api_url at least")
    return Context(**{key: str(values[key]) for key in Context.__dataclass_fields__ if key in values})


def current(environ: Mapping[str, str] = os.environ) -> Context:
    """Return where to talk to, or say how to get there."""
    url, token, org_id = (environ.get(f"EXCLAVE_{name}") or "" for name in ("API_URL", "TOKEN", "ORG_ID"))
    if url and token:
        return Context(api_url=url, token=token, org_id=org_id)
    name, contexts = read(environ)
    chosen = environ.get("EXCLAVE_CONTEXT") or name
    found = contexts.get(chosen)
    if url or token:
        found = found or Context(api_url="http://127.0.0.1:8081")
        return Context(api_url=url or found.api_url, token=token or found.token, org_id=org_id)
    if found is None:
        known = f"; known are {', '.join(sorted(contexts))}" if contexts else ""
        raise NoContext(
            f"no context {chosen!r} in {path(environ)}{known}: run `exclave up`, or set EXCLAVE_API_URL and EXCLAVE_TOKEN"
            if chosen
            else f"{path(environ)} names no context: run `exclave up`, or set EXCLAVE_API_URL and EXCLAVE_TOKEN"
        )
    return replace(found, org_id=org_id) if org_id else found


def keep(name: str, context: Context, environ: Mapping[str, str] = os.environ) -> str:
    """Write a context and make it the current one, unless another one is. Contexts of other names stay as they are.

    A context of this name that belongs to something else is left alone: the new one gets a number. Returns the name used.
    """
    file = path(environ).resolve()  # what a link of the reader's leads to is written, the link stays
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)  # two that start at a time both stay in the file
        return _keep(file, name, context, environ)
    finally:
        os.close(directory)


def _keep(file: Path, name: str, context: Context, environ: Mapping[str, str]) -> str:
    was, contexts = read(environ)
    used, number = name, 2
    while used in contexts and contexts[used].data_dir != context.data_dir:
        used, number = f"{name}-{number}", number + 1
    contexts[used] = context
    current_name = was if was in contexts and was != used and contexts[was].data_dir != context.data_dir else used
    lines = [f"current = {_quoted(current_name)}", ""]
    for key, value in contexts.items():
        lines.append(f"[contexts.{_quoted(key)}]")
        lines += [f"{field} = {_quoted(text)}" for field, text in asdict(value).items() if text]
        lines.append("")
    temporary = file.with_name(file.name + f".{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write("\n".join(lines))
    temporary.replace(file)
    return used


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # a JSON string is a TOML string, but for this character
