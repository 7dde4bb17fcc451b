"""What templates can name: the shape of an install's state, and the stage of its life at which each part exists (config.md 2.2, 2.3)."""

from __future__ import annotations

from typing import Any

ANY = "any"  # whatever a tool gives
LEAF = "leaf"  # a text
INPUT, COMPONENT, SECRET, ACTION = "input", "component", "secret", "action"

_LEAVES = dict.fromkeys
_SANDBOX = {**_LEAVES(("status", "type", "version", "populated"), LEAF), "outputs": ANY, "recent_runs": ANY}

COMPONENT_SHAPE: dict[str, Any] = {
    **_LEAVES(("status", "build_id", "component_id", "install_component_id", "name", "populated"), LEAF),
    "outputs": ANY,
}
ACTION_SHAPE: dict[str, Any] = {**_LEAVES(("status", "id", "populated"), LEAF), "outputs": ANY}
SECRET_SHAPE: dict[str, Any] = _LEAVES(
    ("name", "arn", "kubernetes_namespace", "kubernetes_name", "kubernetes_key", "timestamp", "length", "exists"), LEAF
)

SHAPE: dict[str, Any] = {
    "id": LEAF,
    "name": LEAF,
    "org": _LEAVES(("id", "name", "status", "populated"), LEAF),
    "app": {**_LEAVES(("id", "name", "status", "populated"), LEAF), "variables": ANY},
    "inputs": {"inputs": INPUT, "populated": LEAF},
    "install": {
        **_LEAVES(("id", "name", "populated", "public_domain", "internal_domain"), LEAF),
        "inputs": INPUT,
        "sandbox": _SANDBOX,
    },
    "sandbox": _SANDBOX,
    "install_stack": {
        **_LEAVES(("status", "quick_link_url", "template_url", "template_json", "checksum", "populated"), LEAF),
        "outputs": ANY,
    },
    "components": COMPONENT,
    "actions": {"workflows": ACTION, "populated": LEAF},
    "runner": _LEAVES(("id", "runner_group_id", "status", "populated"), LEAF),
    "domain": _LEAVES(("public_domain", "internal_domain", "populated"), LEAF),
    "cloud_account": {"aws": {"region": LEAF}, "azure": {"location": LEAF}, "gcp": ANY},
    "secrets": SECRET,
}

STACK_OUTPUTS: dict[str, tuple[str, ...]] = {
    "aws-cloudformation": (
        "account_id",
        "region",
        "vpc_id",
        "runner_subnet",
        "public_subnets",
        "private_subnets",
        "provision_iam_role_arn",
        "deprovision_iam_role_arn",
        "maintenance_iam_role_arn",
        "runner_iam_role_arn",
        "break_glass_role_arns",
        "custom_role_arns",
        "install_inputs",
        "custom_nested_stacks",
    ),
    "azure-bicep": (
        "resource_group_id",
        "resource_group_name",
        "resource_group_location",
        "subscription_id",
        "subscription_tenant_id",
        "network_id",
        "network_name",
        "public_subnet_ids",
        "public_subnet_names",
        "private_subnet_ids",
        "private_subnet_names",
        "key_vault_id",
        "key_vault_name",
    ),
    "gcp-terraform": (
        "project_id",
        "region",
        "network_name",
        "gke_node_pool_sa_email",
        "runner_service_account_email",
        "custom_sa_emails",
        "private_subnet_name",
        "custom_nested_stacks",
    ),
}

# An install comes to life in this order. A value of a later stage does not exist yet.
_ORDER = ("stack", "sandbox", "secrets", "deploy", "action")
_BORN: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("install_stack", "outputs"), "sandbox", "the outputs of the stack exist once the customer has created it"),
    (("runner",), "sandbox", "the runner exists once the customer has created the stack"),
    (("install", "sandbox"), "secrets", "the sandbox gives outputs once it is provisioned"),
    (("sandbox", "outputs"), "secrets", "the sandbox gives outputs once it is provisioned"),
    (("domain",), "secrets", "the domains are outputs of the sandbox"),
    (("secrets",), "deploy", "secrets are read once the sandbox is provisioned"),
    (("components",), "deploy", "components are deployed after the sandbox"),
    (("actions",), "deploy", "actions run after the sandbox is provisioned"),
)


def too_early(path: tuple[str, ...], stage: str) -> str:
    """Say why a path (without `nuon`) has no value yet at a stage, or nothing."""
    if stage not in _ORDER:
        return ""
    for start, born, why in _BORN:
        if path[: len(start)] == start and _ORDER.index(stage) < _ORDER.index(born):
            return why
    return ""
