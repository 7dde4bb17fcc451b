"""What a customer or the vendor fills in: inputs, their groups, secrets; and installs that fill them."""

from __future__ import annotations

from exclave.config.rules.base import Key, Section, flag, mapping, table, tables, text, texts

INPUT_NAME = r"[a-z0-9_{}.]*"

GROUP = Section(
    name="input-group",
    doc="A heading under which inputs are shown.",
    where="input_groups/*.toml, [[group]] in inputs.toml",
    keys=(
        text("name", "The group's name, used by its inputs.", required=True),
        text("description", "What the inputs of the group are about.", required=True),
        text("display_name", "The heading that people see.", required=True),
    ),
)

INPUT = Section(
    name="input",
    doc="A value that differs from install to install.",
    where="inputs/*.toml, [[input]] in inputs.toml",
    keys=(
        text("name", "The name, used as `.nuon.inputs.inputs.<name>`.", required=True, pattern=INPUT_NAME, example='"domain"'),
        text("display_name", "The name that people see.", required=True),
        text("description", "What the value is for.", required=True),
        text("group", "The group it is shown in.", required=True),
        text("type", "The kind of value.", allowed=("string", "number", "list", "json", "bool"), default="string"),
        Key(name="default", type="scalar", doc="The value when none is given; for `json` a text that holds JSON."),
        flag("required", "Whether a value must be given.", default=False),
        flag("sensitive", "Whether the value is hidden once stored.", default=False),
        flag("internal", "Whether only administrators may set it.", default=False),
        flag("user_configurable", "Whether the customer sets it, as a parameter of the stack.", default=False),
    ),
)

INPUTS = Section(
    name="inputs",
    doc="All inputs and groups in one file.",
    where="inputs.toml",
    keys=(
        tables("group", "The groups.", GROUP),
        tables("input", "The inputs.", INPUT),
        text("source", "Another TOML file whose inputs and groups are added."),
        texts("sources", "Other TOML files whose inputs and groups are added."),
    ),
)

SYNC_TARGET = Section(
    name="kubernetes_sync_targets",
    doc="A Kubernetes secret that receives the value.",
    since=2026,
    keys=(
        texts("namespaces", "The namespaces.", required=True),
        text("name", "The name of the Kubernetes secret.", required=True),
        text("key", "The key in the Kubernetes secret."),
    ),
)

SECRET = Section(
    name="secret",
    doc="A secret that the customer holds; its value never reaches the control plane.",
    where="secrets/*.toml, [[secret]] in secrets.toml",
    keys=(
        text("name", "The name, used as `.nuon.secrets.<name>`.", required=True, template="stack"),
        text("display_name", "The name that people see.", required=True, template="stack"),
        text("description", "What the secret is for.", required=True, template="stack"),
        flag("required", "Whether the customer must give a value. Excludes `auto_generate` and `default`."),
        flag("auto_generate", "Whether a value is made up. Excludes `required` and `default`."),
        text("default", "The value when none is given. Excludes `required` and `auto_generate`."),
        text("format", "How the value is written.", allowed=("", "base64")),
        flag("kubernetes_sync", "Whether the value is copied into the cluster."),
        text("kubernetes_secret_namespace", "The namespace of the copy.", template="secrets"),
        text("kubernetes_secret_name", "The name of the copy.", template="secrets"),
        flag("user_configurable", "Whether the customer gives the value.", since=2026, used=False),
        tables("kubernetes_sync_targets", "Several copies.", SYNC_TARGET, since=2026, used=False),
    ),
)

SECRETS = Section(
    name="secrets",
    doc="All secrets in one file.",
    where="secrets.toml",
    keys=(tables("secret", "The secrets.", SECRET),),
)

AWS_ACCOUNT = Section(name="aws_account", doc="The AWS account of the install.", keys=(text("region", "The region.", required=True),))
AZURE_ACCOUNT = Section(
    name="azure_account",
    doc="The Azure subscription of the install.",
    since=2026,
    keys=(text("location", "The location.", required=True),),
)

INSTALL = Section(
    name="install",
    doc="An install kept in a file, applied by `installs sync`.",
    where="installs/*.toml",
    keys=(
        text("name", "The install's name.", required=True),
        text(
            "approval_option",
            "Whether changes wait for a person.",
            allowed=("approve-all", "prompt"),
        ),
        table("aws_account", "The AWS account.", AWS_ACCOUNT),
        table("azure_account", "The Azure subscription.", AZURE_ACCOUNT, since=2026),
        mapping("labels", "Free labels.", since=2026, used=False),
        Key(
            name="inputs",
            type="any",
            doc="The values of the inputs: a table, or [[inputs]] tables that are merged, the later one winning.",
        ),
    ),
)
