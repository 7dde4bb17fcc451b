"""Decisions about secrets, as pure functions on values (spec domain.md 4.10)."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from exclave.kit import errors
from exclave.wire.plans.sync import KubernetesSecretSync


class Declared(Protocol):
    """A secret as the app declares it."""

    name: Any
    format: Any
    kubernetes_secret_namespace: Any
    kubernetes_secret_name: Any


def to_sync(declared: Sequence[Declared], stack_outputs: Mapping[str, Any]) -> list[KubernetesSecretSync]:
    """Return what is copied into the cluster. Raises `Invalid` when the stack did not say where a secret is."""
    missing = [each.name for each in declared if not stack_outputs.get(f"{each.name}_arn")]
    if missing:
        raise errors.Invalid(f"the install stack has no output {', '.join(f'{name}_arn' for name in missing)}: update the stack")
    return [
        KubernetesSecretSync(
            secret_arn=str(stack_outputs[f"{each.name}_arn"]),
            secret_name=each.name,
            namespace=each.kubernetes_secret_namespace,
            name=each.kubernetes_secret_name,
            format=each.format,
        )
        for each in declared
    ]
