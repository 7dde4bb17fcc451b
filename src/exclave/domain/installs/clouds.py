"""How a runner becomes a role of the customer's cloud and reaches its cluster, read from the state document (domain.md 4.7, 4.8)."""

from collections.abc import Mapping
from typing import Any

from exclave.kit import errors
from exclave.wire.plans.base import AssumeRole, AWSAuth, ClusterInfo

SESSION_SECONDS = 3600


def aws_auth(document: Mapping[str, Any], role: str, *, session: str) -> AWSAuth | None:
    """Return how to assume the install's role: `provision`, `maintenance` or `deprovision`. None outside AWS."""
    aws = (document.get("cloud_account") or {}).get("aws")
    if not aws:
        return None
    stack = document["install_stack"].get("outputs") or {}
    arn = stack.get(f"{role}_iam_role_arn", "")
    return _assume(aws, arn, session) if arn else AWSAuth(region=aws.get("region", ""), use_default=True)


def break_glass_auth(document: Mapping[str, Any], role: str, *, session: str) -> AWSAuth | None:
    """Return how to assume a break-glass role by its name. Raises `Invalid` unless the customer's stack has provisioned it."""
    aws = (document.get("cloud_account") or {}).get("aws")
    if not aws:
        return None
    arns = (document["install_stack"].get("outputs") or {}).get("break_glass_role_arns") or {}
    arn = arns.get(role, "") if isinstance(arns, Mapping) else ""
    if not arn:
        raise errors.Invalid(f"the break-glass role {role!r} is not provisioned: the customer enables it in the install's stack")
    return _assume(aws, arn, session)


def _assume(aws: Mapping[str, Any], arn: str, session: str) -> AWSAuth:
    # Session names of AWS have at most 64 characters.
    assume = AssumeRole(role_arn=arn, session_name=session[:64], session_duration_seconds=SESSION_SECONDS)
    return AWSAuth(region=aws.get("region", ""), assume_role=assume)


def cluster_info(document: Mapping[str, Any], role: str = "maintenance") -> ClusterInfo | None:
    """Return how to reach the cluster that the sandbox made; None when it made none."""
    outputs = document["sandbox"].get("outputs") or {}
    cluster = outputs.get("cluster")
    if not isinstance(cluster, Mapping) or not cluster.get("name"):
        return None
    return ClusterInfo(
        id=str(cluster["name"]),
        endpoint=str(cluster.get("endpoint") or cluster.get("host") or ""),
        ca_data=str(cluster.get("certificate_authority_data") or cluster.get("cluster_ca_certificate") or ""),
        aws_auth=aws_auth(document, role, session=f"cluster-{document.get('id', '')}"),
    )
