"""The rows that B06 reads: orgs, installs, sandbox runs with two jobs and a workflow of 8 steps each, made by `generate_series`."""

# ruff: noqa: S608 - statements of constants

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from exclave.kit import crypto
from exclave.kit.postgres import Cluster

TOKEN = "tok-of-the-benchmark"
STEPS = 8

_STATUS = """jsonb_build_object('created_by_id', {by}, 'created_at_ts', 1767312245, 'status', '{word}',
    'status_human_description', 'finished as planned', 'metadata', jsonb_build_object('detail', 'active'),
    'history', jsonb_build_array(
        jsonb_build_object('created_by_id', {by}, 'created_at_ts', 1767312240, 'status', 'queued', 'status_human_description', 'wait'),
        jsonb_build_object('created_by_id', {by}, 'created_at_ts', 1767312242, 'status', 'applying', 'status_human_description', 'run')))"""
_OUTPUTS = (
    """{"region": "eu-west-3", "zones": ["eu-west-3a", "eu-west-3b"], "cluster": {"name": "one", "size": 3, "cost": 1.50, "tags": null}}"""
)


def _id(prefix: str, number: str) -> str:
    return f"'{prefix}' || lpad(({number})::text, 23, '0')"


@dataclass(frozen=True)
class _Row:
    """One row per member of the series, with a time that grows with its number; `columns`: name -> SQL."""

    table: str
    prefix: str
    number: str
    series: str
    columns: dict[str, str]

    def insert(self, required: Mapping[str, str]) -> str:
        """The statement. What the table requires and nobody gave is empty."""
        at = f"timestamptz '2026-01-01 00:00:00+00' + make_interval(secs => {self.number})"
        always = {
            "id": _id(self.prefix, self.number),
            "created_at": at,
            "updated_at": f"{at} + interval '7 seconds'",
            "created_by_id": _id("acc", "org"),
        }
        columns = {**required, **always, **self.columns}
        names = ", ".join(f'"{name}"' for name in columns)
        return f'insert into "{self.table}" ({names}) select {", ".join(columns.values())} from {self.series}'


def _row(table: str, prefix: str, number: str, series: str, **columns: str) -> _Row:
    return _Row(table, prefix, number, series, columns)


_EMPTY = {"jsonb": "'{}'", "json": "'{}'", "integer": "0", "bigint": "0", "boolean": "false", "bytea": "''"}
_REQUIRED = """select column_name, data_type from information_schema.columns
    where table_name = $1 and is_nullable = 'NO' and column_default is null"""


async def fill(cluster: Cluster, *, installs: int, runs: int, orgs: int) -> None:
    """Make so many installs in so many orgs, and so many runs spread over the installs; then gather statistics."""
    dsn = cluster.engine_url.replace("+asyncpg", "")
    connection = await asyncpg.connect(dsn)
    try:
        for row in _rows(installs, runs, orgs):
            required = {name: _EMPTY.get(kind, "''") for name, kind in await connection.fetch(_REQUIRED, row.table)}
            await connection.execute(row.insert(required))
        await connection.execute(
            "insert into tokens (id, account_id, token_hash, hint, token_type, expires_at, issued_at, issuer, scope, org_id, created_by_id,"
            f" created_at, updated_at) select {_id('tok', '1')}, {_id('acc', '1')}, $1, 'tok', 'nuon', now() + interval '1 day', now(),"
            " 'bench', '', '', '', now(), now()",
            crypto.token_hash(TOKEN),
        )
    finally:
        await connection.close()
    owner = await asyncpg.connect(cluster.owner_url.replace("+asyncpg", ""))
    try:
        await owner.execute("vacuum analyze")
    finally:
        await owner.close()


def _rows(installs: int, runs: int, orgs: int) -> list[_Row]:
    of_org = f"(select n, n as org, {_id('org', 'n')} as org_id from generate_series(1, {orgs}) n) s"
    of_install = f"(select n, 1 + n % {orgs} as org, {_id('org', f'1 + n % {orgs}')} as org_id from generate_series(1, {installs}) n) s"
    # Runs of one install are spread over the whole series, as they are over time.
    runs_of = (
        f"(select n, i, k, 1 + i % {orgs} as org, {_id('org', f'1 + i % {orgs}')} as org_id from generate_series(1, {runs}) n,"
        f" lateral (select 1 + n % {installs} as i) x, generate_series(1, {{each}}) k) s"
    )
    of_run, of_step, of_job = (runs_of.format(each=each) for each in (1, STEPS, 2))
    job, step = "n * 2 + k", f"n * {STEPS} + k"
    by = _id("acc", "org")
    success, approved = (_STATUS.format(by=by, word=word) for word in ("success", "approved"))
    ends = "timestamptz '2026-01-01 00:00:00+00' + make_interval(secs => {0})"
    org = {"org_id": "org_id"}
    app = {"app_id": _id("app", "org"), "app_config_id": _id("apc", "org"), **org}
    of_installs = {"owner_id": _id("inl", "i"), "owner_type": "'installs'", **org}
    journeys = """'[{"name": "evaluation", "title": "Getting started", "steps": [{"name": "account_created", "title": "Make an account",
        "complete": true, "completed_at": "2026-01-01T00:00:00Z"}, {"name": "org_created", "title": "Make an org", "complete": true}]}]'"""
    return [
        _row("accounts", "acc", "n", of_org, email="'a' || n || '@example.com'", subject="'s' || n", account_type="'auth0'",
             user_journeys=journeys),
        _row("orgs", "org", "n", of_org, name="'org ' || n", status="'active'",
             org_type="'default'",),
        _row("roles", "rol", "n", of_org, role_type="'org_admin'", **org),
        _row("policies", "acp", "n", of_org, role_id=_id("rol", "n"), name="'org_admin'",
             permissions=f"jsonb_build_object({_id('org', 'n')}, 'all')", **org),
        _row("account_roles", "acr", "n", of_org, account_id=_id("acc", "n"), role_id=_id("rol", "n"), **org),
        _row("apps", "app", "n", of_org, name="'app'", status="'active'", **org),
        _row("app_configs", "apc", "n", of_org, app_id=_id("app", "n"), version="3", status="'active'", component_ids="'[]'", **org),
        _row("app_sandbox_configs", "asc", "n", of_org, terraform_version="'1.11.3'", variables="'{\"region\": \"eu-west-3\"}'",
             env_vars="'{\"TF_LOG\": \"info\"}'", variables_files="'[]'",
             references="'[\"inputs|region||.nuon.inputs.inputs.region\"]'", **app),
        _row("app_runner_configs", "arc", "n", of_org, app_runner_type="'aws-ecs'",
             **app),
        _row("public_git_vcs_configs", "vcs", "n", of_org, component_config_id=_id("asc", "n"), repo="'acme/infra'",
             component_config_type="'app_sandbox_configs'", directory="'sandbox'", branch="'main'", **org),
        _row("installs", "inl", "n", of_install, name="'install ' || n", app_sandbox_config_id=_id("asc", "org"),
             app_runner_config_id=_id("arc", "org"), install_number="n", **app),
        _row("install_sandboxes", "isb", "n", of_install, install_id=_id("inl", "n"), status="'active'", **org),
        _row("runner_groups", "rgr", "n", of_install, owner_id=_id("inl", "n"), owner_type="'installs'", type="'install'",
             platform="'aws-ecs'", **org),
        _row("runners", "run", "n", of_install, runner_group_id=_id("rgr", "n"), name="'default'", display_name="'default'",
             status="'active'", **org),
        _row("install_workflows", "inw", "n", of_run, type="'reprovision'", metadata="'{\"workflow-name-suffix\": \"weekly\"}'",
             status=success, step_error_behavior="'abort'", approval_option="'prompt'",
             started_at=ends.format("n"), finished_at=ends.format("n + 60"), visible="true", state="'finished'", **of_installs),
        _row("install_sandbox_runs", "sbr", "n", of_run, install_id=_id("inl", "i"), run_type="'reprovision'",
             install_sandbox_id=_id("isb", "i"), install_workflow_id=_id("inw", "n"), app_sandbox_config_id=_id("asc", "org"),
             status="'active'", status_description="'applied'", status_v2=success, **org),
        _row("log_streams", "log", "n", of_run, owner_id=_id("sbr", "n"), owner_type="'install_sandbox_runs'", **org),
        _row("install_workflow_steps", "iws", step, of_step, install_workflow_id=_id("inw", "n"), name="'step ' || k", status=approved,
             state="'done'", idx="k", group_idx="k", execution_type="'system'", step_target_id=_id("sbr", "n"),
             step_target_type="'install_sandbox_runs'", started_at=ends.format("n"), finished_at=ends.format("n + k"),
             retryable="true", skippable="true", kind="'sandbox.plan'", after="'[]'", needs="'[]'", attempt="1", **of_installs),
        _row("runner_jobs", "job", job, of_job, runner_id=_id("run", "i"), owner_id=_id("sbr", "n"), owner_type="'install_sandbox_runs'",
             log_stream_id=_id("log", "n"), queue_timeout="86400000000000", available_timeout="30000000000",
             execution_timeout="300000000000", max_executions="1", status="'finished'",
             type="'sandbox-terraform'", group="'sandbox'", operation="case k when 1 then 'create-apply-plan' else 'apply-plan' end",
             started_at=ends.format("n"), finished_at=ends.format("n + k"), execution_count="1",
             current_execution_id=_id("exe", job), **org),
        _row("runner_job_executions", "exe", job, of_job, runner_job_id=_id("job", job), status="'finished'", epoch="1",
             process="'p'", renewed_by="'lease'", ended_by="'runner'", runner_id=_id("run", "i"), **org),
        _row("runner_job_execution_results", "res", job, of_job, runner_job_execution_id=_id("exe", job), success="true",
             contents="decode(repeat('ab', 2000), 'hex')", contents_digest="'sha256:x'",
             contents_display="decode(repeat('cd', 300), 'hex')", **org),
        _row("runner_job_execution_outputs", "out", job, of_job, runner_job_execution_id=_id("exe", job),
             outputs=f"case k when 1 then '{{}}' else '{_OUTPUTS}' end::json", **org),
        _row("install_workflow_step_approvals", "waa", "n", of_run, install_workflow_step_id=_id("iws", f"n * {STEPS} + 3"),
             owner_id=_id("sbr", "n"), owner_type="'install_sandbox_runs'", runner_job_id=_id("job", "n * 2 + 1"),
             type="'terraform_plan'", **org),
        _row("install_workflow_step_approval_responses", "war", "n", of_run, install_workflow_step_approval_id=_id("waa", "n"),
             type="'approve'", note="'looks good'", **org),
    ]  # fmt: skip
