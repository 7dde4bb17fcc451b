"""The commands that need no server: check, order, compare, start, lay out and explain an app's configuration.

`cli/apps.py`, `cli/config.py` and `cli/main.py` mount them. Exit codes: 0 fine, 1 invalid, 2 wrong usage. Data goes to stdout;
with `--json` it is one JSON document. Imports are inside the commands: `apps validate` must answer within the time of a key press.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from exclave.config.loader import Loaded

INVALID = 1
USAGE = 2


class ReportFormat(StrEnum):
    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


class GraphFormat(StrEnum):
    text = "text"
    mermaid = "mermaid"
    dot = "dot"


Directory = Annotated[Path, typer.Argument(help="The app directory.", show_default="the current directory")]
Json = Annotated[bool, typer.Option("--json", "-j", help="Print one JSON document.")]
Offline = Annotated[bool, typer.Option("--offline", help="Fetch nothing; a value that needs the network is an error.")]


def validate(
    directory: Directory = Path("."),
    offline: Offline = False,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    format: Annotated[ReportFormat, typer.Option("--format", help="How to show the reports.")] = ReportFormat.text,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Leave out notes.")] = False,
    json: Json = False,
) -> None:
    """Check an app directory, and say everything that is wrong with it."""
    from exclave.cli import config_quick

    chosen = "json" if json else format.value
    code = config_quick.validate(directory, offline=offline, strict=strict, quiet=quiet, format=chosen)
    if code:
        raise typer.Exit(code)


def graph(
    directory: Directory = Path("."),
    format: Annotated[GraphFormat, typer.Option("--format", help="How to show the graph.")] = GraphFormat.text,
    json: Json = False,
) -> None:
    """Show in which order the components are deployed."""
    from exclave import config
    from exclave.config import graphs

    loaded = _loaded(directory)
    try:
        found = config.graph(loaded.app)
    except graphs.Cycle as cycle:
        typer.echo(str(cycle), err=True)
        raise typer.Exit(INVALID) from None
    if json:
        document = {"order": found.order, "layers": found.layers, "dependencies": found.dependencies, "teardown": found.teardown}
        _json(document)
    else:
        _out(graphs.show(found, format.value))


def diff(
    before: Annotated[Path, typer.Argument(help="The app directory as it was.")],
    after: Annotated[Path, typer.Argument(help="The app directory as it is.")],
    json: Json = False,
) -> None:
    """Say what changed between two app directories: components, inputs, rights, actions, policies."""
    from exclave import config
    from exclave.config import diffs

    changes = config.diff(_loaded(before).app, _loaded(after).app)
    if json:
        import msgspec

        _json([{**msgspec.to_builtins(change), "words": change.words} for change in changes])
    else:
        _out(diffs.words(changes))


def init(
    directory: Directory = Path("."),
    platform: Annotated[str, typer.Option("--platform", "-p", help="local, aws, azure or gcp.")] = "local",
    json: Json = False,
) -> None:
    """Write a small app to start from."""
    from exclave.config import starters

    if platform not in starters.PLATFORMS:
        raise typer.BadParameter(f"{platform} is none of {', '.join(starters.PLATFORMS)}", param_hint="--platform")
    name = Path(os.path.abspath(directory)).name
    files = starters.files(platform, name)
    taken = [file for file in files if (directory / file).exists()]
    if taken:
        raise typer.BadParameter(f"{directory} already holds {taken[0]}; choose another directory", param_hint="DIRECTORY")
    try:
        for file, text in files.items():
            path = directory / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise typer.BadParameter(f"{directory} cannot be written: {error.strerror}", param_hint="DIRECTORY") from None
    if json:
        _json({"app": name, "platform": platform, "files": list(files)})
    else:
        _out("".join(f"{file}\n" for file in files))
        typer.echo(f"{name} is ready: exclave apps validate {directory}", err=True)


def fmt(
    directory: Directory = Path("."),
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when a file would change.")] = False,
    json: Json = False,
) -> None:
    """Lay the TOML files of an app out in one way; comments and values stay."""
    from exclave.config import layout, rules
    from exclave.config.directory import Directory as Folder
    from exclave.config.documents import Document, TomlError
    from exclave.config.places import Ledger

    if not directory.is_dir():
        raise typer.BadParameter(f"{directory} is not a directory", param_hint="DIRECTORY")
    folder = Folder(directory, Ledger())
    names = [name for name in rules.FILES if folder.exists(name)]
    names += [name for section in rules.DIRECTORIES for name in folder.walk(section)]
    changed, broken = [], []
    for name in names:
        text = folder.text(name)
        if text is None:
            continue
        try:
            arranged = layout.arrange(text)
        except TomlError as error:
            line, column = Document(text, {}, {}).position(error.offset)
            broken.append(f"{name}:{line}:{column}: {error.message}")
            continue
        if arranged != text:
            try:
                if not check:
                    _replace((directory / name).resolve(), arranged)  # a link stays one
            except OSError as error:
                broken.append(f"{name}: cannot be written: {error.strerror}")
                continue
            changed.append(name)
    broken += [f"{report.file}: {report.message}" for report in folder.ledger.reports]
    if json:
        _json({"changed": changed, "broken": broken})
    else:
        _out("".join(f"{name}\n" for name in changed))
        for complaint in broken:
            typer.echo(complaint, err=True)
    if broken or (check and changed):
        raise typer.Exit(INVALID)


def schema(
    type: Annotated[str, typer.Argument(help="A type of configuration; none lists them.", show_default=False)] = "",
) -> None:
    """Print the JSON schema of a type of configuration, for editors."""
    from exclave import config
    from exclave.config import schemas

    if not type:
        _out("".join(f"{name}\n" for name in sorted({*schemas.TYPES, *schemas.MORE})))
        return
    try:
        _json(config.schema(type))
    except KeyError:
        raise typer.BadParameter(f"{type} is none of {', '.join(sorted({*schemas.TYPES, *schemas.MORE}))}", param_hint="TYPE") from None


def explain(
    code: Annotated[str, typer.Argument(help="The code of a report, EX-C012 for instance; none lists them.")] = "",
    json: Json = False,
) -> None:
    """Explain a report: what it means, and what to do."""
    from exclave.config import codes, formats

    if not code:
        if json:
            _json([{"code": name, **found._asdict()} for name, found in codes.CODES.items()])
        else:
            _out("".join(f"{name}  {found.severity:8} {found.title}\n" for name, found in codes.CODES.items()))
        return
    said = formats.explain(code)
    if said is None:
        raise typer.BadParameter(f"there is no code {code}; `exclave config explain` lists them", param_hint="CODE")
    if json:
        _json({"code": code.upper(), **codes.CODES[code.upper()]._asdict()})
    else:
        _out(said)


def docs(page: Annotated[str, typer.Argument(help="reference or errors")]) -> None:
    """Print a page of the documentation that is made from the rule table."""
    from exclave.config import docs as pages

    printers = {"reference": pages.reference, "errors": pages.errors}
    if page not in printers:
        raise typer.BadParameter(f"{page} is none of {', '.join(printers)}", param_hint="PAGE")
    _out(printers[page]())


def render(
    template: Annotated[str, typer.Argument(help="A file, `-` for stdin, or with --text the template itself.")],
    state: Annotated[Path, typer.Option("--state", "-s", help="The state of an install, as JSON.")],
    text: Annotated[bool, typer.Option("--text", "-t", help="The argument is the template itself.")] = False,
    json: Json = False,
) -> None:
    """Show a template against the state of an install, and where each of its variables comes from."""
    import json as parser

    from exclave.config import template as engine

    try:
        document = parser.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{state}: {error}", param_hint="--state") from None
    if not isinstance(document, dict):
        raise typer.BadParameter(f"{state} is not a JSON object", param_hint="--state")
    try:
        source = template if text else sys.stdin.read() if template == "-" else Path(template).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{template}: {error}", param_hint="TEMPLATE") from None
    failure: dict[str, Any] | None = None
    result = None
    origins: list[Any] = []
    try:
        origins = engine.trace(source, document)
        result = engine.render(source, document)
    except engine.TemplateError as error:
        failure = {"message": error.reason, "line": error.line, "column": error.column}
    if json:
        variables = [
            {"name": origin.name, "line": origin.line, "column": origin.column, "source": origin.source, "found": origin.found}
            | ({"value": origin.value} if origin.found else {})
            for origin in origins
        ]
        _json({"text": result, "error": failure, "variables": variables})
    else:
        if result is not None:
            _out(result)
        for origin in origins:
            value = parser.dumps(origin.value, ensure_ascii=False) if origin.found else "missing"
            value = value if len(value) <= 80 else value[:77] + "..."
            typer.echo(f"{origin.line}:{origin.column} {origin.name} = {value} ({origin.source})", err=True)
        if failure:
            typer.echo(f"{failure['line']}:{failure['column']}: {failure['message']}", err=True)
    if failure:
        raise typer.Exit(INVALID)


def lsp() -> None:
    """Serve editors over stdin and stdout: findings, completion, hover, definitions, rename."""
    from exclave.cli import lsp as server

    server.serve()


# What the commands share


def _loaded(directory: Path) -> Loaded:
    """Load an app, or print its errors and leave with 1. A circle is no reason to leave: the graph names it."""
    from exclave import config
    from exclave.config import formats

    loaded = config.load(directory, offline=True)
    # A text that would have to be fetched matters neither for the order nor for what else changed.
    errors = [report for report in loaded.errors if report.code not in ("EX-C035", "EX-C043")]
    if errors:
        typer.echo(formats.text(errors, colour=_colour(sys.stderr)), err=True, nl=False)
        raise typer.Exit(INVALID)
    return loaded


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, keeping its mode."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        os.chmod(draft, path.stat().st_mode)
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _colour(stream: Any = None) -> bool:
    stream = stream or sys.stdout
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR")


def _out(text: str) -> None:
    typer.echo(text, nl=False)


def _json(document: Any) -> None:
    import json

    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
