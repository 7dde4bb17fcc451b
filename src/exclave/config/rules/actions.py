"""What runs inside an install on demand or on an event: actions and runbooks."""

from __future__ import annotations

from exclave.config.rules.base import Section, flag, mapping, number, tables, text, texts
from exclave.config.rules.sources import SOURCES

COMPONENT_TRIGGERS = ("pre-deploy-component", "post-deploy-component", "pre-teardown-component", "post-teardown-component")
TRIGGERS = (
    "manual",
    "cron",
    *COMPONENT_TRIGGERS,
    *(
        f"{when}-{what}"
        for what in (
            "provision",
            "reprovision",
            "deprovision",
            "deploy-all-components",
            "teardown-all-components",
            "deprovision-sandbox",
            "reprovision-sandbox",
            "update-inputs",
            "secrets-sync",
        )
        for when in ("pre", "post")
    ),
    "role-enabled",
    "role-disabled",
)
TRIGGER_ALIASES = {"pre-component-deploy": "pre-deploy-component", "post-component-deploy": "post-deploy-component"}
UNUSED_TRIGGERS = ("role-enabled", "role-disabled")
REFUSED_TRIGGERS = ("pre-secrets-sync", "post-secrets-sync")

TRIGGER = Section(
    name="triggers",
    doc="When an action runs.",
    keys=(
        text("type", "The event.", required=True, allowed=TRIGGERS, aliases=TRIGGER_ALIASES, example='"manual"'),
        text("cron_schedule", "When: a cron expression.", former=("schedule",), check="cron", example='"0 2 * * *"'),
        text("component_name", "The component whose deploy or teardown is meant."),
        number("index", "The place among the actions of the same event."),
    ),
)

STEP = Section(
    name="steps",
    doc="A step of an action.",
    keys=(
        text("name", "The step's name.", required=True),
        text("command", "A command to run in the repository.", template="action", example='"./restart.sh"'),
        text("inline_contents", "A script, or the file.", load=True, template="action", example='"./scripts/restart.sh"'),
        mapping("env_vars", "Environment variables of the step.", template="action"),
        *SOURCES,
        flag("enable_kube_config", "Whether the step gets access to the cluster.", since=2026),
    ),
)

RUN_INPUT = Section(
    name="run-input",
    doc="A value that is asked for when an action is run by hand.",
    since=2026,
    keys=(
        text("name", "The name, used as `.action.inputs.<name>`.", required=True),
        text("display_name", "The name that people see."),
        text("description", "What the value is for."),
        flag("required", "Whether a value must be given."),
        text("type", "The kind of value.", default="string"),
        text("default", "The value when none is given."),
    ),
)

ACTION = Section(
    name="action",
    doc="A script that runs inside an install.",
    where="actions/*.toml",
    keys=(
        text("name", "The name, unique in the app.", required=True, pattern=r"[^/\s]+( [^/\s]+)*"),
        text("timeout", "How long a run may take, one hour at most.", required=True, check="duration", example='"5m"'),
        texts("dependencies", "Components that must exist; those named in templates are added."),
        text("break_glass_role", "The break-glass role that the run assumes.", template="action"),
        tables("triggers", "When the action runs.", TRIGGER, required=True),
        tables("steps", "What the action does, one after the other.", STEP, required=True),
        text("description", "What the action does.", since=2026),
        mapping("labels", "Free labels.", since=2026, used=False),
        text("label", "The text of its button.", since=2026, used=False),
        text("role", "The IAM role that the run assumes: its full name or its type.", template="action", since=2026),
        flag("enable_kube_config", "Whether the run gets access to the cluster.", since=2026),
        text("kubernetes_context", "The cluster to use, of those in kubernetes_contexts.toml.", since=2026, used=False),
        tables("inputs", "Values that are asked for when the action is run by hand.", RUN_INPUT, since=2026),
    ),
)

RUNBOOK_STEP = Section(
    name="runbook-steps",
    doc="A step of a runbook: an action, a deploy, or a script of its own.",
    since=2026,
    keys=(
        text("name", "The step's name.", required=True),
        text(
            "type",
            "What the step does.",
            allowed=("action", "component_deploy", "component_teardown", "sandbox_deprovision", "sandbox_reprovision", "inline"),
        ),
        text("action_name", "The action to run."),
        text("component_name", "The component to deploy."),
        text("command", "A command to run.", template="action"),
        text("inline_contents", "A script, or the file.", load=True, template="action"),
        mapping("env_vars", "Environment variables of the step.", template="action"),
        text("timeout", "How long the step may take.", check="duration"),
        text("role", "The IAM role of the step.", template="action"),
        text("description", "What the step does."),
        flag("enable_kube_config", "Whether the step gets access to the cluster."),
    ),
)

RUNBOOK = Section(
    name="runbook",
    doc="An ordered procedure of actions and deploys.",
    where="runbooks/*.toml",
    since=2026,
    keys=(
        text("name", "The name, unique in the app.", required=True),
        text("description", "What the runbook is for."),
        text("readme", "Its text, in Markdown, or the file.", load=True, template="readme"),
        mapping("labels", "Free labels."),
        tables("input", "Values that are asked for.", RUN_INPUT),
        tables("steps", "What is done, one after the other.", RUNBOOK_STEP),
    ),
)

KUBERNETES_CONTEXT = Section(
    name="kubernetes_context",
    doc="A cluster by name.",
    since=2026,
    keys=(
        text("name", "The name.", required=True),
        text("component", "The component whose outputs describe the cluster.", required=True),
    ),
)
KUBERNETES_CONTEXTS = Section(
    name="kubernetes_contexts",
    doc="Clusters beside that of the sandbox.",
    where="kubernetes_contexts.toml",
    since=2026,
    keys=(tables("kubernetes_context", "The clusters.", KUBERNETES_CONTEXT),),
)

ROLE_RULE = Section(
    name="rules",
    doc="Which role runs an operation of whom.",
    since=2026,
    keys=(
        text(
            "principal",
            "`nuon::sandbox`, `nuon::component:<name>` or `nuon::action:<name>`.",
            required=True,
            pattern=r"nuon::(sandbox|component:.+|action:.+)",
        ),
        text("operation", "The operation.", required=True),
        text("role", "The role's full name, or its type.", required=True, template="deploy"),
    ),
)
OPERATION_ROLES = Section(
    name="operation_roles",
    doc="Which role runs which operation.",
    where="operation_roles.toml",
    since=2026,
    keys=(text("type", "The form of the rules.", allowed=("matrix",)), tables("rules", "The rules.", ROLE_RULE)),
)
