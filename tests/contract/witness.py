"""An independent witness of the seed's page: the rows themselves, read by plain SQL, column by column.

Nothing here uses the product's own reading or writing of shapes. `check` walks an answer, compares every documented field of every
object with the row of that id (or with what `DERIVED` computes from rows), every nested object with what `RELATIONS` says should hang
there, and returns the paths that it saw with a value.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from exclave.kit.context import Runtime
from tests.contract import seed

Row = Mapping[str, Any]


@dataclass
class Rows:
    """Every row of the database that an org owns, and all accounts, by id and by table."""

    by_id: dict[str, Row]
    by_table: dict[str, list[Row]]

    def where(self, table: str, column: str, value: Any) -> list[Row]:
        """The rows whose column has this value, newest first; equal times by id."""
        found = [row for row in self.by_table[table] if row[column] == value]
        return sorted(sorted(found, key=lambda row: row["id"]), key=lambda row: row["created_at"], reverse=True)


async def rows_of(runtime: Runtime, org_id: str) -> Rows:
    """Read them, JSON as text, so that nothing parses it on the way."""
    columns = "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public'"
    by_id: dict[str, Row] = {}
    by_table: dict[str, list[Row]] = defaultdict(list)
    async with runtime.sweep() as ctx:
        tables: dict[str, dict[str, str]] = defaultdict(dict)
        for table, column, kind in (await ctx.db.execute(text(columns))).all():
            tables[table][column] = f'"{column}"::text as "{column}"' if kind.startswith("json") else f'"{column}"'
        for table, selected in tables.items():
            if "id" not in selected or not ("org_id" in selected or table == "accounts"):
                continue
            statement = f'select {", ".join(selected.values())} from "{table}"' + (" where org_id = :org" if "org_id" in selected else "")
            for found in (await ctx.db.execute(text(statement), {"org": org_id} if "org_id" in selected else {})).mappings():
                row = {**found, "of_table": table}
                by_table[table].append(row)
                by_id[row["id"]] = row
    return Rows(by_id, by_table)


# What hangs where: the end of the path -> table, its column, the parent's column; lists in this order.


@dataclass(frozen=True)
class Relation:
    table: str
    column: str
    key: str
    many: bool = False
    order: tuple[str, ...] = ()  # newest first when empty


def _many(table: str, column: str, *order: str) -> Relation:
    return Relation(table, column, "id", many=True, order=order)


def _one(table: str, key: str) -> Relation:
    return Relation(table, "id", key)


def _owned(table: str) -> Relation:
    return Relation(table, "owner_id", "id")


RELATIONS: dict[str, Relation] = {
    "created_by": _one("accounts", "created_by_id"),
    "roles.policies": _many("policies", "role_id", "created_at", "id"),
    "app_sandbox_config": _one("app_sandbox_configs", "app_sandbox_config_id"),
    "public_git_vcs_config": Relation("public_git_vcs_configs", "component_config_id", "id"),
    "connected_github_vcs_config": Relation("connected_github_vcs_configs", "component_config_id", "id"),
    "vcs_connection": _one("vcs_connections", "vcs_connection_id"),
    "vcs_connection.vcs_connection_commit": _many("vcs_connection_commits", "vcs_connection_id"),
    "component_build.vcs_connection_commit": _one("vcs_connection_commits", "vcs_connection_commit_id"),
    "log_stream": _owned("log_streams"),
    "runner_jobs": _many("runner_jobs", "owner_id"),
    "runner_job": _owned("runner_jobs"),
    "approval.runner_job": _one("runner_jobs", "runner_job_id"),
    "executions": _many("runner_job_executions", "runner_job_id"),
    "executions.result": Relation("runner_job_execution_results", "runner_job_execution_id", "id"),
    "executions.outputs": Relation("runner_job_execution_outputs", "runner_job_execution_id", "id"),
    "workflow": _one("install_workflows", "install_workflow_id"),
    "workflow.steps": _many("install_workflow_steps", "install_workflow_id", "group_idx", "group_retry_idx", "idx"),
    "workflow.install_deploys": _many("install_deploys", "install_workflow_id"),
    "workflow.install_action_workflow_runs": _many("install_action_workflow_runs", "install_workflow_id"),
    "steps.approval": Relation("install_workflow_step_approvals", "install_workflow_step_id", "id"),
    "policy_validation": Relation("install_workflow_step_policy_validations", "install_workflow_step_id", "id"),
    "component_build": _one("component_builds", "build_id"),
    "oci_artifact": _owned("oci_artifacts"),
    "component_config_connection": _one("component_config_connections", "component_config_connection_id"),
    **{
        f"component_config_connection.{block}": Relation(table, "component_config_connection_id", "id")
        for block, table in {
            "docker_build": "docker_build_component_configs",
            "external_image": "external_image_component_configs",
            "helm": "helm_component_configs",
            "job": "job_component_configs",
            "kubernetes_manifest": "kubernetes_manifest_component_configs",
            "terraform_module": "terraform_module_component_configs",
        }.items()
    },
    "action_workflow_runs": _many("install_action_workflow_runs", "sandbox_run_id"),
    "action_workflow_runs.config": _one("action_workflow_configs", "action_workflow_config_id"),
    "action_workflow_runs.steps": _many("install_action_workflow_run_steps", "install_action_workflow_run_id", "idx"),
    "config.steps": _many("action_workflow_step_configs", "action_workflow_config_id", "idx"),
    "configs.steps": _many("action_workflow_step_configs", "action_workflow_config_id", "idx"),
    "triggers": _many("action_workflow_trigger_configs", "action_workflow_config_id", "index"),
    "triggers.component": _one("components", "component_id"),
    "install_action_workflow": _one("install_action_workflows", "install_action_workflow_id"),
    "install_action_workflow.action_workflow": _one("action_workflows", "action_workflow_id"),
    "action_workflow.configs": _many("action_workflow_configs", "action_workflow_id"),
}


# What is computed: the end of the path -> its value, from rows.


def _seconds_as_nanoseconds(row: Row, rows: Rows) -> int:
    if not (row["started_at"] and row["finished_at"]):
        return 0
    gone = row["finished_at"] - row["started_at"]
    return ((gone.days * 86_400 + gone.seconds) * 1_000_000 + gone.microseconds) * 1000


def _roles(row: Row, rows: Rows) -> list[Row]:
    return [rows.by_id[held["role_id"]] for held in rows.where("account_roles", "account_id", row["id"])]


def _permissions(row: Row, rows: Rows) -> dict[str, str]:
    policies = [policy for role in _roles(row, rows) for policy in rows.where("policies", "role_id", role["id"])]
    return {key: right for policy in policies for key, right in json.loads(policy["permissions"]).items()}


def _refs(row: Row, rows: Rows) -> list[dict[str, str]]:
    return [dict(zip(("type", "name", "value", "input"), text.split("|"), strict=True)) for text in json.loads(row["references"])]


def _outputs_text(job: Row, rows: Rows) -> str | None:
    stored = rows.where("runner_job_execution_outputs", "runner_job_execution_id", job["current_execution_id"])
    return stored[0]["outputs"] if stored else None


def _outputs_of_job(row: Row, rows: Rows) -> Any:
    found = _outputs_text(row, rows)
    return json.loads(found) if found else None


def _outputs_of_owner(row: Row, rows: Rows) -> Any:
    """Jobs of the factory put out the same, so that what is merged is what each put out."""
    return next((_outputs_of_job(job, rows) for job in rows.where("runner_jobs", "owner_id", row["id"])), None)


def _job_of(row: Row, rows: Rows) -> Row:
    return rows.where("runner_jobs", "owner_id", row["id"])[0]


def _config_of_build(row: Row, rows: Rows) -> Row:
    return rows.by_id[row["component_config_connection_id"]]


def _name_of_component(row: Row, rows: Rows) -> str:
    return str(rows.by_id[row["component_id"]]["name"])


def _helm_document(row: Row, rows: Rows) -> dict[str, Any]:
    keys = ("chart_name", "namespace", "storage_driver", "take_ownership")
    parsed = {key: json.loads(row[key]) for key in ("helm_repo_config", "values", "values_files")}
    return {key: row[key] for key in keys} | parsed


def _image(row: Row, rows: Rows) -> dict[str, Any]:
    stored = json.loads(row["aws_ecr_image_config"] or "null")
    return stored and {**stored, "component_config_id": row["id"], "component_config_type": row["of_table"]}


def _response(row: Row, rows: Rows) -> dict[str, str] | None:
    given = rows.where("install_workflow_step_approval_responses", "install_workflow_step_approval_id", row["id"])
    return {key: given[0][key] for key in ("id", "type", "note", "created_by_id")} if given else None


def _workflow_name(row: Row, rows: Rows) -> str:
    suffix = json.loads(row["metadata"])["workflow-name-suffix"]
    return {"reprovision": f"Reprovisioned install ({suffix})"}[row["type"]]


def _links(api: str, ui: str) -> Callable[[Row, Rows], dict[str, str]]:
    base = "http://127.0.0.1:8081"
    return lambda row, rows: {"api": base + "/v1" + api.format(**row), "ui": base + "/{org_id}".format(**row) + ui.format(**row)}


DERIVED: dict[str, Callable[[Row, Rows], Any]] = {
    "workflow_id": lambda row, rows: row["install_workflow_id"],
    "execution_time": _seconds_as_nanoseconds,
    "action_workflow_runs.execution_time": lambda row, rows: _seconds_as_nanoseconds(_job_of(row, rows), rows),
    "finished": lambda row, rows: row["finished_at"] is not None,
    "outputs": _outputs_of_owner,
    "runner_job.outputs": _outputs_of_job,
    "runner_jobs.outputs": _outputs_of_job,
    "executions.outputs.outputs": lambda row, rows: json.loads(row["outputs"]),
    "runner_job.outputs_json": lambda row, rows: (_outputs_text(row, rows) or "").encode(),
    "runner_jobs.outputs_json": lambda row, rows: (_outputs_text(row, rows) or "").encode(),
    "executions.outputs.outputs_json": lambda row, rows: row["outputs"].encode(),
    "final_runner_job_execution_id": lambda row, rows: row["current_execution_id"],
    "contents_display_gzip": lambda row, rows: row["contents_display"],
    "org_ids": lambda row, rows: sorted({role["org_id"] for role in _roles(row, rows)}),
    "created_by.permissions": _permissions,
    "refs": _refs,
    "cloud_platform": lambda row, rows: "aws",  # the factory's runner type is aws-ecs
    "workflow.name": _workflow_name,
    "workflow.links": _links("/workflows/{id}", "/installs/{owner_id}/workflows/{id}"),
    "workflow.steps.links": _links("/workflows/{install_workflow_id}/steps/{id}", "/installs/{owner_id}/workflows/{install_workflow_id}"),
    "component.links": _links("/components/{id}", "/apps/{app_id}/components/{id}"),
    "installWorkflowStepID": lambda row, rows: row["install_workflow_step_id"],
    "workflow_step_id": lambda row, rows: row["install_workflow_step_id"],
    "approval.response": _response,
    "component_name": _name_of_component,
    "component_build.component_config_version": lambda row, rows: _config_of_build(row, rows)["version"],
    "component_config_version": lambda row, rows: _config_of_build(rows.by_id[row["build_id"]], rows)["version"],
    "app_config_version": lambda row, rows: rows.by_id[row["app_config_id"]]["version"],
    "helm_config_json": _helm_document,
    "aws_ecr_image_config": _image,
    "config_versions": lambda row, rows: len(rows.where("component_config_connections", "component_id", row["id"])),
    "component.dependencies": lambda row, rows: [
        edge["dependency_id"] for edge in rows.where("component_dependencies", "component_id", row["id"])
    ],
    "resolved_var_name": lambda row, rows: row["var_name"] or row["name"],
    "config_count": lambda row, rows: len(rows.where("action_workflow_configs", "action_workflow_id", row["id"])),
    "install_action_workflow.status": lambda row, rows: rows.where("install_action_workflow_runs", "install_action_workflow_id", row["id"])[
        0
    ]["status"],
}


def _of(table: Mapping[str, Any], path: str) -> Any:
    """The entry for the longest end of the path."""
    steps = path.split(".")
    return next((found for start in range(len(steps)) if (found := table.get(".".join(steps[start:]))) is not None), None)


# Walking an answer.


def check(answer: list[dict[str, Any]], rows: Rows) -> set[str]:
    """Compare an answer with the rows; return the documented paths that it shows with a value. Raises AssertionError."""
    fields: dict[str, list[str]] = defaultdict(list)
    for path in seed.documented():
        place, _, field = path.rpartition(".")
        fields[place].append(field)
    never = set(seed.with_verdict("zero", "withheld", "later"))
    seen: set[str] = set()

    def walk(shown: dict[str, Any], row: Row, place: str) -> None:
        for field in fields[place]:
            path = f"{place}.{field}" if place else field
            value = shown.get(field)
            relation = _of(RELATIONS, path)
            if path in never:
                assert seed.is_zero(value), f"{path} of {row['id']} shows {value!r}, it should not"
            elif field == "roles":
                _same_ids(value, _roles(row, rows), path, row)
                for each in value or []:
                    walk(each, rows.by_id[each["id"]], path)
            elif relation is not None:
                below = value if isinstance(value, list) else [value] if value else []
                _same_ids(below, _children(relation, row, rows), path, row)
                for each in below:
                    walk(each, rows.by_id[each["id"]], path)
            else:
                derived = _of(DERIVED, path)
                expected = derived(row, rows) if derived else _column(row, field)
                assert _bare(_read(value, expected)) == _bare(expected), f"{path} of {row['id']}: {value!r} is not {expected!r}"
                if isinstance(value, dict | list):
                    seen.update(below for below in seed.present(_nested(path, value)))
            if not seed.is_zero(value):
                seen.add(path)

    for run in answer:
        walk(run, rows.by_id[run["id"]], "")
    return seen


def _children(relation: Relation, row: Row, rows: Rows) -> list[Row]:
    found = rows.where(relation.table, relation.column, row.get(relation.key))
    if relation.order:
        found = sorted(found, key=lambda each: tuple(each[name] for name in relation.order))
    return found if relation.many else found[:1]


def _same_ids(shown: list[dict[str, Any]] | None, expected: list[Row], path: str, row: Row) -> None:
    assert [each["id"] for each in shown or []] == [each["id"] for each in expected], f"{path} of {row['id']}"


def _column(row: Row, field: str) -> Any:
    value = row[field]
    return json.loads(value) if isinstance(value, str) and value[:1] in ("{", "[") else value


def _read(shown: Any, expected: Any) -> Any:
    """Read a JSON text as what the column holds: a time, bytes."""
    if isinstance(expected, datetime) and shown:
        return datetime.fromisoformat(shown)
    if isinstance(expected, bytes) and shown:
        return base64.b64decode(shown)
    return shown


def _bare(value: Any) -> Any:
    """A value without what the wire leaves out: empty values, at every depth."""
    if isinstance(value, dict):
        return {key: bare for key, below in value.items() if not seed.is_zero(bare := _bare(below))} or None
    if isinstance(value, list):
        return [_bare(below) for below in value] or None
    return value or None


def _nested(path: str, value: Any) -> Any:
    for step in reversed(path.split(".")):
        value = {step: value}
    return value
