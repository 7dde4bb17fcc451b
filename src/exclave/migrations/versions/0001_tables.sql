-- The tables of the first schema. Statements are divided by empty lines.

CREATE TABLE accounts (
    email VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    account_type VARCHAR NOT NULL,
    user_journeys JSONB NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT accounts_id_length CHECK (char_length(id) = 26),
    UNIQUE (email, subject, deleted_at)
);

CREATE TABLE app_aws_iam_role_configs (
    app_config_id VARCHAR NOT NULL,
    owner_id VARCHAR(26) NOT NULL,
    owner_type VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    display_name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    permissions_boundary TEXT NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_aws_iam_role_configs_id_length CHECK (char_length(id) = 26)
);

CREATE INDEX ix_app_aws_iam_role_configs_app_config_id ON app_aws_iam_role_configs (app_config_id);

CREATE INDEX ix_app_aws_iam_role_configs_org_id ON app_aws_iam_role_configs (org_id);

CREATE INDEX ix_app_aws_iam_role_configs_owner_id ON app_aws_iam_role_configs (owner_id);

CREATE TABLE apps (
    name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    display_name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    config_repo VARCHAR NOT NULL,
    config_directory VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT apps_id_length CHECK (char_length(id) = 26),
    UNIQUE (org_id, name, deleted_at)
);

CREATE INDEX ix_apps_org_id ON apps (org_id);

CREATE TABLE audit_rows (
    action VARCHAR NOT NULL,
    object_type VARCHAR NOT NULL,
    object_id VARCHAR(26) NOT NULL,
    details JSONB NOT NULL,
    trace_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT audit_rows_id_length CHECK (char_length(id) = 26)
);

CREATE INDEX audit_rows_object ON audit_rows (object_id, created_at);

CREATE INDEX ix_audit_rows_org_id ON audit_rows (org_id);

CREATE TABLE blobs (
    digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    kind VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT blobs_id_length CHECK (char_length(id) = 26),
    UNIQUE (org_id, digest)
);

CREATE INDEX blobs_digest ON blobs (digest);

CREATE INDEX ix_blobs_org_id ON blobs (org_id);

CREATE TABLE engine_calls (
    workflow_id VARCHAR(26) NOT NULL,
    step_id VARCHAR(26) NOT NULL,
    key VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    args JSONB NOT NULL,
    state VARCHAR NOT NULL,
    due TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    tries INTEGER NOT NULL,
    value JSONB NOT NULL,
    error VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT engine_calls_id_length CHECK (char_length(id) = 26),
    UNIQUE (key)
);

CREATE INDEX engine_calls_due ON engine_calls (due) WHERE state = 'queued';

CREATE INDEX ix_engine_calls_org_id ON engine_calls (org_id);

CREATE INDEX ix_engine_calls_workflow_id ON engine_calls (workflow_id);

CREATE TABLE install_state_branches (
    install_id VARCHAR(26) NOT NULL,
    branch VARCHAR NOT NULL,
    contents BYTEA,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_state_branches_id_length CHECK (char_length(id) = 26),
    UNIQUE (install_id, branch)
);

CREATE INDEX ix_install_state_branches_org_id ON install_state_branches (org_id);

CREATE TABLE install_states (
    install_id VARCHAR(26) NOT NULL,
    version INTEGER NOT NULL,
    contents BYTEA,
    triggered_by_id VARCHAR NOT NULL,
    triggered_by_type VARCHAR NOT NULL,
    archived BOOLEAN NOT NULL,
    stale_at TIMESTAMP WITH TIME ZONE,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_states_id_length CHECK (char_length(id) = 26),
    UNIQUE (install_id, version)
);

CREATE INDEX install_states_newest ON install_states (install_id, created_at);

CREATE INDEX ix_install_states_org_id ON install_states (org_id);

CREATE TABLE install_workflows (
    owner_id VARCHAR(26) NOT NULL,
    owner_type VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    metadata JSONB NOT NULL,
    status JSONB NOT NULL,
    step_error_behavior VARCHAR NOT NULL,
    approval_option VARCHAR NOT NULL,
    plan_only BOOLEAN NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    visible BOOLEAN NOT NULL,
    state VARCHAR NOT NULL,
    serial_key VARCHAR NOT NULL,
    attempts INTEGER NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_workflows_id_length CHECK (char_length(id) = 26)
);

CREATE INDEX ix_install_workflows_org_id ON install_workflows (org_id);

CREATE INDEX workflows_active ON install_workflows (id) WHERE state <> 'finished';

CREATE INDEX workflows_newest ON install_workflows (owner_id, created_at);

CREATE UNIQUE INDEX workflows_one_running ON install_workflows (serial_key) WHERE state = 'running' and serial_key <> '';

CREATE INDEX workflows_serial ON install_workflows (serial_key, created_at) WHERE state <> 'finished' and serial_key <> '';

CREATE TABLE log_records (
    seq BIGINT GENERATED ALWAYS AS IDENTITY,
    org_id VARCHAR(26) NOT NULL,
    log_stream_id VARCHAR(26) NOT NULL,
    runner_job_execution_id VARCHAR NOT NULL,
    client_seq BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    timestamp BIGINT NOT NULL,
    severity_number INTEGER NOT NULL,
    severity_text VARCHAR NOT NULL,
    service_name VARCHAR NOT NULL,
    body VARCHAR NOT NULL,
    runner_id VARCHAR NOT NULL,
    runner_job_id VARCHAR NOT NULL,
    runner_job_execution_step VARCHAR NOT NULL,
    trace_id VARCHAR NOT NULL,
    span_id VARCHAR NOT NULL,
    scope_name VARCHAR NOT NULL,
    resource_attributes JSONB NOT NULL,
    log_attributes JSONB NOT NULL,
    PRIMARY KEY (seq),
    CONSTRAINT log_records_once UNIQUE (log_stream_id, runner_job_execution_id, client_seq)
);

CREATE INDEX log_records_stream ON log_records (log_stream_id, seq);

CREATE TABLE log_streams (
    owner_id VARCHAR(26) NOT NULL,
    owner_type VARCHAR NOT NULL,
    open BOOLEAN NOT NULL,
    attrs JSONB NOT NULL,
    parent_log_stream_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT log_streams_id_length CHECK (char_length(id) = 26)
);

CREATE INDEX ix_log_streams_org_id ON log_streams (org_id);

CREATE INDEX ix_log_streams_owner_id ON log_streams (owner_id);

CREATE TABLE notifications_configs (
    owner_id VARCHAR(26) NOT NULL,
    owner_type VARCHAR NOT NULL,
    slack_webhook_url VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT notifications_configs_id_length CHECK (char_length(id) = 26)
);

CREATE INDEX ix_notifications_configs_org_id ON notifications_configs (org_id);

CREATE INDEX ix_notifications_configs_owner_id ON notifications_configs (owner_id);

CREATE TABLE oci_artifacts (
    owner_id VARCHAR(26) NOT NULL,
    owner_type VARCHAR NOT NULL,
    tag VARCHAR NOT NULL,
    repository VARCHAR NOT NULL,
    media_type VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    urls JSONB NOT NULL,
    annotations JSONB NOT NULL,
    artifact_type VARCHAR NOT NULL,
    os VARCHAR NOT NULL,
    architecture VARCHAR NOT NULL,
    variant VARCHAR NOT NULL,
    os_version VARCHAR NOT NULL,
    os_features JSONB NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT oci_artifacts_id_length CHECK (char_length(id) = 26),
    UNIQUE (owner_type, owner_id, deleted_at)
);

CREATE INDEX ix_oci_artifacts_digest ON oci_artifacts (digest);

CREATE INDEX ix_oci_artifacts_org_id ON oci_artifacts (org_id);

CREATE TABLE org_invites (
    email VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    role_type VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT org_invites_id_length CHECK (char_length(id) = 26),
    UNIQUE (org_id, email, deleted_at)
);

CREATE INDEX ix_org_invites_org_id ON org_invites (org_id);

CREATE TABLE orgs (
    name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    sandbox_mode BOOLEAN NOT NULL,
    org_type VARCHAR NOT NULL,
    logo_url VARCHAR NOT NULL,
    features JSONB NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT orgs_id_length CHECK (char_length(id) = 26),
    UNIQUE (name, deleted_at)
);

CREATE TABLE public_git_vcs_configs (
    component_config_id VARCHAR(26) NOT NULL,
    component_config_type VARCHAR NOT NULL,
    repo VARCHAR NOT NULL,
    directory VARCHAR NOT NULL,
    branch VARCHAR NOT NULL,
    archive VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT public_git_vcs_configs_id_length CHECK (char_length(id) = 26)
);

CREATE INDEX ix_public_git_vcs_configs_component_config_id ON public_git_vcs_configs (component_config_id);

CREATE INDEX ix_public_git_vcs_configs_org_id ON public_git_vcs_configs (org_id);

CREATE TABLE runner_groups (
    owner_id VARCHAR(26) NOT NULL,
    owner_type VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    platform VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runner_groups_id_length CHECK (char_length(id) = 26),
    UNIQUE (owner_type, owner_id, deleted_at)
);

CREATE INDEX ix_runner_groups_org_id ON runner_groups (org_id);

CREATE TABLE terraform_workspaces (
    owner_id VARCHAR(26) NOT NULL,
    owner_type VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT terraform_workspaces_id_length CHECK (char_length(id) = 26),
    UNIQUE (owner_type, owner_id, deleted_at)
);

CREATE INDEX ix_terraform_workspaces_org_id ON terraform_workspaces (org_id);

CREATE TABLE vcs_connection_commits (
    vcs_connection_id VARCHAR NOT NULL,
    sha VARCHAR NOT NULL,
    author_name VARCHAR NOT NULL,
    author_email VARCHAR NOT NULL,
    message VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT vcs_connection_commits_id_length CHECK (char_length(id) = 26)
);

CREATE INDEX ix_vcs_connection_commits_org_id ON vcs_connection_commits (org_id);

CREATE INDEX ix_vcs_connection_commits_vcs_connection_id ON vcs_connection_commits (vcs_connection_id);

CREATE TABLE vcs_connections (
    github_install_id VARCHAR NOT NULL,
    github_account_id VARCHAR NOT NULL,
    github_account_name VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT vcs_connections_id_length CHECK (char_length(id) = 26),
    UNIQUE (org_id, github_install_id, deleted_at)
);

CREATE INDEX ix_vcs_connections_org_id ON vcs_connections (org_id);

CREATE TABLE wakeup (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    workflow_id VARCHAR DEFAULT '' NOT NULL,
    due TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    waited_for VARCHAR DEFAULT '' NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX wakeup_due ON wakeup (due);

CREATE INDEX wakeup_second_look ON wakeup (due) WHERE waited_for <> '';

CREATE INDEX wakeup_workflow ON wakeup (workflow_id);

CREATE TABLE action_workflows (
    app_id VARCHAR(26) NOT NULL,
    name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT action_workflows_id_length CHECK (char_length(id) = 26),
    UNIQUE (app_id, name, deleted_at),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_action_workflows_org_id ON action_workflows (org_id);

CREATE TABLE app_aws_iam_policy_configs (
    app_config_id VARCHAR NOT NULL,
    app_aws_iam_role_config_id VARCHAR(26) NOT NULL,
    name VARCHAR NOT NULL,
    managed_policy_name VARCHAR NOT NULL,
    contents TEXT NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_aws_iam_policy_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_aws_iam_role_config_id) REFERENCES app_aws_iam_role_configs (id)
);

CREATE INDEX ix_app_aws_iam_policy_configs_app_aws_iam_role_config_id ON app_aws_iam_policy_configs (app_aws_iam_role_config_id);

CREATE INDEX ix_app_aws_iam_policy_configs_org_id ON app_aws_iam_policy_configs (org_id);

CREATE TABLE app_branches (
    app_id VARCHAR(26) NOT NULL,
    name VARCHAR NOT NULL,
    connected_github_vcs_config_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_branches_id_length CHECK (char_length(id) = 26),
    UNIQUE (app_id, name, deleted_at),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_app_branches_app_id ON app_branches (app_id);

CREATE INDEX ix_app_branches_org_id ON app_branches (org_id);

CREATE TABLE app_break_glass_configs (
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_break_glass_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_app_break_glass_configs_app_config_id ON app_break_glass_configs (app_config_id);

CREATE INDEX ix_app_break_glass_configs_app_id ON app_break_glass_configs (app_id);

CREATE INDEX ix_app_break_glass_configs_org_id ON app_break_glass_configs (org_id);

CREATE TABLE app_configs (
    app_id VARCHAR(26) NOT NULL,
    version INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    state TEXT NOT NULL,
    readme TEXT NOT NULL,
    checksum VARCHAR NOT NULL,
    cli_version VARCHAR NOT NULL,
    component_ids JSONB NOT NULL,
    app_branch_id VARCHAR NOT NULL,
    vcs_connection_commit_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_configs_id_length CHECK (char_length(id) = 26),
    UNIQUE (app_id, version),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX app_configs_newest ON app_configs (app_id, created_at);

CREATE INDEX ix_app_configs_org_id ON app_configs (org_id);

CREATE TABLE app_input_configs (
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_input_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_app_input_configs_app_config_id ON app_input_configs (app_config_id);

CREATE INDEX ix_app_input_configs_app_id ON app_input_configs (app_id);

CREATE INDEX ix_app_input_configs_org_id ON app_input_configs (org_id);

CREATE TABLE app_permissions_configs (
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_permissions_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_app_permissions_configs_app_config_id ON app_permissions_configs (app_config_id);

CREATE INDEX ix_app_permissions_configs_app_id ON app_permissions_configs (app_id);

CREATE INDEX ix_app_permissions_configs_org_id ON app_permissions_configs (org_id);

CREATE TABLE app_policies_configs (
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_policies_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_app_policies_configs_app_config_id ON app_policies_configs (app_config_id);

CREATE INDEX ix_app_policies_configs_app_id ON app_policies_configs (app_id);

CREATE INDEX ix_app_policies_configs_org_id ON app_policies_configs (org_id);

CREATE TABLE app_runner_configs (
    app_runner_type VARCHAR NOT NULL,
    env_vars JSONB NOT NULL,
    helm_driver VARCHAR NOT NULL,
    init_script VARCHAR NOT NULL,
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_runner_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_app_runner_configs_app_config_id ON app_runner_configs (app_config_id);

CREATE INDEX ix_app_runner_configs_app_id ON app_runner_configs (app_id);

CREATE INDEX ix_app_runner_configs_org_id ON app_runner_configs (org_id);

CREATE TABLE app_sandbox_configs (
    terraform_version VARCHAR NOT NULL,
    variables JSONB NOT NULL,
    env_vars JSONB NOT NULL,
    variables_files JSONB NOT NULL,
    "references" JSONB NOT NULL,
    drift_schedule VARCHAR NOT NULL,
    aws_region_type VARCHAR NOT NULL,
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_sandbox_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_app_sandbox_configs_app_config_id ON app_sandbox_configs (app_config_id);

CREATE INDEX ix_app_sandbox_configs_app_id ON app_sandbox_configs (app_id);

CREATE INDEX ix_app_sandbox_configs_org_id ON app_sandbox_configs (org_id);

CREATE TABLE app_secrets (
    app_id VARCHAR(26) NOT NULL,
    name VARCHAR NOT NULL,
    length INTEGER NOT NULL,
    value BYTEA NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_secrets_id_length CHECK (char_length(id) = 26),
    UNIQUE (app_id, name, deleted_at),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_app_secrets_app_id ON app_secrets (app_id);

CREATE INDEX ix_app_secrets_org_id ON app_secrets (org_id);

CREATE TABLE app_secrets_configs (
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_secrets_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_app_secrets_configs_app_config_id ON app_secrets_configs (app_config_id);

CREATE INDEX ix_app_secrets_configs_app_id ON app_secrets_configs (app_id);

CREATE INDEX ix_app_secrets_configs_org_id ON app_secrets_configs (org_id);

CREATE TABLE app_stack_configs (
    type VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    runner_nested_template_url VARCHAR NOT NULL,
    vpc_nested_template_url VARCHAR NOT NULL,
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_stack_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_app_stack_configs_app_config_id ON app_stack_configs (app_config_id);

CREATE INDEX ix_app_stack_configs_app_id ON app_stack_configs (app_id);

CREATE INDEX ix_app_stack_configs_org_id ON app_stack_configs (org_id);

CREATE TABLE components (
    app_id VARCHAR(26) NOT NULL,
    name VARCHAR NOT NULL,
    var_name VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT components_id_length CHECK (char_length(id) = 26),
    UNIQUE (app_id, name, deleted_at),
    FOREIGN KEY(app_id) REFERENCES apps (id)
);

CREATE INDEX ix_components_app_id ON components (app_id);

CREATE INDEX ix_components_org_id ON components (org_id);

CREATE TABLE connected_github_vcs_configs (
    component_config_id VARCHAR(26) NOT NULL,
    component_config_type VARCHAR NOT NULL,
    repo VARCHAR NOT NULL,
    repo_owner VARCHAR NOT NULL,
    repo_name VARCHAR NOT NULL,
    directory VARCHAR NOT NULL,
    branch VARCHAR NOT NULL,
    vcs_connection_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT connected_github_vcs_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(vcs_connection_id) REFERENCES vcs_connections (id)
);

CREATE INDEX ix_connected_github_vcs_configs_component_config_id ON connected_github_vcs_configs (component_config_id);

CREATE INDEX ix_connected_github_vcs_configs_org_id ON connected_github_vcs_configs (org_id);

CREATE TABLE install_workflow_steps (
    install_workflow_id VARCHAR(26) NOT NULL,
    owner_id VARCHAR(26) NOT NULL,
    owner_type VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    status JSONB NOT NULL,
    state VARCHAR NOT NULL,
    idx INTEGER NOT NULL,
    group_idx INTEGER NOT NULL,
    group_retry_idx INTEGER NOT NULL,
    execution_type VARCHAR NOT NULL,
    step_target_id VARCHAR NOT NULL,
    step_target_type VARCHAR NOT NULL,
    metadata JSONB NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    retryable BOOLEAN NOT NULL,
    skippable BOOLEAN NOT NULL,
    retried BOOLEAN NOT NULL,
    kind VARCHAR NOT NULL,
    args JSONB NOT NULL,
    after JSONB NOT NULL,
    needs JSONB NOT NULL,
    applies BOOLEAN NOT NULL,
    waits_for VARCHAR NOT NULL,
    wake_at TIMESTAMP WITH TIME ZONE,
    attempt INTEGER NOT NULL,
    raised INTEGER NOT NULL,
    settling VARCHAR NOT NULL,
    error VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_workflow_steps_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_workflow_id) REFERENCES install_workflows (id)
);

CREATE INDEX ix_install_workflow_steps_org_id ON install_workflow_steps (org_id);

CREATE INDEX ix_install_workflow_steps_step_target_id ON install_workflow_steps (step_target_id);

CREATE INDEX workflow_steps_order ON install_workflow_steps (install_workflow_id, group_idx, group_retry_idx, idx);

CREATE INDEX workflow_steps_waiting ON install_workflow_steps (waits_for) WHERE waits_for <> '';

CREATE TABLE org_keys (
    org_id VARCHAR(26) NOT NULL,
    wrapped BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (org_id),
    FOREIGN KEY(org_id) REFERENCES orgs (id)
);

CREATE TABLE roles (
    org_id VARCHAR(26) NOT NULL,
    role_type VARCHAR NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT roles_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(org_id) REFERENCES orgs (id)
);

CREATE INDEX ix_roles_org_id ON roles (org_id);

CREATE TABLE runner_group_settings (
    runner_group_id VARCHAR(26) NOT NULL,
    container_image_url VARCHAR NOT NULL,
    container_image_tag VARCHAR NOT NULL,
    runner_api_url VARCHAR NOT NULL,
    sandbox_mode BOOLEAN NOT NULL,
    heart_beat_timeout BIGINT NOT NULL,
    otel_collector_config VARCHAR NOT NULL,
    enable_sentry BOOLEAN NOT NULL,
    enable_metrics BOOLEAN NOT NULL,
    enable_logging BOOLEAN NOT NULL,
    logging_level VARCHAR NOT NULL,
    groups JSONB NOT NULL,
    metadata JSONB NOT NULL,
    org_aws_iam_role_arn VARCHAR NOT NULL,
    org_k8s_service_account_name VARCHAR NOT NULL,
    local_aws_iam_role_arn VARCHAR NOT NULL,
    aws_instance_type VARCHAR NOT NULL,
    aws_max_instance_lifetime INTEGER NOT NULL,
    aws_cloudformation_stack_type VARCHAR NOT NULL,
    aws_tags JSONB NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runner_group_settings_id_length CHECK (char_length(id) = 26),
    UNIQUE (runner_group_id),
    FOREIGN KEY(runner_group_id) REFERENCES runner_groups (id)
);

CREATE INDEX ix_runner_group_settings_org_id ON runner_group_settings (org_id);

CREATE TABLE runners (
    runner_group_id VARCHAR(26) NOT NULL,
    name VARCHAR NOT NULL,
    display_name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    account_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runners_id_length CHECK (char_length(id) = 26),
    UNIQUE (runner_group_id, name, deleted_at),
    FOREIGN KEY(runner_group_id) REFERENCES runner_groups (id)
);

CREATE INDEX ix_runners_org_id ON runners (org_id);

CREATE INDEX ix_runners_runner_group_id ON runners (runner_group_id);

CREATE TABLE terraform_workspace_locks (
    workspace_id VARCHAR(26) NOT NULL,
    runner_job_id VARCHAR NOT NULL,
    runner_job_execution_id VARCHAR NOT NULL,
    lock_id VARCHAR NOT NULL,
    lock JSONB NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT terraform_workspace_locks_id_length CHECK (char_length(id) = 26),
    UNIQUE (workspace_id),
    FOREIGN KEY(workspace_id) REFERENCES terraform_workspaces (id)
);

CREATE INDEX ix_terraform_workspace_locks_org_id ON terraform_workspace_locks (org_id);

CREATE TABLE terraform_workspace_state_jsons (
    workspace_id VARCHAR(26) NOT NULL,
    runner_job_id VARCHAR NOT NULL,
    contents BYTEA NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT terraform_workspace_state_jsons_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(workspace_id) REFERENCES terraform_workspaces (id)
);

CREATE INDEX ix_terraform_workspace_state_jsons_org_id ON terraform_workspace_state_jsons (org_id);

CREATE INDEX state_jsons_newest ON terraform_workspace_state_jsons (workspace_id, created_at);

CREATE TABLE terraform_workspace_states (
    terraform_workspace_id VARCHAR(26) NOT NULL,
    runner_job_id VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    serial BIGINT NOT NULL,
    lineage VARCHAR NOT NULL,
    contents BYTEA NOT NULL,
    digest VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT terraform_workspace_states_id_length CHECK (char_length(id) = 26),
    UNIQUE (terraform_workspace_id, revision),
    FOREIGN KEY(terraform_workspace_id) REFERENCES terraform_workspaces (id)
);

CREATE INDEX ix_terraform_workspace_states_org_id ON terraform_workspace_states (org_id);

CREATE TABLE tokens (
    account_id VARCHAR(26) NOT NULL,
    token_hash BYTEA NOT NULL,
    hint VARCHAR NOT NULL,
    token_type VARCHAR NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    issuer VARCHAR NOT NULL,
    scope VARCHAR NOT NULL,
    org_id VARCHAR NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT tokens_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    UNIQUE (token_hash)
);

CREATE INDEX ix_tokens_account_id ON tokens (account_id);

CREATE TABLE account_roles (
    org_id VARCHAR(26) NOT NULL,
    account_id VARCHAR(26) NOT NULL,
    role_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT account_roles_id_length CHECK (char_length(id) = 26),
    UNIQUE (role_id, account_id, deleted_at),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    FOREIGN KEY(role_id) REFERENCES roles (id)
);

CREATE INDEX ix_account_roles_account_id ON account_roles (account_id);

CREATE INDEX ix_account_roles_org_id ON account_roles (org_id);

CREATE TABLE action_workflow_configs (
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR(26) NOT NULL,
    action_workflow_id VARCHAR(26) NOT NULL,
    timeout BIGINT NOT NULL,
    component_dependency_ids JSONB NOT NULL,
    "references" JSONB NOT NULL,
    break_glass_role_arn VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT action_workflow_configs_id_length CHECK (char_length(id) = 26),
    UNIQUE (action_workflow_id, app_config_id),
    FOREIGN KEY(app_id) REFERENCES apps (id),
    FOREIGN KEY(app_config_id) REFERENCES app_configs (id),
    FOREIGN KEY(action_workflow_id) REFERENCES action_workflows (id)
);

CREATE INDEX ix_action_workflow_configs_app_config_id ON action_workflow_configs (app_config_id);

CREATE INDEX ix_action_workflow_configs_org_id ON action_workflow_configs (org_id);

CREATE TABLE app_input_groups (
    app_input_id VARCHAR(26) NOT NULL,
    name VARCHAR NOT NULL,
    display_name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    index INTEGER NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_input_groups_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_input_id) REFERENCES app_input_configs (id)
);

CREATE INDEX ix_app_input_groups_app_input_id ON app_input_groups (app_input_id);

CREATE INDEX ix_app_input_groups_org_id ON app_input_groups (org_id);

CREATE TABLE app_inputs (
    app_input_id VARCHAR(26) NOT NULL,
    group_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    display_name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    "default" VARCHAR NOT NULL,
    required BOOLEAN NOT NULL,
    sensitive BOOLEAN NOT NULL,
    internal BOOLEAN NOT NULL,
    index INTEGER NOT NULL,
    type VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_inputs_id_length CHECK (char_length(id) = 26),
    UNIQUE (app_input_id, name),
    FOREIGN KEY(app_input_id) REFERENCES app_input_configs (id)
);

CREATE INDEX ix_app_inputs_app_input_id ON app_inputs (app_input_id);

CREATE INDEX ix_app_inputs_org_id ON app_inputs (org_id);

CREATE TABLE app_policy_configs (
    app_policies_config_id VARCHAR(26) NOT NULL,
    type VARCHAR NOT NULL,
    contents TEXT NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_policy_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_policies_config_id) REFERENCES app_policies_configs (id)
);

CREATE INDEX ix_app_policy_configs_app_policies_config_id ON app_policy_configs (app_policies_config_id);

CREATE INDEX ix_app_policy_configs_org_id ON app_policy_configs (org_id);

CREATE TABLE app_secret_configs (
    app_secrets_config_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    display_name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    required BOOLEAN NOT NULL,
    auto_generate BOOLEAN NOT NULL,
    format VARCHAR NOT NULL,
    "default" VARCHAR NOT NULL,
    kubernetes_sync BOOLEAN NOT NULL,
    kubernetes_secret_namespace VARCHAR NOT NULL,
    kubernetes_secret_name VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT app_secret_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(app_secrets_config_id) REFERENCES app_secrets_configs (id)
);

CREATE INDEX ix_app_secret_configs_app_secrets_config_id ON app_secret_configs (app_secrets_config_id);

CREATE INDEX ix_app_secret_configs_org_id ON app_secret_configs (org_id);

CREATE TABLE component_config_connections (
    component_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    type VARCHAR NOT NULL,
    component_dependency_ids JSONB NOT NULL,
    "references" JSONB NOT NULL,
    checksum VARCHAR NOT NULL,
    drift_schedule VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT component_config_connections_id_length CHECK (char_length(id) = 26),
    UNIQUE (component_id, version),
    FOREIGN KEY(component_id) REFERENCES components (id)
);

CREATE INDEX component_configs_newest ON component_config_connections (component_id, created_at);

CREATE INDEX ix_component_config_connections_app_config_id ON component_config_connections (app_config_id);

CREATE INDEX ix_component_config_connections_org_id ON component_config_connections (org_id);

CREATE TABLE component_dependencies (
    component_id VARCHAR(26) NOT NULL,
    dependency_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT component_dependencies_id_length CHECK (char_length(id) = 26),
    UNIQUE (component_id, dependency_id),
    FOREIGN KEY(component_id) REFERENCES components (id),
    FOREIGN KEY(dependency_id) REFERENCES components (id)
);

CREATE INDEX ix_component_dependencies_component_id ON component_dependencies (component_id);

CREATE INDEX ix_component_dependencies_org_id ON component_dependencies (org_id);

CREATE TABLE install_workflow_step_approvals (
    install_workflow_step_id VARCHAR(26) NOT NULL,
    owner_id VARCHAR(26) NOT NULL,
    owner_type VARCHAR NOT NULL,
    runner_job_id VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    plan_digest VARCHAR NOT NULL,
    summary JSONB NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_workflow_step_approvals_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_workflow_step_id) REFERENCES install_workflow_steps (id)
);

CREATE INDEX ix_install_workflow_step_approvals_install_workflow_step_id ON install_workflow_step_approvals (install_workflow_step_id);

CREATE INDEX ix_install_workflow_step_approvals_org_id ON install_workflow_step_approvals (org_id);

CREATE TABLE install_workflow_step_policy_validations (
    install_workflow_step_id VARCHAR(26) NOT NULL,
    runner_job_id VARCHAR NOT NULL,
    status JSONB NOT NULL,
    response VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_workflow_step_policy_validations_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_workflow_step_id) REFERENCES install_workflow_steps (id)
);

CREATE INDEX ix_install_workflow_step_policy_validations_install_wor_9a4f ON install_workflow_step_policy_validations (install_workflow_step_id);

CREATE INDEX ix_install_workflow_step_policy_validations_org_id ON install_workflow_step_policy_validations (org_id);

CREATE TABLE installs (
    name VARCHAR NOT NULL,
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR(26) NOT NULL,
    app_sandbox_config_id VARCHAR(26) NOT NULL,
    app_runner_config_id VARCHAR(26) NOT NULL,
    metadata JSONB NOT NULL,
    install_number INTEGER NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT installs_id_length CHECK (char_length(id) = 26),
    UNIQUE (app_id, name, deleted_at),
    FOREIGN KEY(app_id) REFERENCES apps (id),
    FOREIGN KEY(app_config_id) REFERENCES app_configs (id),
    FOREIGN KEY(app_sandbox_config_id) REFERENCES app_sandbox_configs (id),
    FOREIGN KEY(app_runner_config_id) REFERENCES app_runner_configs (id)
);

CREATE INDEX installs_by_name ON installs (org_id, name);

CREATE INDEX ix_installs_org_id ON installs (org_id);

CREATE TABLE policies (
    org_id VARCHAR(26) NOT NULL,
    role_id VARCHAR(26) NOT NULL,
    name VARCHAR NOT NULL,
    permissions JSONB NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT policies_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(role_id) REFERENCES roles (id)
);

CREATE INDEX ix_policies_org_id ON policies (org_id);

CREATE INDEX ix_policies_role_id ON policies (role_id);

CREATE TABLE runner_health_checks (
    runner_id VARCHAR(26) NOT NULL,
    process VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    minute TIMESTAMP WITH TIME ZONE NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runner_health_checks_id_length CHECK (char_length(id) = 26),
    UNIQUE (runner_id, process, minute),
    FOREIGN KEY(runner_id) REFERENCES runners (id)
);

CREATE INDEX ix_runner_health_checks_org_id ON runner_health_checks (org_id);

CREATE INDEX runner_health_checks_minute ON runner_health_checks (minute);

CREATE TABLE runner_heart_beats (
    runner_id VARCHAR(26) NOT NULL,
    process VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    alive_time BIGINT NOT NULL,
    beat_at TIMESTAMP WITH TIME ZONE NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runner_heart_beats_id_length CHECK (char_length(id) = 26),
    UNIQUE (runner_id, process),
    FOREIGN KEY(runner_id) REFERENCES runners (id)
);

CREATE INDEX ix_runner_heart_beats_org_id ON runner_heart_beats (org_id);

CREATE TABLE runner_jobs (
    runner_id VARCHAR(26) NOT NULL,
    owner_id VARCHAR(26) NOT NULL,
    owner_type VARCHAR NOT NULL,
    log_stream_id VARCHAR(26),
    queue_timeout BIGINT NOT NULL,
    available_timeout BIGINT NOT NULL,
    execution_timeout BIGINT NOT NULL,
    overall_timeout BIGINT NOT NULL,
    max_executions INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    "group" VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    metadata JSONB NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    step_key VARCHAR,
    serial_key VARCHAR NOT NULL,
    workspace_id VARCHAR NOT NULL,
    execution_count INTEGER NOT NULL,
    current_execution_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runner_jobs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(runner_id) REFERENCES runners (id),
    UNIQUE (step_key)
);

CREATE INDEX ix_runner_jobs_org_id ON runner_jobs (org_id);

CREATE INDEX runner_jobs_open ON runner_jobs (created_at) WHERE status in ('queued', 'available', 'in-progress');

CREATE INDEX runner_jobs_owner ON runner_jobs (owner_id, created_at);

CREATE INDEX runner_jobs_runner ON runner_jobs (runner_id, created_at);

CREATE UNIQUE INDEX runner_jobs_serial ON runner_jobs (serial_key) WHERE status = 'in-progress' and serial_key <> '';

CREATE INDEX runner_jobs_stream ON runner_jobs (log_stream_id);

CREATE INDEX runner_jobs_waiting ON runner_jobs (runner_id, "group", created_at) WHERE status = 'available';

CREATE INDEX runner_jobs_workspace ON runner_jobs (workspace_id) WHERE workspace_id <> '';

CREATE TABLE runner_operations (
    runner_id VARCHAR(26) NOT NULL,
    operation_type VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runner_operations_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(runner_id) REFERENCES runners (id)
);

CREATE INDEX ix_runner_operations_org_id ON runner_operations (org_id);

CREATE INDEX ix_runner_operations_runner_id ON runner_operations (runner_id);

CREATE TABLE action_workflow_step_configs (
    name VARCHAR NOT NULL,
    idx INTEGER NOT NULL,
    previous_step_id VARCHAR NOT NULL,
    "references" JSONB NOT NULL,
    env_vars JSONB NOT NULL,
    command TEXT NOT NULL,
    inline_contents TEXT NOT NULL,
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR(26) NOT NULL,
    action_workflow_config_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT action_workflow_step_configs_id_length CHECK (char_length(id) = 26),
    UNIQUE (action_workflow_config_id, name),
    FOREIGN KEY(action_workflow_config_id) REFERENCES action_workflow_configs (id)
);

CREATE INDEX ix_action_workflow_step_configs_action_workflow_config_id ON action_workflow_step_configs (action_workflow_config_id);

CREATE INDEX ix_action_workflow_step_configs_app_config_id ON action_workflow_step_configs (app_config_id);

CREATE INDEX ix_action_workflow_step_configs_org_id ON action_workflow_step_configs (org_id);

CREATE TABLE action_workflow_trigger_configs (
    type VARCHAR NOT NULL,
    index INTEGER NOT NULL,
    cron_schedule VARCHAR NOT NULL,
    component_id VARCHAR NOT NULL,
    app_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR(26) NOT NULL,
    action_workflow_config_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT action_workflow_trigger_configs_id_length CHECK (char_length(id) = 26),
    UNIQUE (action_workflow_config_id, type, component_id),
    FOREIGN KEY(action_workflow_config_id) REFERENCES action_workflow_configs (id)
);

CREATE INDEX ix_action_workflow_trigger_configs_action_workflow_config_id ON action_workflow_trigger_configs (action_workflow_config_id);

CREATE INDEX ix_action_workflow_trigger_configs_app_config_id ON action_workflow_trigger_configs (app_config_id);

CREATE INDEX ix_action_workflow_trigger_configs_org_id ON action_workflow_trigger_configs (org_id);

CREATE TABLE aws_accounts (
    region VARCHAR NOT NULL,
    iam_role_arn VARCHAR NOT NULL,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT aws_accounts_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX ix_aws_accounts_install_id ON aws_accounts (install_id);

CREATE INDEX ix_aws_accounts_org_id ON aws_accounts (org_id);

CREATE TABLE azure_accounts (
    location VARCHAR NOT NULL,
    subscription_id VARCHAR NOT NULL,
    subscription_tenant_id VARCHAR NOT NULL,
    service_principal_app_id VARCHAR NOT NULL,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT azure_accounts_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX ix_azure_accounts_install_id ON azure_accounts (install_id);

CREATE INDEX ix_azure_accounts_org_id ON azure_accounts (org_id);

CREATE TABLE component_builds (
    component_id VARCHAR(26) NOT NULL,
    component_config_connection_id VARCHAR(26) NOT NULL,
    vcs_connection_commit_id VARCHAR NOT NULL,
    git_ref VARCHAR NOT NULL,
    checksum VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    status_v2 JSONB NOT NULL,
    workflow_id VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT component_builds_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(component_id) REFERENCES components (id),
    FOREIGN KEY(component_config_connection_id) REFERENCES component_config_connections (id)
);

CREATE INDEX component_builds_newest ON component_builds (component_id, created_at);

CREATE INDEX ix_component_builds_component_config_connection_id ON component_builds (component_config_connection_id);

CREATE INDEX ix_component_builds_org_id ON component_builds (org_id);

CREATE TABLE docker_build_component_configs (
    dockerfile VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    build_args JSONB NOT NULL,
    env_vars JSONB NOT NULL,
    component_config_connection_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT docker_build_component_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(component_config_connection_id) REFERENCES component_config_connections (id)
);

CREATE INDEX ix_docker_build_component_configs_component_config_conn_d215 ON docker_build_component_configs (component_config_connection_id);

CREATE INDEX ix_docker_build_component_configs_org_id ON docker_build_component_configs (org_id);

CREATE TABLE external_image_component_configs (
    image_url VARCHAR NOT NULL,
    tag VARCHAR NOT NULL,
    aws_ecr_image_config JSONB,
    component_config_connection_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT external_image_component_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(component_config_connection_id) REFERENCES component_config_connections (id)
);

CREATE INDEX ix_external_image_component_configs_component_config_co_0457 ON external_image_component_configs (component_config_connection_id);

CREATE INDEX ix_external_image_component_configs_org_id ON external_image_component_configs (org_id);

CREATE TABLE helm_component_configs (
    chart_name VARCHAR NOT NULL,
    values JSONB NOT NULL,
    values_files JSONB NOT NULL,
    namespace VARCHAR NOT NULL,
    storage_driver VARCHAR NOT NULL,
    take_ownership BOOLEAN NOT NULL,
    helm_repo_config JSONB,
    component_config_connection_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT helm_component_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(component_config_connection_id) REFERENCES component_config_connections (id)
);

CREATE INDEX ix_helm_component_configs_component_config_connection_id ON helm_component_configs (component_config_connection_id);

CREATE INDEX ix_helm_component_configs_org_id ON helm_component_configs (org_id);

CREATE TABLE install_action_workflows (
    action_workflow_id VARCHAR(26) NOT NULL,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_action_workflows_id_length CHECK (char_length(id) = 26),
    UNIQUE (install_id, action_workflow_id, deleted_at),
    FOREIGN KEY(action_workflow_id) REFERENCES action_workflows (id),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX ix_install_action_workflows_install_id ON install_action_workflows (install_id);

CREATE INDEX ix_install_action_workflows_org_id ON install_action_workflows (org_id);

CREATE TABLE install_components (
    component_id VARCHAR(26) NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    status_v2 JSONB NOT NULL,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_components_id_length CHECK (char_length(id) = 26),
    UNIQUE (install_id, component_id),
    FOREIGN KEY(component_id) REFERENCES components (id),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX ix_install_components_install_id ON install_components (install_id);

CREATE INDEX ix_install_components_org_id ON install_components (org_id);

CREATE TABLE install_configs (
    approval_option VARCHAR NOT NULL,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX ix_install_configs_install_id ON install_configs (install_id);

CREATE INDEX ix_install_configs_org_id ON install_configs (org_id);

CREATE TABLE install_inputs (
    app_input_config_id VARCHAR(26) NOT NULL,
    values JSONB NOT NULL,
    sealed BYTEA,
    redacted_values JSONB NOT NULL,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_inputs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX install_inputs_newest ON install_inputs (install_id, created_at);

CREATE INDEX ix_install_inputs_install_id ON install_inputs (install_id);

CREATE INDEX ix_install_inputs_org_id ON install_inputs (org_id);

CREATE TABLE install_sandboxes (
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    status_v2 JSONB NOT NULL,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_sandboxes_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX ix_install_sandboxes_install_id ON install_sandboxes (install_id);

CREATE INDEX ix_install_sandboxes_org_id ON install_sandboxes (org_id);

CREATE TABLE install_stacks (
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_stacks_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX ix_install_stacks_install_id ON install_stacks (install_id);

CREATE INDEX ix_install_stacks_org_id ON install_stacks (org_id);

CREATE TABLE install_workflow_step_approval_responses (
    install_workflow_step_approval_id VARCHAR(26) NOT NULL,
    type VARCHAR NOT NULL,
    note VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_workflow_step_approval_responses_id_length CHECK (char_length(id) = 26),
    UNIQUE (install_workflow_step_approval_id),
    FOREIGN KEY(install_workflow_step_approval_id) REFERENCES install_workflow_step_approvals (id)
);

CREATE INDEX ix_install_workflow_step_approval_responses_org_id ON install_workflow_step_approval_responses (org_id);

CREATE TABLE job_component_configs (
    image_url VARCHAR NOT NULL,
    tag VARCHAR NOT NULL,
    cmd JSONB NOT NULL,
    args JSONB NOT NULL,
    env_vars JSONB NOT NULL,
    component_config_connection_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT job_component_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(component_config_connection_id) REFERENCES component_config_connections (id)
);

CREATE INDEX ix_job_component_configs_component_config_connection_id ON job_component_configs (component_config_connection_id);

CREATE INDEX ix_job_component_configs_org_id ON job_component_configs (org_id);

CREATE TABLE kubernetes_manifest_component_configs (
    manifest TEXT NOT NULL,
    namespace VARCHAR NOT NULL,
    component_config_connection_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT kubernetes_manifest_component_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(component_config_connection_id) REFERENCES component_config_connections (id)
);

CREATE INDEX ix_kubernetes_manifest_component_configs_component_conf_79ee ON kubernetes_manifest_component_configs (component_config_connection_id);

CREATE INDEX ix_kubernetes_manifest_component_configs_org_id ON kubernetes_manifest_component_configs (org_id);

CREATE TABLE runner_job_executions (
    runner_job_id VARCHAR(26) NOT NULL,
    status VARCHAR NOT NULL,
    metadata JSONB NOT NULL,
    epoch INTEGER NOT NULL,
    process VARCHAR NOT NULL,
    leased_until TIMESTAMP WITH TIME ZONE,
    renewed_by VARCHAR NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    ended_by VARCHAR NOT NULL,
    runner_id VARCHAR(26) NOT NULL,
    claim_key VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runner_job_executions_id_length CHECK (char_length(id) = 26),
    UNIQUE (runner_job_id, epoch),
    FOREIGN KEY(runner_job_id) REFERENCES runner_jobs (id)
);

CREATE INDEX executions_leased ON runner_job_executions (leased_until) WHERE leased_until is not null;

CREATE INDEX executions_of_runner ON runner_job_executions (runner_id) WHERE leased_until is not null;

CREATE UNIQUE INDEX executions_once ON runner_job_executions (runner_id, claim_key) WHERE claim_key <> '';

CREATE INDEX ix_runner_job_executions_org_id ON runner_job_executions (org_id);

CREATE TABLE runner_job_plans (
    runner_job_id VARCHAR(26) NOT NULL,
    plan BYTEA NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runner_job_plans_id_length CHECK (char_length(id) = 26),
    UNIQUE (runner_job_id),
    FOREIGN KEY(runner_job_id) REFERENCES runner_jobs (id)
);

CREATE INDEX ix_runner_job_plans_org_id ON runner_job_plans (org_id);

CREATE TABLE terraform_module_component_configs (
    version VARCHAR NOT NULL,
    variables JSONB NOT NULL,
    variables_files JSONB NOT NULL,
    env_vars JSONB NOT NULL,
    component_config_connection_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT terraform_module_component_configs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(component_config_connection_id) REFERENCES component_config_connections (id)
);

CREATE INDEX ix_terraform_module_component_configs_component_config__84c5 ON terraform_module_component_configs (component_config_connection_id);

CREATE INDEX ix_terraform_module_component_configs_org_id ON terraform_module_component_configs (org_id);

CREATE TABLE install_action_workflow_runs (
    install_action_workflow_id VARCHAR(26) NOT NULL,
    action_workflow_config_id VARCHAR(26) NOT NULL,
    trigger_type VARCHAR NOT NULL,
    triggered_by_id VARCHAR NOT NULL,
    triggered_by_type VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    status_v2 JSONB NOT NULL,
    run_env_vars JSONB NOT NULL,
    install_workflow_id VARCHAR(26),
    sandbox_run_id VARCHAR NOT NULL,
    step_key VARCHAR,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_action_workflow_runs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_action_workflow_id) REFERENCES install_action_workflows (id),
    FOREIGN KEY(action_workflow_config_id) REFERENCES action_workflow_configs (id),
    UNIQUE (step_key),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX action_runs_newest ON install_action_workflow_runs (install_action_workflow_id, created_at);

CREATE INDEX ix_install_action_workflow_runs_install_id ON install_action_workflow_runs (install_id);

CREATE INDEX ix_install_action_workflow_runs_install_workflow_id ON install_action_workflow_runs (install_workflow_id);

CREATE INDEX ix_install_action_workflow_runs_org_id ON install_action_workflow_runs (org_id);

CREATE INDEX ix_install_action_workflow_runs_sandbox_run_id ON install_action_workflow_runs (sandbox_run_id);

CREATE TABLE install_deploys (
    build_id VARCHAR(26) NOT NULL,
    install_component_id VARCHAR(26) NOT NULL,
    component_id VARCHAR(26) NOT NULL,
    release_id VARCHAR NOT NULL,
    install_deploy_type VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    status_v2 JSONB NOT NULL,
    install_workflow_id VARCHAR NOT NULL,
    plan_only BOOLEAN NOT NULL,
    plan_job_id VARCHAR NOT NULL,
    plan_digest VARCHAR NOT NULL,
    step_key VARCHAR,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_deploys_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(build_id) REFERENCES component_builds (id),
    FOREIGN KEY(install_component_id) REFERENCES install_components (id),
    FOREIGN KEY(component_id) REFERENCES components (id),
    UNIQUE (step_key),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX install_deploys_component ON install_deploys (install_component_id, created_at);

CREATE INDEX install_deploys_newest ON install_deploys (install_id, created_at);

CREATE INDEX ix_install_deploys_install_id ON install_deploys (install_id);

CREATE INDEX ix_install_deploys_install_workflow_id ON install_deploys (install_workflow_id);

CREATE INDEX ix_install_deploys_org_id ON install_deploys (org_id);

CREATE TABLE install_sandbox_runs (
    run_type VARCHAR NOT NULL,
    install_sandbox_id VARCHAR(26) NOT NULL,
    install_workflow_id VARCHAR NOT NULL,
    app_sandbox_config_id VARCHAR(26) NOT NULL,
    status VARCHAR NOT NULL,
    status_description VARCHAR NOT NULL,
    status_v2 JSONB NOT NULL,
    plan_job_id VARCHAR NOT NULL,
    plan_digest VARCHAR NOT NULL,
    step_key VARCHAR,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_sandbox_runs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_sandbox_id) REFERENCES install_sandboxes (id),
    FOREIGN KEY(app_sandbox_config_id) REFERENCES app_sandbox_configs (id),
    UNIQUE (step_key),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX ix_install_sandbox_runs_install_id ON install_sandbox_runs (install_id);

CREATE INDEX ix_install_sandbox_runs_install_workflow_id ON install_sandbox_runs (install_workflow_id);

CREATE INDEX ix_install_sandbox_runs_org_id ON install_sandbox_runs (org_id);

CREATE INDEX sandbox_runs_newest ON install_sandbox_runs (install_id, created_at, id);

CREATE TABLE install_stack_outputs (
    install_stack_id VARCHAR(26) NOT NULL,
    install_version_run_id VARCHAR NOT NULL,
    data JSONB NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_stack_outputs_id_length CHECK (char_length(id) = 26),
    UNIQUE (install_stack_id),
    FOREIGN KEY(install_stack_id) REFERENCES install_stacks (id)
);

CREATE INDEX ix_install_stack_outputs_org_id ON install_stack_outputs (org_id);

CREATE TABLE install_stack_versions (
    install_stack_id VARCHAR(26) NOT NULL,
    app_config_id VARCHAR(26) NOT NULL,
    composite_status JSONB NOT NULL,
    contents BYTEA,
    checksum VARCHAR NOT NULL,
    template_url VARCHAR NOT NULL,
    phone_home_id VARCHAR NOT NULL,
    phone_home_url VARCHAR NOT NULL,
    aws_bucket_name VARCHAR NOT NULL,
    aws_bucket_key VARCHAR NOT NULL,
    quick_link_url VARCHAR NOT NULL,
    install_id VARCHAR(26) NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_stack_versions_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_stack_id) REFERENCES install_stacks (id),
    FOREIGN KEY(install_id) REFERENCES installs (id)
);

CREATE INDEX ix_install_stack_versions_install_id ON install_stack_versions (install_id);

CREATE INDEX ix_install_stack_versions_install_stack_id ON install_stack_versions (install_stack_id);

CREATE INDEX ix_install_stack_versions_org_id ON install_stack_versions (org_id);

CREATE TABLE runner_job_execution_outputs (
    runner_job_execution_id VARCHAR(26) NOT NULL,
    outputs JSON NOT NULL,
    sealed BYTEA,
    body_digest VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runner_job_execution_outputs_id_length CHECK (char_length(id) = 26),
    UNIQUE (runner_job_execution_id),
    FOREIGN KEY(runner_job_execution_id) REFERENCES runner_job_executions (id)
);

CREATE INDEX ix_runner_job_execution_outputs_org_id ON runner_job_execution_outputs (org_id);

CREATE TABLE runner_job_execution_results (
    runner_job_execution_id VARCHAR(26) NOT NULL,
    success BOOLEAN NOT NULL,
    error_code INTEGER NOT NULL,
    error_metadata JSONB,
    contents BYTEA,
    contents_digest VARCHAR NOT NULL,
    contents_display BYTEA,
    body_digest VARCHAR NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runner_job_execution_results_id_length CHECK (char_length(id) = 26),
    UNIQUE (runner_job_execution_id),
    FOREIGN KEY(runner_job_execution_id) REFERENCES runner_job_executions (id)
);

CREATE INDEX ix_runner_job_execution_results_org_id ON runner_job_execution_results (org_id);

CREATE TABLE install_action_workflow_run_steps (
    install_action_workflow_run_id VARCHAR(26) NOT NULL,
    step_id VARCHAR(26) NOT NULL,
    idx INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    execution_duration BIGINT NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_action_workflow_run_steps_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_action_workflow_run_id) REFERENCES install_action_workflow_runs (id),
    FOREIGN KEY(step_id) REFERENCES action_workflow_step_configs (id)
);

CREATE INDEX ix_install_action_workflow_run_steps_install_action_wor_ba30 ON install_action_workflow_run_steps (install_action_workflow_run_id);

CREATE INDEX ix_install_action_workflow_run_steps_org_id ON install_action_workflow_run_steps (org_id);

CREATE TABLE install_stack_version_runs (
    install_stack_version_id VARCHAR(26) NOT NULL,
    data JSONB NOT NULL,
    org_id VARCHAR(26) NOT NULL,
    id VARCHAR(26) NOT NULL,
    created_by_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT install_stack_version_runs_id_length CHECK (char_length(id) = 26),
    FOREIGN KEY(install_stack_version_id) REFERENCES install_stack_versions (id)
);

CREATE INDEX ix_install_stack_version_runs_install_stack_version_id ON install_stack_version_runs (install_stack_version_id);

CREATE INDEX ix_install_stack_version_runs_org_id ON install_stack_version_runs (org_id);
