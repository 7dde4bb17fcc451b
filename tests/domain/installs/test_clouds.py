"""How a runner becomes a role and reaches a cluster."""

import pytest

from exclave.domain.installs import clouds
from exclave.domain.states import rules
from exclave.kit import errors


def document(**parts):
    found = rules.full({})
    for name, value in parts.items():
        found[name] = {**found[name], **value}
    return found


AWS = {"aws": {"region": "eu-west-1"}}
STACK = {
    "outputs": {
        "maintenance_iam_role_arn": "arn:aws:iam::1:role/maintenance",
        "break_glass_role_arns": {"rescue": "arn:aws:iam::1:role/rescue"},
    }
}


def test_the_role_of_the_stack_is_assumed():
    auth = clouds.aws_auth(document(cloud_account=AWS, install_stack=STACK), "maintenance", session="s" * 100)
    assert auth.region == "eu-west-1"
    assert auth.assume_role.role_arn == "arn:aws:iam::1:role/maintenance"
    assert len(auth.assume_role.session_name) == 64


def test_outside_aws_there_is_no_role():
    assert clouds.aws_auth(document(), "maintenance", session="s") is None
    assert clouds.break_glass_auth(document(), "rescue", session="s") is None


def test_a_break_glass_role_must_be_provisioned():
    known = document(cloud_account=AWS, install_stack=STACK)
    assert clouds.break_glass_auth(known, "rescue", session="s").assume_role.role_arn == "arn:aws:iam::1:role/rescue"
    with pytest.raises(errors.Invalid, match="other"):
        clouds.break_glass_auth(known, "other", session="s")


def test_a_cluster_of_the_sandbox_is_reached():
    cluster = {"name": "c1", "endpoint": "https://c1", "certificate_authority_data": "Y2E="}
    info = clouds.cluster_info(document(cloud_account=AWS, install_stack=STACK, sandbox={"outputs": {"cluster": cluster}}))
    assert (info.id, info.endpoint, info.ca_data) == ("c1", "https://c1", "Y2E=")
    assert clouds.cluster_info(document(sandbox={"outputs": {"cluster": None}})) is None
    assert clouds.cluster_info(document()) is None
