"""Decisions about runners as pure functions on values (spec runner.md 1.3, 1.10)."""

from collections.abc import Mapping

# A beat makes a runner of these statuses active: whoever beats is there.
WAKES = ("pending", "provisioning", "reprovisioning", "awaiting-install-stack-run", "error", "offline", "unknown")

MANAGEMENT = "mng"  # the process that keeps the machine; it takes no jobs of the product, so it says nothing about health

_STATUS_CODES = {"active": 0, "pending": 200, "provisioning": 201, "deprovisioned": 300, "deprovisioning": 301, "error": 400}

_COMMON_GROUPS = ["operations", "sync"]
_GROUPS = {"org": ["build", "sandbox", "runner"], "install": ["deploys", "action", "sandbox"]}


def status_code(status: str) -> int:
    """The number of a status in health checks; 500 for what has none."""
    return _STATUS_CODES.get(status, 500)


def groups(group_type: str) -> list[str]:
    """The job groups that the settings of a runner group list. Runners go by their mode instead."""
    return [*_COMMON_GROUPS, *_GROUPS.get(group_type, [])]


def serves(process: str) -> bool:
    """Does this process of a runner take jobs?"""
    return process != MANAGEMENT


def waits_for_a_stack(group_type: str, platform: str) -> bool:
    """Must a customer run a stack before a runner of this platform can beat? Builds and local installs need none."""
    return group_type == "install" and platform in ("aws", "aws-ecs", "aws-eks", "azure", "azure-aks", "azure-acs", "gcp")


def labels(*, org_id: str, org_name: str, group_id: str, group_type: str, platform: str, given: Mapping[str, str]) -> dict[str, str]:
    """What a runner attaches to its logs and metrics."""
    return {
        "org.id": org_id,
        "org.name": org_name,
        "runner.type": group_type,
        "runner.platform": platform,
        "runner_group.id": group_id,
        "env": "production",
        **given,
    }
