"""Secrets of the customer go into the cluster only where the app wants that."""

import pytest

from exclave.domain.apps.models import AppSecretConfig
from exclave.domain.secrets import rules
from exclave.kit import errors


def secret(name):
    return AppSecretConfig(name=name, format="base64", kubernetes_secret_namespace="apps", kubernetes_secret_name=f"{name}-k8s")


def test_a_secret_is_copied_from_where_the_stack_put_it():
    (one,) = rules.to_sync([secret("db")], {"db_arn": "arn:db"})
    assert (one.secret_arn, one.secret_name, one.namespace, one.name, one.key_name, one.format) == (
        "arn:db",
        "db",
        "apps",
        "db-k8s",
        "value",
        "base64",
    )


def test_every_secret_that_the_stack_does_not_know_is_named():
    with pytest.raises(errors.Invalid, match="a_arn, b_arn"):
        rules.to_sync([secret("a"), secret("b"), secret("c")], {"c_arn": "arn:c"})
