"""The bound of B06: the same page as one hand-written SQL statement, served as it comes.

`python -m benchmarks.sandbox_run_bound PORT DSN` answers GET /default/<install> and /all/<install>. The statements know the rows of
this benchmark: they write just the fields that are not empty there. There is no access check and no row-level security.
"""

# ruff: noqa: S608 - statements of constants

import asyncio
import sys
from typing import Any

import asyncpg
import uvicorn

_COMMON = "'created_by_id', {0}.created_by_id, 'org_id', {0}.org_id, 'created_at', {0}.created_at, 'updated_at', {0}.updated_at"
_BASE64 = "translate(encode({0}, 'base64'), E'\\n', '')"
_NANOSECONDS = "(extract(epoch from {0}.finished_at - {0}.started_at) * 1000000000)::bigint"


def _common(alias: str) -> str:
    return _COMMON.format(alias)


_ACCOUNT = """json_build_object('id', a.id, 'account_type', a.account_type, 'email', a.email, 'subject', a.subject,
    'user_journeys', a.user_journeys, 'created_at', a.created_at, 'updated_at', a.updated_at, {more})"""
_ROLES = f"""'roles', (select json_agg(json_build_object('id', r.id, 'createdBy', '{{}}'::json, 'role_type', r.role_type, {_common("r")},
        'policies', (select json_agg(json_build_object('id', p.id, 'name', p.name, 'permissions', p.permissions, 'role_id', p.role_id,
            {_common("p")})) from policies p where p.role_id = r.id)))
    from account_roles l join roles r on r.id = l.role_id where l.account_id = a.id),
    'org_ids', (select json_agg(l.org_id) from account_roles l where l.account_id = a.id),
    'permissions', (select p.permissions from account_roles l join policies p on p.role_id = l.role_id where l.account_id = a.id)"""

_EXECUTIONS = f"""'executions', (select json_agg(json_build_object('id', x.id, 'metadata', x.metadata, 'runner_job_id', x.runner_job_id,
        'status', x.status, {_common("x")},
        'outputs', (select json_build_object('id', o.id, 'outputs', o.outputs, 'runner_job_execution_id', o.runner_job_execution_id,
            'outputs_json', {_BASE64.format("convert_to(o.outputs::text, 'utf8')")}, {_common("o")})
            from runner_job_execution_outputs o where o.runner_job_execution_id = x.id),
        'result', (select json_build_object('id', q.id, 'contents_display_gzip', {_BASE64.format("q.contents_display")},
            'success', q.success, 'runner_job_execution_id', q.runner_job_execution_id, {_common("q")})
            from runner_job_execution_results q where q.runner_job_execution_id = x.id)) order by x.created_at desc)
    from runner_job_executions x where x.runner_job_id = j.id),"""


def _job(executions: bool) -> str:
    return f"""json_build_object('id', j.id, 'available_timeout', j.available_timeout, 'execution_count', j.execution_count,
        'execution_time', {_NANOSECONDS.format("j")}, 'execution_timeout', j.execution_timeout, {_EXECUTIONS if executions else ""}
        'final_runner_job_execution_id', j.current_execution_id, 'group', j."group", 'log_stream_id', j.log_stream_id,
        'max_executions', j.max_executions, 'metadata', j.metadata, 'operation', j.operation, 'outputs', jo.outputs,
        'outputs_json', {_BASE64.format("convert_to(jo.outputs::text, 'utf8')")}, 'owner_id', j.owner_id, 'owner_type', j.owner_type,
        'queue_timeout', j.queue_timeout, 'runner_id', j.runner_id, 'status', j.status, 'type', j.type, 'finished_at', j.finished_at,
        'started_at', j.started_at, {_common("j")})"""


_JOBS_FROM = "runner_jobs j join runner_job_execution_outputs jo on jo.runner_job_execution_id = j.current_execution_id"
_LINKS = """'links', json_build_object('ui', 'http://127.0.0.1:8081/' || w.org_id || '/installs/' || w.owner_id || '/workflows/' || w.id,
    'api', 'http://127.0.0.1:8081/v1/workflows/' || w.id {more})"""

_WORKFLOW = f"""'workflow', (select json_build_object('id', w.id, 'approval_option', w.approval_option,
        'created_by', (select doc from people where id = w.created_by_id), 'execution_time', {_NANOSECONDS.format("w")}, 'finished', true,
        'install_action_workflow_runs', '[]'::json, 'install_deploys', '[]'::json, {_LINKS.format(more="")}, 'metadata', w.metadata,
        'name', 'Reprovisioned install (' || (w.metadata->>'workflow-name-suffix') || ')', 'owner_id', w.owner_id,
        'owner_type', w.owner_type, 'plan_only', w.plan_only, 'status', w.status, 'step_error_behavior', w.step_error_behavior,
        'type', w.type, 'finished_at', w.finished_at, 'started_at', w.started_at, {_common("w")},
        'steps', (select json_agg(json_strip_nulls(json_build_object('id', s.id, 'approval',
                (select json_build_object('id', v.id, 'installWorkflowStep', '{{"created_by":{{}},"group_retry_idx":0}}'::json,
                    'installWorkflowStepID', v.install_workflow_step_id, 'owner_id', v.owner_id, 'owner_type', v.owner_type,
                    'response', (select json_build_object('id', g.id, 'type', g.type, 'note', g.note, 'created_by_id', g.created_by_id)
                        from install_workflow_step_approval_responses g where g.install_workflow_step_approval_id = v.id),
                    'runner_job', (select {_job(True)} from {_JOBS_FROM} where j.id = v.runner_job_id),
                    'runner_job_id', v.runner_job_id, 'type', v.type, 'workflow_step_id', v.install_workflow_step_id, {_common("v")})
                    from install_workflow_step_approvals v where v.install_workflow_step_id = s.id),
                'created_by', (select doc from people where id = s.created_by_id), 'execution_time', {_NANOSECONDS.format("s")},
                'execution_type', s.execution_type, 'finished', true, 'group_idx', s.group_idx, 'group_retry_idx', 0, 'idx', s.idx,
                'install_workflow_id', s.install_workflow_id, {_LINKS.format(more="|| '/steps/' || s.id")}, 'metadata', s.metadata,
                'name', s.name, 'owner_id', s.owner_id, 'owner_type', s.owner_type, 'retryable', true, 'skippable', true,
                'status', s.status, 'step_target_id', s.step_target_id, 'step_target_type', s.step_target_type,
                'workflow_id', s.install_workflow_id, 'finished_at', s.finished_at, 'started_at', s.started_at, {_common("s")}))
                order by s.group_idx, s.group_retry_idx, s.idx)
            from install_workflow_steps s where s.install_workflow_id = w.id))
    from install_workflows w where w.id = r.install_workflow_id),"""


def statement(everything: bool) -> str:
    """The page of the install $1."""
    account = _ACCOUNT.format(more=_ROLES if everything else "'org_ids', '[]'::json, 'permissions', '{}'::json")
    return f"""
    with page as materialized (select * from install_sandbox_runs where install_id = $1 and deleted_at = 0
            and status not in ('drift-detected', 'no-drift') order by created_at desc, id desc limit 10),
        people as materialized (select a.id, {account} as doc from accounts a where a.id in (select created_by_id from page)),
        configs as materialized (select c.id, json_build_object('id', c.id, 'app_config_id', c.app_config_id, 'app_id', c.app_id,
                'cloud_platform', 'aws', 'env_vars', c.env_vars, 'references', c."references", 'terraform_version', c.terraform_version,
                'refs', (select json_agg(json_build_object('type', split_part(t, '|', 1), 'name', split_part(t, '|', 2),
                    'value', split_part(t, '|', 3), 'input', split_part(t, '|', 4))) from jsonb_array_elements_text(c."references") t),
                'variables', c.variables, 'variables_files', c.variables_files, {_common("c")},
                'public_git_vcs_config', (select json_build_object('id', g.id, 'branch', g.branch, 'directory', g.directory, 'repo', g.repo,
                    'component_config_id', g.component_config_id, 'component_config_type', g.component_config_type, {_common("g")})
                    from public_git_vcs_configs g where g.component_config_id = c.id)) as doc
            from app_sandbox_configs c where c.id in (select app_sandbox_config_id from page))
    select json_agg(json_build_object('id', r.id, 'action_workflow_runs', '[]'::json,
        'app_sandbox_config', (select doc from configs where id = r.app_sandbox_config_id),
        'created_by', (select doc from people where id = r.created_by_id), 'install_id', r.install_id,
        'install_sandbox_id', r.install_sandbox_id, 'install_workflow_id', r.install_workflow_id,
        'log_stream', (select json_build_object('id', l.id, 'attrs', l.attrs, 'owner_id', l.owner_id, 'owner_type', l.owner_type,
            {_common("l")}) from log_streams l where l.owner_id = r.id),
        'outputs', (select jo.outputs from {_JOBS_FROM} where j.owner_id = r.id and j.operation = 'apply-plan'),
        'run_type', r.run_type, 'runner_jobs', (select json_agg({_job(everything)} order by j.created_at desc) from {_JOBS_FROM}
            where j.owner_id = r.id), 'status', r.status, 'status_description', r.status_description, 'status_v2', r.status_v2,
        {_WORKFLOW if everything else ""} 'workflow_id', r.install_workflow_id, {_common("r")}) order by r.created_at desc, r.id desc)::text
    from page r"""


class App:
    """Asks the database and sends what it says."""

    def __init__(self, dsn: str) -> None:
        self.dsn, self.opened = dsn, asyncio.Lock()
        self.pool: asyncpg.Pool | None = None
        self.statements = {b"default": statement(False), b"all": statement(True)}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with self.opened:
            if self.pool is None:
                self.pool = await asyncpg.create_pool(self.dsn, min_size=12, max_size=12, server_settings={"jit": "off"})
        _, depth, install = scope["raw_path"].split(b"/")
        body = (await self.pool.fetchval(self.statements[depth], install.decode())).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    port, dsn = int(sys.argv[1]), sys.argv[2]
    uvicorn.run(App(dsn), port=port, loop="uvloop", http="httptools", lifespan="off", access_log=False, log_level="error")
