"""Load an app directory: every file, every value, every finding at once.

`load` never raises for what is wrong with an app; it gives the model of whatever could be read and the reports. `Loaded.ok`
says whether the app may be used (config.md sections 1 and 3).
"""

from __future__ import annotations

import os
from pathlib import Path as FilePath
from typing import Any, TypeVar

import msgspec

from exclave.config import checks, model, reports, rules, values
from exclave.config.directory import Directory, inside
from exclave.config.documents import Document, Path
from exclave.config.places import Ledger, Origin, Place
from exclave.config.reading import Reader, Template, scalar
from exclave.config.reports import Report
from exclave.config.rules.inputs import GROUP, INPUT

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

EXCLUSIVE = (
    ("policies.toml", ("policies",)),
    ("secrets.toml", ("secrets",)),
    ("inputs.toml", ("inputs", "input_groups")),
    ("permissions.toml", ("permissions",)),
)
_MEANT_WHEN_EMPTY = ("inputs", "secrets", "permissions", "policies", "break_glass")
# Files that belong to an app without being read: the linter's settings, and the format of an older tool.
_OTHERS = ("lint.toml",)


class Loaded:
    """An app, what was found wrong with it, and where everything was written."""

    def __init__(self, app: model.App, directory: Directory, ledger: Ledger, templates: list[Template]) -> None:
        self.app = app
        self.directory = directory
        self.ledger = ledger
        self.templates = templates
        self.reports: list[Report] = reports.in_order(ledger.reports)

    @property
    def ok(self) -> bool:
        """Say whether the app has no error."""
        return not reports.has_errors(self.reports)

    @property
    def errors(self) -> list[Report]:
        """The reports that keep the app from being used."""
        return [report for report in self.reports if report.severity == "error"]

    @property
    def warnings(self) -> list[Report]:
        """The reports that do not."""
        return [report for report in self.reports if report.severity == "warning"]

    @property
    def documents(self) -> dict[str, Document]:
        """The TOML files that were read, by name."""
        return self.directory.documents

    def place(self, *path: str | int) -> Place:
        """Give file, line and column of a value of the model: `place("components", 0, "vars", "region")`."""
        return self.ledger.place(path)


def load(
    directory: FilePath | str,
    *,
    offline: bool = False,
    fetch: values.Fetch | None = None,
    overlay: dict[str, str] | None = None,
) -> Loaded:
    """Load the app in a directory. Nothing is fetched unless a value asks for it, and nothing at all when `offline`."""
    ledger = Ledger()
    root = FilePath(directory)
    folder = Directory(root, ledger, overlay)
    name = folder.root.name
    if wrong := _why_unreadable(root):
        ledger.say("EX-C001", f"{root} {wrong}", "give the directory that holds metadata.toml", file=str(folder.root))
        return Loaded(model.App(name=name), folder, ledger, [])
    if fetch is None and not offline:
        from exclave.config import fetching

        fetch = fetching.fetch
    reader = Reader(ledger, values.Loader(folder, offline=offline, fetch=fetch))
    app = _Build(name, folder, reader).app()
    checks.run(app, folder, ledger, reader.templates)
    return Loaded(app, folder, ledger, reader.templates)


class _Build:
    """Puts the sections of one directory together."""

    def __init__(self, name: str, folder: Directory, reader: Reader) -> None:
        self.name = name
        self.folder = folder
        self.reader = reader
        self.ledger = folder.ledger
        self.files: set[str] = set()
        self.directories: set[str] = set()
        self.broken: set[str] = set()
        self.strangers: list[str] = []

    def app(self) -> model.App:
        self._look_around()
        app = model.App(name=self.name)
        app.metadata = self._one("metadata", model.Metadata) or model.Metadata()
        app.runner = self._one("runner", model.Runner, merge=True) or model.Runner()
        app.stack = self._one("stack", model.Stack)
        app.sandbox = self._one("sandbox", model.Sandbox, merge=True) or model.Sandbox()
        self._inputs(app)
        app.secrets = self._listed("secrets", "secret", model.Secret)
        self._permissions(app)
        app.policies = self._listed("policies", "policy", model.Policy)
        app.break_glass = self._listed("break_glass", "role", model.Role)
        for role in app.break_glass:
            role.type = ""
        self._components(app)
        app.actions = self._listed("actions", "", model.Action)
        app.installs = self._listed("installs", "", model.Install)
        app.runbooks = self._listed("runbooks", "", model.Runbook)
        app.kubernetes_contexts = self._listed("kubernetes_contexts", "kubernetes_context", model.KubernetesContext)
        app.operation_roles = self._listed("operation_roles", "rules", model.RoleRule)
        app.branch = self._one("branch", model.Branch)
        app.branches = self._listed("branches", "", model.BranchRule)
        app.installer = self._one("installer", model.Installer, merge=True)
        app.installs_repo = self._one("installs_repo", model.InstallsRepo, file="installs.toml")
        self._look_back()
        app.sections = [name for name in _MEANT_WHEN_EMPTY if f"{name}.toml" in self.files or self._files_of(name)]
        return app

    # Which files there are

    def _look_around(self) -> None:
        for entry in self.folder.entries():
            name = entry.name
            if entry.is_dir():
                if name in rules.DIRECTORIES:
                    self.directories.add(name)
                elif not name.startswith((".", "_")):
                    close = self.ledger.guess(name.lower(), list(rules.DIRECTORIES), 0.8)
                    if close:
                        self.ledger.say("EX-C007", f"the directory {name} is not read", f'did you mean "{close}"?', file=name)
            elif name in rules.FILES:
                self.files.add(name)
            elif name.lower().endswith(".toml") and name not in _OTHERS and not name.startswith("."):
                self.strangers.append(name)
        self.files.update(name for name in self.folder.overlay if name in rules.FILES)
        self.directories.update(name.split("/")[0] for name in self.folder.overlay if name.split("/")[0] in rules.DIRECTORIES)
        for name in rules.REQUIRED_FILES:
            if name not in self.files or (name not in self.folder.overlay and _is_empty(self.folder.root / name)):
                what = "is empty" if name in self.files else "is missing"
                close = "" if name in self.files else f"an app needs {', '.join(rules.REQUIRED_FILES)}"
                self.ledger.say("EX-C002", f"{name} {what}", close, file=name)
        for file, directories in EXCLUSIVE:
            both = [name for name in directories if name in self.directories and self.folder.walk(name)]
            if file in self.files and both:
                self.ledger.say("EX-C003", f"{file} and {both[0]}/ give the same section", "keep one of the two", file=file)

    def _look_back(self) -> None:
        """Tell of the files that nothing has read: a `source` may have named one."""
        for name in self.strangers:
            if name in self.folder.documents or name in self.broken:
                continue
            close = self.ledger.guess(name.lower(), [*rules.FILES])
            hint = f'did you mean "{close}"?' if close else f"an app has {', '.join(rules.FILES)}"
            self.ledger.say("EX-C007", f"the file {name} is not read", hint, file=name)

    # Sections

    def _origin(self, file: str) -> Origin | None:
        before = len(self.ledger.reports)
        document = self.folder.document(file)
        if document is None and (len(self.ledger.reports) > before or file in self.broken):
            self.broken.add(file)
            self.ledger.incomplete.add(file.split("/")[0].removesuffix(".toml"))
        return Origin(file, document) if document is not None else None

    def _one(self, name: str, kind: type[_Struct], *, merge: bool = False, file: str = "") -> _Struct | None:
        file = file or f"{name}.toml"
        at = self._origin(file) if file in self.files else None
        if at is None:
            return None
        data, others = self._merged(at, name) if merge else (at.document.data, {})
        found = self.reader.read(rules.FILES[file], data, at, (name,), others)
        if isinstance(found.get("source"), str):
            del found["source"]
        self._local(found, (name,))
        return _convert(found, kind)

    def _listed(self, name: str, key: str, kind: type[_Struct]) -> list[_Struct]:
        """Read a section that is a list: the tables of one file, then the files of a directory."""
        found: list[_Struct] = []
        file = f"{name}.toml"
        if key and file in self.files and (at := self._origin(file)):
            section = rules.FILES[file]
            inner = section.key(key)
            assert inner is not None and inner.section is not None  # noqa: PT018
            rows = self._tables(section, at, key)
            for i, row in enumerate(rows):
                found.append(self._item(inner.section, row, at.below(key, i), name, len(found), kind))
            self._other_keys(section, at, key)
        for at in self._files_of(name):
            found.append(self._item(rules.DIRECTORIES[name], at.document.data, at, name, len(found), kind))
        return found

    def _tables(self, section: rules.Section, at: Origin, key: str) -> list[dict[str, Any]]:
        """Give the rows of a list of tables, whatever the key's case; report when it is something else."""
        rule = section.key(key)
        assert rule
        for written, value in at.document.data.items():
            if written.lower() == key:
                if isinstance(value, list) and all(isinstance(row, dict) for row in value):
                    return value
                self.reader.value(rule, value, at.below(written), (key,), "")
        return []

    def _other_keys(self, section: rules.Section, at: Origin, *known: str) -> None:
        rest = {key: value for key, value in at.document.data.items() if key.lower() not in known}
        if rest:
            slim = msgspec.structs.replace(section, keys=tuple(key for key in section.keys), one_of=())
            self.reader.read(slim, rest, at, (section.name, "*"))

    def _item(self, section: rules.Section, data: dict[str, Any], at: Origin, name: str, index: int, kind: type[_Struct]) -> _Struct:
        path: Path = (name, index)
        found = self.reader.read(section, data, at, path)
        if "source" in found:
            self._local(found, path)
        if name == "installs":
            found["inputs"] = self._install_inputs(found.get("inputs"), at)
        for i, step in enumerate(found.get("steps", ())):
            self._local(step, (*path, "steps", i))
        return _convert(found, kind)

    def _inputs(self, app: model.App) -> None:
        first = self._origin("inputs.toml") if "inputs.toml" in self.files else None
        section = rules.FILES["inputs.toml"]
        for origin in [first, *self._added_inputs(first)] if first else []:
            for i, row in enumerate(self._tables(section, origin, "group")):
                app.groups.append(self._item(GROUP, row, origin.below("group", i), "groups", len(app.groups), model.Group))
            for i, row in enumerate(self._tables(section, origin, "input")):
                app.inputs.append(self._item(INPUT, row, origin.below("input", i), "inputs", len(app.inputs), model.Input))
            self._other_keys(section, origin, "group", "input")
        for origin in self._files_of("input_groups"):
            app.groups.append(self._item(GROUP, origin.document.data, origin, "groups", len(app.groups), model.Group))
        for origin in self._files_of("inputs"):
            app.inputs.append(self._item(INPUT, origin.document.data, origin, "inputs", len(app.inputs), model.Input))

    def _added_inputs(self, first: Origin) -> list[Origin]:
        """Give the further files that `source` and `sources` of inputs.toml name."""
        data = first.document.data
        several = data.get("sources")
        named = [("source", data.get("source")), *(("sources", name) for name in several or () if isinstance(several, list))]
        found = []
        for key, name in named:
            if isinstance(name, str) and name:
                file = self.reader.loader.find(name if name.startswith(values.LOCAL) else f"./{name}", first.below(key), "inputs")
                if file and (origin := self._origin(file)):
                    found.append(origin)
        return found

    def _files_of(self, name: str) -> list[Origin]:
        """Open every file of a directory of the app."""
        paths = self.folder.walk(name) if name in self.directories else []
        return [origin for path in paths if (origin := self._origin(path))]

    def _permissions(self, app: model.App) -> None:
        at = self._origin("permissions.toml") if "permissions.toml" in self.files else None
        if at:
            section = rules.FILES["permissions.toml"]
            for name, value in at.document.data.items():
                key = section.key(name.lower())
                if key and key.type == "table" and key.section:
                    if not isinstance(value, dict):
                        self.reader.value(key, value, at.below(name), ("permissions", name), "")
                        continue
                    role = self._item(key.section, value, at.below(name), "permissions", len(app.permissions), model.Role)
                    role.type = key.name.removesuffix("_role")
                    app.permissions.append(role)
            for i, row in enumerate(self._tables(section, at, "roles")):
                inner = section.key("roles")
                assert inner is not None and inner.section is not None  # noqa: PT018
                app.permissions.append(
                    self._item(inner.section, row, at.below("roles", i), "permissions", len(app.permissions), model.Role)
                )
            self._other_keys(section, at, "provision_role", "deprovision_role", "maintenance_role", "roles")
        for at in self._files_of("permissions"):
            role = self._item(rules.DIRECTORIES["permissions"], at.document.data, at, "permissions", len(app.permissions), model.Role)
            app.permissions.append(role)

    def _components(self, app: model.App) -> None:
        for at in self._files_of("components"):
            data, others = self._merged(at, "components")
            kind = next((value for key, value in data.items() if key.lower() == "type"), None)
            kind = rules.KIND_ALIASES.get(kind, kind) if isinstance(kind, str) else None
            section = rules.BY_KIND.get(kind or "")
            path: Path = ("components", len(app.components))
            if section is None:
                # Without a kind the other keys cannot be judged; those that every component has can.
                known = {key: value for key, value in data.items() if rules.ROOT.key(key.lower())}
                self.reader.read(rules.ROOT, known, at, ("components", "?", at.file), others)
                self.ledger.incomplete.add("components")
                continue
            found = self.reader.read(section, data, at, path, others)
            if isinstance(found.get("source"), str):
                del found["source"]
            self._local(found, path)
            for i, row in enumerate(found.get("values_file", ())):
                for name in ("path", "source"):
                    if name in row:
                        row["contents"] = row.pop(name)
                        where = self.ledger.origins[(*path, "values_file", i)]
                        self.ledger.origins[(*path, "values_file", i, "contents")] = where.below(name)
            found.pop("type", None)
            app.components.append(_convert(found, model.COMPONENTS[str(kind)]))

    def _merged(self, at: Origin, section: str) -> tuple[dict[str, Any], dict[str, Origin]]:
        """Lay the keys of the file that `source` names over those of this file."""
        data = at.document.data
        name = next((value for key, value in data.items() if key.lower() == "source"), None)
        if not isinstance(name, str) or not name:
            return data, {}
        file = self.reader.loader.find(name if name.startswith(values.LOCAL) else f"./{name}", at.below("source"), section)
        other = self._origin(file) if file and file != at.file else None
        if other is None:
            return data, {}
        return {**data, **other.document.data}, dict.fromkeys(other.document.data, other)

    def _local(self, found: dict[str, Any], path: Path) -> None:
        """Check the directory of a local source, and give it in its plain form."""
        source = found.get("source")
        if not isinstance(source, dict) or source.get("kind") != "local":
            return
        written = source.get("directory")
        at = self.ledger.origin((*path, "source"))
        if not isinstance(written, str) or at is None:
            del found["source"]
            return
        at = at.below("directory")
        plain = None if os.path.isabs(written) or ".." in written.split("/") or "\\" in written else inside("", written)
        if plain is None:
            self.ledger.say("EX-C034", f"{written} is not a path below the app directory", 'write "./sandbox"', at=at)
        elif not os.path.isdir(self.folder.root / plain):
            self.ledger.say("EX-C033", f"the directory {written} does not exist", "create it, or correct the path", at=at)
        elif not self.folder.contains(plain):
            self.ledger.say("EX-C006", f"{written} is a link that leads out of the app directory", "copy the directory into the app", at=at)
        else:
            source["directory"] = plain or "."
            return
        del found["source"]

    def _install_inputs(self, written: Any, at: Origin) -> dict[str, str]:
        rows = written if isinstance(written, list) else [written] if isinstance(written, dict) else []
        result: dict[str, str] = {}
        if written is not None and ((not rows and written != []) or not all(isinstance(row, dict) for row in rows)):
            self.ledger.say("EX-C013", '"inputs" takes a table or a list of tables', "write [inputs]", at=at.below("inputs"))
            return result
        for i, row in enumerate(rows):
            for name, value in row.items():
                if isinstance(value, (list, dict)):
                    where = at.below("inputs", i, name) if isinstance(written, list) else at.below("inputs", name)
                    self.ledger.say("EX-C013", f'"{name}" takes a text', "write lists and tables as JSON in a text", at=where)
                else:
                    result[name] = scalar(value)
        return result


def _convert(found: dict[str, Any], kind: type[_Struct]) -> _Struct:
    return msgspec.convert(found, kind)


def _why_unreadable(root: FilePath) -> str:
    try:
        with os.scandir(root):
            return ""
    except FileNotFoundError:
        return "does not exist"
    except NotADirectoryError:
        return "is not a directory"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _is_empty(path: FilePath) -> bool:
    try:
        return path.is_file() and path.stat().st_size == 0
    except OSError:
        return False
