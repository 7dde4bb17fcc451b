"""`exclave lsp`: the language server for app directories, over stdin and stdout.

A thin layer: findings come from the same engine as `apps validate`, everything else from `config.editing`. A file that is open counts as
the editor shows it. Nothing is fetched from a network while somebody types.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer
from pygls.workspace import PositionCodec

from exclave import config
from exclave.config import editing, rules
from exclave.config.loader import Loaded
from exclave.config.reports import Report

_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}
# Seconds of silence before a changed app is checked again.
QUIET = 0.15


class Server(LanguageServer):
    """Keeps for each app directory what was last whole, and which files have findings shown."""

    def __init__(self) -> None:
        super().__init__("exclave", _version())
        self.whole: dict[Path, Loaded] = {}
        self.shown: dict[Path, set[str]] = {}
        self.waiting: dict[Path, asyncio.TimerHandle] = {}

    def app_of(self, uri: str) -> tuple[Path, str] | None:
        """Find the app directory that a file belongs to, and the file's name in it."""
        written = uris.to_fs_path(uri)
        if not written:
            return None
        path = Path(written)
        for folder in path.parents:
            if any((folder / name).is_file() for name in rules.REQUIRED_FILES):
                return folder, path.relative_to(folder).as_posix()
        if path.name in rules.FILES:
            return path.parent, path.name
        return None

    def overlay(self, root: Path) -> dict[str, str]:
        """Give the texts of the open files of an app."""
        found = {}
        for uri, document in self.workspace.text_documents.items():
            place = self.app_of(uri)
            if place and place[0] == root:
                found[place[1]] = document.source
        return found

    def load(self, root: Path) -> Loaded:
        """Load an app as the editor shows it."""
        loaded = config.load(root, offline=True, overlay=self.overlay(root))
        # A file that is half written gives no model; what was last known of the app is better than nothing.
        if not any(report.code in ("EX-C010", "EX-C011") for report in loaded.reports):
            self.whole[root] = loaded
        elif root not in self.whole:
            self.whole[root] = config.load(root, offline=True)
        return loaded

    def check_soon(self, uri: str) -> None:
        """Check an app once nobody has typed for a moment."""
        place = self.app_of(uri)
        if place is None:
            return
        root = place[0]
        if root in self.waiting:
            self.waiting[root].cancel()
        self.waiting[root] = asyncio.get_running_loop().call_later(QUIET, self.check, root)

    def check(self, root: Path) -> None:
        """Check an app, and show what is wrong with it."""
        self.waiting.pop(root, None)
        by_file: dict[str, list[types.Diagnostic]] = {}
        loaded = self.load(root)
        for report in loaded.reports:
            if report.code != "EX-C035":  # an address is no fault while somebody types
                by_file.setdefault(report.file, []).append(self.diagnostic(report))
        for file in self.shown.get(root, set()) - by_file.keys():
            self.publish(root, file, [])
        for file, found in by_file.items():
            self.publish(root, file, found)
        self.shown[root] = set(by_file)

    def publish(self, root: Path, file: str, found: list[types.Diagnostic]) -> None:
        """Show the findings of one file."""
        uri = uris.from_fs_path(str(root / file))
        if uri:
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found))

    def diagnostic(self, report: Report) -> types.Diagnostic:
        """Turn a report into what an editor underlines."""
        line = max(0, report.line - 1)
        start = max(0, report.column - 1)
        lines = ["" for _ in range(line)] + [report.line_text]
        message = report.message + (f"\n{report.hint}" if report.hint else "")
        return types.Diagnostic(
            range=types.Range(self.client(lines, line, start), self.client(lines, line, start + report.length)),
            message=message,
            severity=_SEVERITIES[report.severity],
            code=report.code,
            source="exclave",
        )

    @property
    def codec(self) -> PositionCodec:
        return self.workspace.position_codec

    def client(self, lines: Sequence[str], line: int, column: int) -> types.Position:
        """Turn characters, from 0, into the units of the client."""
        return self.codec.position_to_client_units(lines, types.Position(line, column))

    def cursor(self, uri: str, position: types.Position) -> tuple[str, int, int]:
        """Give the text of an open file, and a position in it, both from 1."""
        document = self.workspace.get_text_document(uri)
        inside = self.codec.position_from_client_units(document.lines, position)
        return document.source, inside.line + 1, inside.character + 1

    def text_of(self, root: Path, file: str) -> str:
        """Give the text of a file as the editor shows it."""
        open_files = self.overlay(root)
        if file in open_files:
            return open_files[file]
        return (root / file).read_text(encoding="utf-8", errors="replace")


def _version() -> str:
    try:
        return version("exclave")
    except PackageNotFoundError:
        return "0"


server = Server()


@server.feature(types.TEXT_DOCUMENT_DID_OPEN)
def opened(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    ls.check_soon(params.text_document.uri)


@server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
def changed(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    ls.check_soon(params.text_document.uri)


@server.feature(types.TEXT_DOCUMENT_DID_SAVE)
def saved(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
    ls.check_soon(params.text_document.uri)


@server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
def closed(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    ls.check_soon(params.text_document.uri)


@server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[".", "=", '"', "["]))
def complete(ls: Server, params: types.CompletionParams) -> list[types.CompletionItem]:
    place = ls.app_of(params.text_document.uri)
    if place is None:
        return []
    text, line, column = ls.cursor(params.text_document.uri, params.position)
    if place[0] not in ls.whole:
        ls.load(place[0])
    loaded = ls.whole[place[0]]
    return [
        types.CompletionItem(label=choice.label, insert_text=choice.insert, detail=choice.detail, documentation=choice.doc or None)
        for choice in editing.complete(loaded, place[1], text, line, column)
    ]


@server.feature(types.TEXT_DOCUMENT_HOVER)
def hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    place = ls.app_of(params.text_document.uri)
    if place is None:
        return None
    text, line, column = ls.cursor(params.text_document.uri, params.position)
    said = editing.hover(ls.load(place[0]), place[1], text, line, column)
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, said)) if said else None


@server.feature(types.TEXT_DOCUMENT_DEFINITION)
def define(ls: Server, params: types.DefinitionParams) -> types.Location | None:
    place = ls.app_of(params.text_document.uri)
    if place is None:
        return None
    root, file = place
    text, line, column = ls.cursor(params.text_document.uri, params.position)
    found = editing.define(ls.load(root), file, text, line, column)
    uri = uris.from_fs_path(str(root / found.file)) if found and found.file else None
    if found is None or uri is None:
        return None
    lines = ls.text_of(root, found.file).splitlines(keepends=True) or [""]
    at = ls.client(lines, max(0, found.line - 1), max(0, found.column - 1))
    return types.Location(uri, types.Range(at, at))


@server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
def prepare_rename(ls: Server, params: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder | None:
    place = ls.app_of(params.text_document.uri)
    if place is None:
        return None
    text, line, column = ls.cursor(params.text_document.uri, params.position)
    found = editing.component_at(ls.load(place[0]), place[1], text, line, column)
    if found is None:
        return None
    name, start = found
    lines = text.splitlines(keepends=True)
    here = types.Range(ls.client(lines, line - 1, start - 1), ls.client(lines, line - 1, start - 1 + len(name)))
    return types.PrepareRenamePlaceholder(range=here, placeholder=name)


@server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
def rename(ls: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
    place = ls.app_of(params.text_document.uri)
    if place is None:
        return None
    root, file = place
    text, line, column = ls.cursor(params.text_document.uri, params.position)
    loaded = ls.load(root)
    found = editing.component_at(loaded, file, text, line, column)
    if found is None:
        return None
    try:
        edits = editing.rename(loaded, found[0], params.new_name)
    except ValueError as error:
        ls.window_show_message(types.ShowMessageParams(types.MessageType.Error, str(error)))
        return None
    changes: dict[str, list[types.TextEdit]] = {}
    for edit in edits:
        uri = uris.from_fs_path(str(root / edit.file))
        if uri:
            lines = ls.text_of(root, edit.file).splitlines(keepends=True)
            start = ls.client(lines, edit.line - 1, edit.column - 1)
            end = ls.client(lines, edit.line - 1, edit.column - 1 + edit.length)
            changes.setdefault(uri, []).append(types.TextEdit(types.Range(start, end), edit.text))
    return types.WorkspaceEdit(changes=changes)


@server.feature(types.TEXT_DOCUMENT_FORMATTING)
def arrange(ls: Server, params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
    from exclave.config import layout
    from exclave.config.documents import TomlError

    document = ls.workspace.get_text_document(params.text_document.uri)
    if not params.text_document.uri.endswith(".toml"):
        return None
    try:
        arranged = layout.arrange(document.source)
    except TomlError:
        return None
    if arranged == document.source:
        return []
    whole = types.Range(types.Position(0, 0), types.Position(len(document.lines) + 1, 0))
    return [types.TextEdit(whole, arranged)]


def serve() -> None:
    """Serve until the client goes."""
    server.start_io()
