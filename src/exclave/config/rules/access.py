"""What the runner may do and what a plan must not do: IAM roles, break-glass roles, policies."""

from __future__ import annotations

from exclave.config.rules.base import Section, table, tables, text, texts

IAM_POLICY = Section(
    name="iam-policy",
    doc="A policy of a role: a managed one by name, or one of the vendor's own with a name and a document.",
    keys=(
        text(
            "managed_policy_name",
            "The name of a policy that the cloud manages.",
            template="stack",
            example='"AdministratorAccess"',
        ),
        text("name", "The name of the vendor's own policy.", template="stack"),
        text("contents", "The document of the vendor's own policy, as JSON or a file.", check="json", load=True, template="stack"),
        text("gcp_predefined_role", "A predefined role of Google Cloud.", since=2026, used=False),
        texts("gcp_permissions", "Permissions of Google Cloud.", since=2026, used=False),
        texts("azure_built_in_roles", "Built-in roles of Azure.", since=2026, used=False),
        texts("azure_actions", "Actions of Azure.", since=2026, used=False),
    ),
)

_ROLE = (
    text("name", "The role's name in the customer's account.", required=True, template="stack"),
    text("description", "What the role is for.", required=True, template="stack"),
    text("display_name", "The name that people see.", template="stack"),
    text(
        "permissions_boundary",
        "The most that the role may ever do: a JSON document or a file.",
        check="json",
        load=True,
        template="stack",
    ),
    tables("policies", "What the role may do.", IAM_POLICY, required=True),
    text("cloud_platform", "The cloud of the role.", allowed=("aws", "gcp", "azure"), since=2026, used=False),
)
_TYPE = text(
    "type",
    "When the role is used; `custom` is a further role with a name of its own.",
    required=True,
    allowed=("provision", "deprovision", "maintenance", "custom"),
)

ROLE = Section(name="break-glass", doc="An IAM role.", where="break_glass/*.toml", keys=_ROLE)
BREAK_GLASS_ROLE = Section(
    name="break-glass",
    doc="An IAM role for emergencies, off until the customer switches it on.",
    where="break_glass/*.toml, [[role]] in break_glass.toml",
    keys=(*_ROLE, text("type", "Ignored: a break-glass role has no type.", since=2025)),
)
PERMISSION = Section(
    name="permission",
    doc="An IAM role that the runner may assume.",
    where="permissions/*.toml",
    keys=(_TYPE, *_ROLE),
)

NAMED_ROLE = Section(
    name="named-role",
    doc="An IAM role whose table says its type.",
    keys=(*_ROLE, text("type", "The same as the table's name says.", allowed=("provision", "deprovision", "maintenance"))),
)

PERMISSIONS = Section(
    name="permissions",
    doc="All roles in one file.",
    where="permissions.toml",
    keys=(
        table("provision_role", "The role that creates the sandbox and the components.", NAMED_ROLE),
        table("deprovision_role", "The role that removes them.", NAMED_ROLE),
        table("maintenance_role", "The role for daily work.", NAMED_ROLE),
        tables("roles", "Roles that say their type themselves.", PERMISSION),
    ),
)

BREAK_GLASS = Section(
    name="break_glass",
    doc="Roles for emergencies.",
    where="break_glass.toml",
    keys=(tables("role", "The roles.", BREAK_GLASS_ROLE),),
)

POLICY = Section(
    name="policy",
    doc="A rule that plans and manifests must keep.",
    where="policies/*.toml, [[policy]] in policies.toml",
    keys=(
        text(
            "type",
            "What the policy looks at.",
            required=True,
            allowed=(
                "kubernetes_cluster",
                "terraform_module",
                "helm_chart",
                "sandbox",
                "container_image",
                "runner_job_terraform_deploy",
                "runner_job_helm_deploy",
                "runner_job_action_workflow",
            ),
        ),
        text("engine", "The language of the policy.", allowed=("kyverno", "opa"), since=2026),
        text(
            "contents",
            "The policy: YAML for Kyverno, Rego for OPA, or the file.",
            required=True,
            check="policy",
            load=True,
            template="sandbox",
            example='"./policies/no-public-buckets.rego"',
        ),
        texts("components", 'The components it applies to, or ["*"].', since=2026),
        text("name", "A name for people.", since=2026, used=False),
    ),
)

POLICIES = Section(
    name="policies",
    doc="All policies in one file.",
    where="policies.toml",
    keys=(tables("policy", "The policies.", POLICY),),
)
