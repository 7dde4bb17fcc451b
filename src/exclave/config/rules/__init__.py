"""The one rule table: every section and key of the configuration.

The loader reads by it, the validator checks by it, the JSON schemas and the reference are printed from it. A new key is one
line here and one field in `model.py`.
"""

from exclave.config.rules.access import BREAK_GLASS, BREAK_GLASS_ROLE, PERMISSION, PERMISSIONS, POLICIES, POLICY
from exclave.config.rules.actions import ACTION, KUBERNETES_CONTEXTS, OPERATION_ROLES, RUNBOOK
from exclave.config.rules.app import BRANCH, BRANCH_RULE, INSTALLER, INSTALLS_REPO, METADATA, RUNNER, SANDBOX, STACK
from exclave.config.rules.base import Key, Section
from exclave.config.rules.components import BY_KIND, KIND_ALIASES, ROOT
from exclave.config.rules.inputs import GROUP, INPUT, INPUTS, INSTALL, SECRET, SECRETS

# A file in the app directory, and the section that it is.
FILES: dict[str, Section] = {
    "metadata.toml": METADATA,
    "runner.toml": RUNNER,
    "stack.toml": STACK,
    "sandbox.toml": SANDBOX,
    "inputs.toml": INPUTS,
    "secrets.toml": SECRETS,
    "permissions.toml": PERMISSIONS,
    "policies.toml": POLICIES,
    "break_glass.toml": BREAK_GLASS,
    "branch.toml": BRANCH,
    "installer.toml": INSTALLER,
    "kubernetes_contexts.toml": KUBERNETES_CONTEXTS,
    "operation_roles.toml": OPERATION_ROLES,
    "installs.toml": INSTALLS_REPO,
}

# A directory in the app directory, and the section that each of its files is. Components choose theirs by `type`.
DIRECTORIES: dict[str, Section] = {
    "inputs": INPUT,
    "input_groups": GROUP,
    "secrets": SECRET,
    "permissions": PERMISSION,
    "policies": POLICY,
    "break_glass": BREAK_GLASS_ROLE,
    "components": ROOT,
    "actions": ACTION,
    "installs": INSTALL,
    "runbooks": RUNBOOK,
    "branches": BRANCH_RULE,
}

REQUIRED_FILES = ("metadata.toml", "sandbox.toml", "runner.toml")

__all__ = ["BY_KIND", "DIRECTORIES", "FILES", "KIND_ALIASES", "REQUIRED_FILES", "ROOT", "Key", "Section"]
