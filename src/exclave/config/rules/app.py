"""The sections that an app has once: metadata, runner, stack, sandbox, branch, installer."""

from __future__ import annotations

from exclave.config.rules.base import Section, flag, mapping, number, table, tables, text, texts, values
from exclave.config.rules.sources import CONNECTED_KEY, ONE_SOURCE, OPERATION_ROLE, PUBLIC_KEY, SOURCE_FILE, SOURCES

ONBOARDING = Section(
    name="onboarding",
    doc="How a gallery of templates presents the app.",
    since=2026,
    keys=(
        flag("enabled", "Whether the app is shown in the gallery."),
        text("category", "The gallery's category.", example='"architecture"'),
        text("difficulty", "How hard the app is to understand.", example='"simple"'),
        text("cloud_provider", "The cloud that the app runs in.", example='"aws"'),
    ),
)

METADATA = Section(
    name="metadata",
    doc="What the app is.",
    where="metadata.toml",
    keys=(
        text(
            "version",
            "The version of the configuration format. Both values mean the same.",
            required=True,
            allowed=("v1", "v2"),
            example='"v2"',
        ),
        text("display_name", "The name that people see."),
        text("description", "What the app does, in a sentence."),
        text("slack_webhook_url", "Where to send notices about the app.", check="url"),
        text("readme", "The read-me that each install shows, in Markdown.", load=True, template="readme", example='"./README.md"'),
        table("onboarding", "How a gallery of templates presents the app.", ONBOARDING, since=2026, used=False),
    ),
)

RUNNER = Section(
    name="runner",
    doc="The agent that works inside the customer's account.",
    where="runner.toml",
    keys=(
        text(
            "runner_type",
            "Where the runner lives. `local` is a process beside the server, for trying things out.",
            required=True,
            allowed=("aws", "azure", "gcp", "local", "aws-ecs", "aws-eks", "azure-aks", "azure-acs"),
            example='"aws"',
        ),
        text("helm_driver", "Where Helm keeps its releases.", allowed=("configmap", "secret", "")),
        text("init_script_url", "A script that the runner's machine runs when it starts.", check="url"),
        mapping("env_vars", "Environment variables of the runner."),
        text("instance_type", "The machine type of the runner.", since=2026, used=False),
        SOURCE_FILE,
        tables(
            "env_var",
            "The former form of `env_vars`.",
            Section(name="env_var", doc="", keys=(text("name", ""), text("value", ""))),
            deprecated="write a table [env_vars] with one line for each variable",
        ),
    ),
)

NESTED_STACK = Section(
    name="custom_nested_stacks",
    doc="A stack of the vendor's own inside the install stack.",
    since=2026,
    keys=(
        text("name", "The name, unique in the app.", required=True),
        text(
            "template_url",
            "The template: an https address, or a file of the app.",
            required=True,
            template="stack",
            example='"https://example.com/s.yaml"',
        ),
        number("index", "The place in the order of creation."),
        values("parameters", "Parameters of the stack.", template="stack"),
    ),
)

STACK = Section(
    name="stack",
    doc="The stack that the customer creates to let the runner in.",
    where="stack.toml",
    keys=(
        text(
            "type",
            "The kind of stack.",
            required=True,
            allowed=("aws-cloudformation", "gcp-terraform", "azure-bicep"),
            example='"aws-cloudformation"',
        ),
        text(
            "name",
            "The stack's name in the customer's account.",
            required=True,
            template="stack",
            example='"acme-{{.nuon.install.id}}"',
        ),
        text("description", "The stack's description.", required=True, template="stack"),
        text("vpc_nested_template_url", "The template of the network.", check="url", template="stack"),
        text("runner_nested_template_url", "The template of the runner.", check="url", template="stack"),
        tables("custom_nested_stacks", "Further stacks of the vendor's own.", NESTED_STACK, since=2026, used=False),
    ),
)

VAR_FILE = Section(
    name="var_file",
    doc="A file of Terraform variables.",
    keys=(
        text(
            "contents",
            "The text of a tfvars file, or the file.",
            required=True,
            load=True,
            template="deploy",
            example='"./sandbox.tfvars"',
        ),
    ),
)
SANDBOX_VAR_FILE = Section(
    name="var_file",
    doc="A file of Terraform variables.",
    keys=(
        text(
            "contents",
            "The text of a tfvars file, or the file.",
            required=True,
            load=True,
            template="sandbox",
            example='"./sandbox.tfvars"',
        ),
    ),
)

SANDBOX = Section(
    name="sandbox",
    doc="The base that every component stands on: cluster, network, DNS.",
    where="sandbox.toml",
    keys=(
        text("type", "The engine of the sandbox.", allowed=("terraform", "pulumi"), default="terraform", since=2026),
        text("terraform_version", "The version of Terraform.", check="semver", example='"1.11.3"'),
        *SOURCES,
        values("vars", "Terraform variables.", template="sandbox"),
        tables("var_file", "Files of Terraform variables, in this order.", SANDBOX_VAR_FILE),
        mapping("env_vars", "Environment variables of Terraform.", template="sandbox"),
        text("drift_schedule", "When to look for drift: a cron expression.", check="cron", example='"0 4 * * *"'),
        flag("skip_noops", "Ask for no approval when a plan changes nothing.", since=2026, used=False),
        tables("operation_roles", "Which IAM role runs an operation.", OPERATION_ROLE, since=2026, used=False),
        text("runtime", "The language of a Pulumi program.", since=2026, used=False),
        values("pulumi_config", "Settings of a Pulumi program.", template="sandbox", since=2026, used=False),
        SOURCE_FILE,
    ),
    one_of=ONE_SOURCE,
)

BRANCH = Section(
    name="branch",
    doc="A branch of the app's configuration. Read, and not acted upon.",
    where="branch.toml",
    keys=(text("name", "The branch's name.", required=True), CONNECTED_KEY),
)

INSTALLER = Section(
    name="installer",
    doc="The page of an installer. Read, and not acted upon.",
    where="installer.toml",
    keys=(
        text("name", "The installer's name."),
        text("description", "What it installs."),
        text("slug", "The last part of its address."),
        texts("apps", "The apps that it offers."),
        *(
            text(f"{name}_url", f"The address of the {name.replace('_', ' ')}.")
            for name in ("documentation", "community", "homepage", "github", "logo", "favicon", "og_image", "demo")
        ),
        *(text(f"{name}_markdown", f"Markdown: {name.replace('_', ' ')}.") for name in ("post_install", "copyright", "footer")),
        SOURCE_FILE,
    ),
)

INSTALL_GROUP = Section(
    name="install_groups",
    doc="A group of installs that a branch is promoted to.",
    since=2026,
    keys=(
        text("name", "The group's name.", required=True),
        number("order", "The place in the order of promotion."),
        flag("use_for_previews", "Whether previews go here."),
        mapping("label_selector", "The labels that choose the installs."),
    ),
)

BRANCH_RULE = Section(
    name="branch-rule",
    doc="Which branch is promoted to which installs.",
    where="branches/*.toml",
    since=2026,
    keys=(
        text("name", "The branch's name.", required=True),
        PUBLIC_KEY,
        CONNECTED_KEY,
        tables("install_groups", "The groups of installs.", INSTALL_GROUP),
    ),
)

INSTALLS_REPO = Section(
    name="installs-repo",
    doc="The repository that holds the install files.",
    where="installs.toml",
    since=2026,
    keys=(CONNECTED_KEY, PUBLIC_KEY),
)
