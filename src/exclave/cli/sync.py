"""Send an app directory to the server, call by call as the official command line does (spec config.md 4.2).

Local directories are packed and uploaded first: the server never reads this machine's disk.
"""

import asyncio
import contextlib
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from exclave import __version__, config
from exclave.cli import output, session
from exclave.client.http import Refused
from exclave.client.public import PublicApi
from exclave.config import checksums, durations, formats, model
from exclave.config.loader import Loaded
from exclave.kit import archive

_BUILD_WAIT = 1200.0


def sync_directory(directory: Path, name: str, *, wait: bool, as_json: bool) -> None:
    """Load, check, send, build. Exit code 1 when the directory is invalid or a build fails."""
    directory = Path(os.path.abspath(directory))  # a link keeps its name, which is the app's
    loaded = config.load(directory)
    errors = [report for report in loaded.reports if report.severity == "error"]
    for report in loaded.reports:
        output.note(formats.printable(str(report)))
    if errors or loaded.app is None:
        raise session.stop(f"{directory} has {len(errors)} error(s): nothing was sent", session.FAILED)
    summary = session.call(lambda api: Sync(api, directory, loaded, name or directory.name, wait=wait).run())
    if as_json:
        output.as_json(summary)
    else:
        output.data(f"{summary['app_config_id']}\t{summary['app']}\tversion {summary['version']}")
    if summary["failed_builds"]:
        raise session.stop(f"builds failed: {', '.join(summary['failed_builds'])}", session.FAILED)


class Sync:
    """One sync of one directory."""

    def __init__(self, api: PublicApi, directory: Path, loaded: Loaded, name: str, *, wait: bool) -> None:
        assert loaded.app is not None
        self.http, self.directory, self.app, self.name, self.wait = api.http, directory, loaded.app, name, wait
        self.app_id = self.config_id = ""
        self.archive = ""
        self.checksums: dict[str, str] = {}

    async def run(self) -> dict[str, Any]:
        self.app_id = (await self._get(f"/v1/apps/{session.segment(self.name)}"))["id"]
        # Before the upload: what is edited meanwhile has another checksum at the next sync, and is built then.
        self.checksums = {component.name: self._checksum(component) for component in self.app.components}
        if self._has_local_sources():
            self.archive = await self._upload()
        made = await self._post("config", {"readme": self.app.metadata.readme, "cli_version": __version__})
        self.config_id = made["id"]
        try:
            components = await self._send_everything()
        except BaseException:
            await self._finish("error", "the sync was not finished", [])
            raise
        await self._finish("active", "successfully synced config", [c["id"] for c in components])
        await self._post(f"config/{self.config_id}/update-installs", {"updateAll": True, "installIDs": None})
        failed = await self._builds(components) if self.wait else []
        after = await self._get(f"/v1/apps/{self.app_id}/config/{self.config_id}")
        return {
            "app": self.name,
            "app_id": self.app_id,
            "app_config_id": self.config_id,
            "version": after.get("version", 0),
            "components": components,
            "failed_builds": failed,
        }

    async def _send_everything(self) -> list[dict[str, Any]]:
        app = self.app
        meta = {"description": app.metadata.description, "display_name": app.metadata.display_name}
        if app.metadata.slack_webhook_url:
            meta["slack_webhook_url"] = app.metadata.slack_webhook_url
        await self.http.send("PATCH", f"/v1/apps/{self.app_id}", meta, dict[str, Any])
        for path, body in self._sections():
            with _named(path.removesuffix("-configs").removesuffix("-config")):
                await self._post(path, {"app_config_id": self.config_id, **body})
        components = [await self._ensure(component) for component in app.components]
        ids = {entry["name"]: entry["id"] for entry in components}
        for component, entry in zip(app.components, components, strict=True):
            with _named(f"component {component.name}"):
                await self._configure(component, entry, ids)
        for action in app.actions:
            with _named(f"action {action.name}"):
                await self._action(action)
        return components

    # The sections that exist once.

    def _inputs(self) -> dict[str, Any]:
        groups = {
            group.name: {"description": group.description, "display_name": group.display_name, "index": position}
            for position, group in enumerate(self.app.groups, start=1)
        }
        inputs = {}
        for position, entry in enumerate(self.app.inputs, start=1):
            body: dict[str, Any] = {
                "display_name": entry.display_name,
                "description": entry.description,
                "group": entry.group,
                "type": entry.type,
                "source": entry.source,
                "index": position,
                "required": entry.required,
                "sensitive": entry.sensitive,
                "internal": entry.internal,
            }
            if entry.default is not None:
                body["default"] = entry.default
            inputs[entry.name] = body
        return {"groups": groups, "inputs": inputs}

    def _sandbox(self) -> dict[str, Any]:
        sandbox = self.app.sandbox
        return {
            "terraform_version": sandbox.terraform_version,
            "variables": sandbox.vars,
            "env_vars": sandbox.env_vars,
            "variables_files": [file.contents for file in sandbox.var_file],
            "references": config.references(sandbox),
            "drift_schedule": sandbox.drift_schedule,
            **self._source(sandbox.source),
        }

    def _sections(self) -> list[tuple[str, dict[str, Any]]]:
        app, runner = self.app, self.app.runner
        found: list[tuple[str, dict[str, Any]]] = [
            ("input-config", self._inputs()),
            ("sandbox-config", self._sandbox()),
            (
                "runner-configs",
                {
                    "type": runner.runner_type,
                    "env_vars": runner.env_vars,
                    "helm_driver": runner.helm_driver,
                    "init_script_url": runner.init_script_url,
                },
            ),
        ]
        break_glass = [_role(role) for role in app.break_glass]
        if app.permissions:
            by_type = {role.type: _role(role) for role in app.permissions}
            roles = {f"{kind}_role": by_type[kind] for kind in ("provision", "deprovision", "maintenance") if kind in by_type}
            found.append(("permissions-configs", {**roles, "break_glass_roles": break_glass or None}))
        if app.policies:
            found.append(("policies-configs", {"policies": [{"type": p.type, "contents": p.contents} for p in app.policies]}))
        if app.secrets:
            found.append(("secrets-configs", {"secrets": [_secret(secret) for secret in app.secrets]}))
        if break_glass:
            found.append(("break-glass-configs", {"roles": break_glass}))
        if app.stack is not None:
            stack = app.stack
            body = {"type": stack.type, "name": stack.name, "description": stack.description}
            if stack.vpc_nested_template_url:
                body["vpc_nested_template_url"] = stack.vpc_nested_template_url
            if stack.runner_nested_template_url:
                body["runner_nested_template_url"] = stack.runner_nested_template_url
            found.append(("stack-configs", body))
        return found

    # Components and actions.

    async def _ensure(self, component: model.Component) -> dict[str, Any]:
        try:
            found = await self._get(f"/v1/apps/{self.app_id}/component/{session.segment(component.name)}")
        except Refused as error:
            if error.status != 404:
                raise
            with _named(f"component {component.name}"):
                found = await self._post("components", {"name": component.name, "dependencies": None})
        return {"name": component.name, "id": found["id"], "type": component.type, "changed": False}

    async def _configure(self, component: model.Component, entry: dict[str, Any], ids: Mapping[str, str]) -> None:
        needs = config.dependencies(component)
        patch = {"name": component.name, "var_name": component.var_name, "dependencies": needs}
        await self.http.send("PATCH", f"/v1/components/{entry['id']}", patch, dict[str, Any])
        checksum = self.checksums[component.name]
        if await self._unchanged(entry["id"], checksum):
            return
        kind, body = self._component(component)
        common = {
            "app_config_id": self.config_id,
            "dependencies": needs,
            "references": config.references(component),
            "checksum": checksum,
        }
        await self.http.send("POST", f"/v1/components/{entry['id']}/configs/{kind}", {**common, **body}, dict[str, Any])
        entry["changed"] = True

    def _checksum(self, component: model.Component) -> str:
        """The component's own checksum, and that of the files it names below the app directory."""
        plain = config.checksum(component, self.directory)
        source = getattr(component, "source", None)
        if not isinstance(source, model.LocalSource):
            return plain
        files = hashlib.sha256(self._packed({source.directory})).hexdigest()
        return hashlib.sha256(f"{plain}:{files}".encode()).hexdigest()

    def _packed(self, directories: set[str]) -> bytes:
        """Pack directories of the app as a tar.gz: the same files give the same bytes."""
        wanted = [PurePosixPath(directory) for directory in directories]

        def left_out(path: PurePosixPath) -> bool:
            if checksums.left_out(path.name):
                return True
            return not any(path == root or root in path.parents or path in root.parents or root == PurePosixPath() for root in wanted)

        buffer = io.BytesIO()
        archive.pack(self.directory, buffer, leave_out=left_out)
        return buffer.getvalue()

    async def _unchanged(self, component_id: str, checksum: str) -> bool:
        try:
            build = await self._get(f"/v1/components/{component_id}/builds/latest")
            latest = await self._get(f"/v1/components/{component_id}/configs/latest")
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return build.get("status") != "error" and latest.get("checksum") == checksum

    def _component(self, component: model.Component) -> tuple[str, dict[str, Any]]:
        match component:
            case model.TerraformModule():
                return "terraform-module", {
                    "version": component.terraform_version,
                    "variables": component.vars,
                    "env_vars": component.env_vars,
                    "variables_files": [file.contents for file in component.var_file],
                    "drift_schedule": component.drift_schedule,
                    **self._source(component.source),
                }
            case model.HelmChart():
                repo = component.helm_repo
                return "helm", {
                    "chart_name": component.chart_name,
                    "values": component.values,
                    "values_files": [file.contents for file in component.values_file],
                    "namespace": component.namespace,
                    "storage_driver": component.storage_driver,
                    "take_ownership": component.take_ownership,
                    "drift_schedule": component.drift_schedule,
                    "helm_repo_config": {"repo_url": repo.repo_url, "chart": repo.chart, "version": repo.version} if repo else None,
                    **self._source(component.source),
                }
            case model.DockerBuild():
                body = {"dockerfile": component.dockerfile, "env_vars": component.env_vars, "build_args": []}
                return "docker-build", {**body, **self._source(component.source)}
            case model.ContainerImage():
                if component.public is not None:
                    return "external-image", {"image_url": component.public.image_url, "tag": component.public.tag}
                image = component.aws_ecr
                assert image is not None
                ecr = {"iam_role_arn": image.iam_role_arn, "aws_region": image.region}
                return "external-image", {"image_url": image.image_url, "tag": image.tag, "aws_ecr_image_config": ecr}
            case model.KubernetesManifest():
                return "kubernetes-manifest", {
                    "manifest": component.manifest,
                    "namespace": component.namespace,
                    "drift_schedule": component.drift_schedule,
                }
            case model.Job():
                return "job", {
                    "image_url": component.image_url,
                    "tag": component.tag,
                    "cmd": component.cmd,
                    "args": component.args,
                    "env_vars": component.env_vars,
                }
        raise session.stop(
            f"component {component.name}: the type {component.type} is planned, but the server has no place for it yet", session.FAILED
        )

    async def _action(self, action: model.Action) -> None:
        try:
            found = await self._get(f"/v1/apps/{self.app_id}/action-workflows/{session.segment(action.name)}")
        except Refused as error:
            if error.status != 404:
                raise
            found = await self._post("action-workflows", {"name": action.name})
        body = {
            "app_config_id": self.config_id,
            "timeout": durations.nanoseconds(action.timeout) if action.timeout else 0,
            "dependencies": config.dependencies(action),
            "references": config.references(action),
            "break_glass_role_arn": action.break_glass_role,
            "triggers": [msgspec.to_builtins(trigger) for trigger in action.triggers],
            "steps": [
                {
                    "name": step.name,
                    "env_vars": step.env_vars,
                    "command": step.command,
                    "inline_contents": step.inline_contents,
                    "references": config.references(step) or None,
                    **self._source(step.source),
                }
                for step in action.steps
            ],
        }
        await self.http.send("POST", f"/v1/action-workflows/{found['id']}/configs", body, dict[str, Any])

    # Sources.

    def _source(self, source: model.Source | None) -> dict[str, Any]:
        match source:
            case model.LocalSource():
                return {"public_git_vcs_config": {"repo": "./", "directory": source.directory, "branch": "", "archive": self.archive}}
            case model.PublicRepo():
                return {"public_git_vcs_config": {"repo": source.repo, "directory": source.directory, "branch": source.branch}}
            case model.ConnectedRepo():
                return {"connected_github_vcs_config": {"repo": source.repo, "directory": source.directory, "branch": source.branch}}
        return {}

    def _local_directories(self) -> set[str]:
        things = [self.app.sandbox, *self.app.components, *(step for action in self.app.actions for step in action.steps)]
        sources = (getattr(thing, "source", None) for thing in things)
        return {source.directory for source in sources if isinstance(source, model.LocalSource)}

    def _has_local_sources(self) -> bool:
        return bool(self._local_directories())

    async def _upload(self) -> str:
        packed = self._packed(self._local_directories())
        answer = await self.http.request(
            "POST", f"/v1/apps/{self.app_id}/sources", content=packed, content_type="application/gzip", idempotent=True, timeout=120
        )
        return str(msgspec.json.decode(answer.content)["digest"])

    # The end.

    async def _finish(self, status: str, why: str, component_ids: list[str]) -> None:
        state = {
            "version": "v1",
            "config_id": self.config_id,
            "app_id": self.app_id,
            "actions": [{"name": action.name} for action in self.app.actions],
        }
        body = {
            "status": status,
            "status_description": why,
            "state": msgspec.json.encode(state).decode(),
            "component_ids": component_ids or None,
        }
        await self.http.send("PATCH", f"/v1/apps/{self.app_id}/config/{self.config_id}", body, dict[str, Any])

    async def _builds(self, components: list[dict[str, Any]]) -> list[str]:
        """Wait for the builds of what changed; return the names of those that failed."""
        changed = [entry for entry in components if entry["changed"]]
        ended = await asyncio.gather(*(self._built(entry["id"]) for entry in changed))
        failed = []
        for entry, build in zip(changed, ended, strict=True):
            status = build.get("status")
            if status == "active":
                output.note(f"build {entry['name']}: active")
                continue
            output.note(f"build {entry['name']}: {status}: {build.get('status_description', '')}")
            failed.append(entry["name"])
        return failed

    async def _built(self, component_id: str) -> dict[str, Any]:
        """Wait until the newest build of a component has ended, or for twenty minutes."""
        build = await self._get(f"/v1/components/{component_id}/builds/latest")
        deadline = asyncio.get_running_loop().time() + _BUILD_WAIT
        while build.get("status") not in ("active", "error") and asyncio.get_running_loop().time() < deadline:
            build = await self.http.get(f"/v1/builds/{build['id']}/watch", dict[str, Any], timeout=60)
        return build

    async def _get(self, path: str) -> dict[str, Any]:
        return await self.http.get(path, dict[str, Any])

    async def _post(self, path: str, body: Any) -> Any:
        return await self.http.send("POST", f"/v1/apps/{self.app_id}/{path}", body, Any)


@contextlib.contextmanager
def _named(part: str) -> Iterator[None]:
    """Say which part of the app the server refused."""
    try:
        yield
    except Refused as error:
        if error.status != 400:
            raise
        raise session.stop(f"{part}: {error.said}", session.FAILED) from error


def _role(role: model.Role) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": role.name,
        "description": role.description,
        "display_name": role.display_name,
        "policies": [
            {key: value for key, value in msgspec.to_builtins(policy).items() if key in ("name", "managed_policy_name", "contents")}
            for policy in role.policies
        ],
    }
    if role.permissions_boundary:
        body["permissions_boundary"] = role.permissions_boundary
    return body


def _secret(secret: model.Secret) -> dict[str, Any]:
    known = (
        "name", "display_name", "description", "required", "auto_generate", "format", "default",
        "kubernetes_sync", "kubernetes_secret_name", "kubernetes_secret_namespace",
    )  # fmt: skip
    return {key: value for key, value in msgspec.to_builtins(secret).items() if key in known}
