"""Plan and apply with the real Terraform against a state backend that is strict."""

import base64
import hashlib
import json
from typing import Any

import pytest

from tests.runner.conftest import Work, needs_terraform
from tests.runner.control_plane import ControlPlane

pytestmark = needs_terraform

CANARY = "canary-5d41402abc4b"
MODULE = """
variable "name" { type = string }
variable "secret" {
  type      = string
  sensitive = true
}
resource "terraform_data" "it" { input = [var.name, var.secret] }
output "name" { value = terraform_data.it.output[0] }
output "secret" {
  value     = var.secret
  sensitive = true
}
output "nothing" { value = { a = null, b = "", c = 0, d = false, e = [] } }
"""
POSTCONDITION = """
resource "terraform_data" "x" {
  input = "a"
  lifecycle {
    postcondition {
      condition     = self.input == "b"
      error_message = "one is not two"
    }
  }
}
"""


def plan_of(plane: ControlPlane, files: dict[str, str], *, workspace: str = "tfwtest", **given: Any) -> dict[str, Any]:
    return {
        "install_id": "inl",
        "app_id": "app",
        "app_config_id": "apc",
        "terraform_backend": {"workspaceID": workspace},
        "vars": {"name": "acme", "secret": CANARY},
        "sensitive_vars": ["secret"],
        "source": {"archive": plane.source(files), "path": ""},
        **given,
    }


def approved(plan: dict[str, Any], contents: bytes) -> dict[str, Any]:
    digest = "sha256:" + hashlib.sha256(contents).hexdigest()
    return {**plan, "apply_plan_contents": base64.b64encode(contents).decode(), "apply_plan_digest": digest}


async def test_what_was_planned_is_applied_and_its_outputs_come_home(plane: ControlPlane, work: Work) -> None:
    plan = plan_of(plane, {"main.tf": MODULE})
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    assert planned.statuses == ["in-progress", "finished"]
    assert planned.result["success"]
    assert [c["change"]["actions"] for c in planned.display["resource_changes"]] == [["create"]]
    assert CANARY not in json.dumps(planned.display)
    assert planned.display["variables"]["name"]["value"] == "acme"
    assert plane.states == {}

    applied = await work.do("sandbox-terraform", approved(plan, planned.contents), operation="apply-plan")
    assert applied.status == "finished", applied.error
    state = json.loads(plane.states["tfwtest"])
    assert applied.outputs == {"name": "acme", "secret": CANARY, "nothing": {"a": None, "b": "", "c": 0, "d": False, "e": []}}
    assert state["outputs"]["name"]["value"] == "acme"
    assert applied.sensitive == ["secret"]
    assert CANARY not in json.dumps(plane.state_json)
    assert plane.state_json["tfwtest"]["values"]["outputs"]["name"]["value"] == "acme"
    assert plane.locks == {}
    lines = "\n".join(planned.lines + applied.lines)
    assert "terraform_data.it: Creation complete" in lines
    assert CANARY not in lines
    assert [seq for seq, _, _ in applied.log] == list(range(1, len(applied.log) + 1))


async def test_an_output_that_hands_a_secret_on_unmarked_is_told_as_secret(plane: ControlPlane, work: Work) -> None:
    module = """
variable "name" { type = string }
variable "secret" { type = string }
output "name" { value = var.name }
output "url" { value = { address = ["https://x:${var.secret}@${var.name}"] } }
"""
    plan = plan_of(plane, {"main.tf": module})
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    applied = await work.do("sandbox-terraform", approved(plan, planned.contents), operation="apply-plan")
    assert applied.outputs == {"name": "acme", "url": {"address": [f"https://x:{CANARY}@acme"]}}
    assert applied.sensitive == ["url"]


async def test_plan_and_apply_of_one_version_download_it_once(plane: ControlPlane, work: Work) -> None:
    plan = plan_of(plane, {"main.tf": MODULE})
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    applied = await work.do("sandbox-terraform", approved(plan, planned.contents), operation="apply-plan")
    assert applied.status == "finished", applied.error
    assert sum("/v1/sources/" in call for call in plane.calls) == 1
    changed = plan_of(plane, {"main.tf": MODULE.replace('"name"', '"title"', 1).replace("var.name", "var.title")})
    failed = await work.do("sandbox-terraform", changed, operation="create-apply-plan")
    assert sum("/v1/sources/" in call for call in plane.calls) == 2
    assert "title" in failed.error["message"]


AGAIN = "initialised as before"


async def test_a_module_is_initialised_once_for_many_plans(plane: ControlPlane, work: Work) -> None:
    plan = plan_of(plane, {"main.tf": MODULE})
    first, second = [await work.do("sandbox-terraform", plan, operation="create-apply-plan") for _ in range(2)]
    assert (first.status, second.status) == ("finished", "finished")
    assert [any(line.startswith(AGAIN) for line in lines) for lines in (first.lines, second.lines)] == [False, True]
    assert any("Initializing" in line for line in first.lines)
    assert not any("Initializing" in line for line in second.lines)
    assert first.display["resource_changes"] == second.display["resource_changes"]
    other = plan_of(plane, {"main.tf": MODULE + "\n# another version\n"})
    third = await work.do("sandbox-terraform", other, operation="create-apply-plan")
    assert not any(line.startswith(AGAIN) for line in third.lines)


async def test_when_what_was_kept_does_not_do_the_module_is_initialised_again(plane: ControlPlane, work: Work) -> None:
    module = 'module "inner" { source = "./inner" }\n' + MODULE
    plan = plan_of(plane, {"main.tf": module, "inner/main.tf": 'resource "terraform_data" "x" {}'})
    await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    (kept,) = work.agent.workspace.initialised.iterdir()
    (kept / "modules" / "modules.json").unlink()
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    assert planned.status == "finished", planned.error
    assert len(planned.display["resource_changes"]) == 2
    assert "this module needs to be initialised again" in planned.lines
    assert (kept / "modules" / "modules.json").exists()


async def test_a_plan_that_fails_for_another_reason_is_not_tried_again(plane: ControlPlane, work: Work) -> None:
    plan = plan_of(plane, {"main.tf": MODULE})
    await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    failed = await work.do("sandbox-terraform", {**plan, "vars": {"secret": "x"}}, operation="create-apply-plan")
    assert failed.status == "failed"
    assert "No value for required variable" in failed.error["message"]
    assert "this module needs to be initialised again" not in failed.lines


async def test_what_people_look_at_is_there_before_the_job_ends(plane: ControlPlane, work: Work) -> None:
    plan = plan_of(plane, {"main.tf": MODULE})
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    before = len(plane.calls)
    await work.do("sandbox-terraform", approved(plan, planned.contents), operation="apply-plan")
    order = [call.partition("?")[0].rpartition("/")[2] for call in plane.calls[before:]]
    assert {"state-json", "logs"} <= set(order[: order.index("report")])


async def test_a_plan_without_change_says_so(plane: ControlPlane, work: Work) -> None:
    plan = plan_of(plane, {"main.tf": MODULE})
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    await work.do("sandbox-terraform", approved(plan, planned.contents), operation="apply-plan")
    again = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    assert [c["change"]["actions"] for c in again.display["resource_changes"]] == [["no-op"]]
    assert CANARY not in json.dumps(again.display)


async def test_a_teardown_plan_destroys(plane: ControlPlane, work: Work) -> None:
    plan = plan_of(plane, {"main.tf": MODULE})
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    await work.do("sandbox-terraform", approved(plan, planned.contents), operation="apply-plan")
    teardown = await work.do("sandbox-terraform", plan, operation="create-teardown-plan")
    assert [c["change"]["actions"] for c in teardown.display["resource_changes"]] == [["delete"]]
    assert CANARY not in json.dumps(teardown.display)
    destroyed = await work.do("sandbox-terraform", approved(plan, teardown.contents), operation="apply-plan")
    assert destroyed.status == "finished"
    assert json.loads(plane.states["tfwtest"])["resources"] == []
    assert destroyed.outputs == {}


async def test_a_stale_plan_is_told_apart_from_a_failure(plane: ControlPlane, work: Work) -> None:
    plan = plan_of(plane, {"main.tf": MODULE})
    first = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    await work.do("sandbox-terraform", approved(plan, first.contents), operation="apply-plan")
    before = plane.states["tfwtest"]
    stale = await work.do("sandbox-terraform", approved(plan, first.contents), operation="apply-plan")
    assert stale.status == "failed"
    assert stale.error["reason"] == "stale-plan"
    assert plane.states["tfwtest"] == before


async def test_a_plan_of_another_digest_is_not_applied(plane: ControlPlane, work: Work) -> None:
    plan = plan_of(plane, {"main.tf": MODULE})
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    forged = {**approved(plan, planned.contents), "apply_plan_digest": "sha256:" + "0" * 64}
    refused = await work.do("sandbox-terraform", forged, operation="apply-plan")
    assert refused.error["reason"] == "plan-digest"
    assert plane.states == {}


async def test_a_component_is_planned_from_its_artifact(plane: ControlPlane, work: Work) -> None:
    built = await work.do(
        "terraform-module-build",
        {
            "component_id": "cmp",
            "component_build_id": "bld",
            "dst_tag": "bld1",
            "source": {"archive": plane.source({"infra/main.tf": MODULE, "infra/.terraform/x": "no", "other/y.tf": ""}), "path": "infra"},
        },
        operation="build",
    )
    assert built.status == "finished", built.error
    image = built.outputs["image"]
    assert image["tag"] == "bld1"
    assert image["digest"] == "sha256:" + hashlib.sha256(plane.blobs[image["digest"]]).hexdigest()
    assert image["size"] == len(plane.blobs[image["digest"]])
    manifest = json.loads(plane.blobs[image["digest"]])
    titles = [layer["annotations"]["org.opencontainers.image.title"] for layer in manifest["layers"]]
    assert titles == ["main.tf"]
    deploy = {
        "install_id": "inl",
        "app_id": "app",
        "app_config_id": "apc",
        "component_id": "cmp",
        "component_name": "infra",
        "source": {"artifact": {"digest": image["digest"]}},
        "terraform": {
            "terraform_backend": {"workspaceID": "tfwcomponent"},
            "vars": {"name": "x"},
            "vars_files": ['name = "from file"', json.dumps({"secret": CANARY})],
        },
    }
    planned = await work.do("terraform-deploy", deploy, operation="create-apply-plan")
    assert planned.status == "finished", planned.error
    assert planned.display["variables"]["name"]["value"] == "from file"
    assert CANARY not in json.dumps(planned.display)


async def test_a_file_that_is_too_large_for_an_artifact_is_named(plane: ControlPlane, work: Work) -> None:
    source = {"archive": plane.source({"main.tf": MODULE, "large.bin": "x" * (plane.blob_limit + 1)}), "path": "."}
    built = await work.do(
        "terraform-module-build",
        {"component_id": "cmp", "component_build_id": "bld", "dst_tag": "bld1", "source": source},
        operation="build",
    )
    assert built.status == "failed"
    assert built.error["message"] == f"large.bin is too large for an artifact: a blob has at most {plane.blob_limit} bytes"


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ('terraform {\n  backend "s3" {\n    bucket = "x"\n  }\n}\n', "a backend of its own"),
        ('terraform {\n  cloud {\n    organization = "x"\n    workspaces {\n      name = "y"\n    }\n  }\n}\n', "a cloud block"),
    ],
)
async def test_the_state_is_kept_by_us_whatever_the_module_says(plane: ControlPlane, work: Work, own: str, why: str) -> None:
    files = {"main.tf": MODULE, "backend.tf": own, "a_override.tf": 'terraform {\n  backend "local" {}\n}\n'}
    plan = plan_of(plane, files)
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    assert planned.status == "finished", planned.error
    await work.do("sandbox-terraform", approved(plan, planned.contents), operation="apply-plan")
    assert "tfwtest" in plane.states


@pytest.mark.parametrize(
    ("files", "operation", "step", "says"),
    [
        ({"main.tf": 'module "x" {\n  source = "./nowhere"\n}\n'}, "create-apply-plan", "init", "nowhere"),
        ({"main.tf": 'output "x" { value = var.missing }\n'}, "create-apply-plan", "plan", "missing"),
        ({"main.tf": POSTCONDITION}, "create-apply-plan", "plan", "one is not two"),
    ],
)  # fmt: skip
async def test_what_terraform_says_is_in_the_result(
    plane: ControlPlane, work: Work, files: dict[str, str], operation: str, step: str, says: str
) -> None:
    failed = await work.do("sandbox-terraform", plan_of(plane, files), operation=operation)
    assert failed.status == "failed"
    assert not failed.result.get("success", False)
    assert failed.error["step"] == step
    assert says in failed.error["message"]
    assert says in failed.error["tail"]
    assert failed.error["job_type"] == "sandbox-terraform"
    assert plane.locks == {}
    assert any(severity >= 13 and says in body for _, severity, body in failed.log)


async def test_an_apply_that_fails_keeps_what_it_made(plane: ControlPlane, work: Work) -> None:
    files = {
        "main.tf": 'resource "terraform_data" "good" {}\nresource "terraform_data" "bad" {\n  depends_on = [terraform_data.good]\n'
        '  provisioner "local-exec" {\n    command = "echo broken; exit 3"\n  }\n}\n'
    }
    plan = plan_of(plane, files)
    planned = await work.do("sandbox-terraform", plan, operation="create-apply-plan")
    failed = await work.do("sandbox-terraform", approved(plan, planned.contents), operation="apply-plan")
    assert failed.status == "failed"
    assert failed.error["step"] == "apply"
    assert "exit status 3" in failed.error["message"]
    assert "good" in [r["name"] for r in json.loads(plane.states["tfwtest"])["resources"]]
    assert plane.locks == {}


async def test_a_lock_conflict_names_the_lock_and_changes_nothing(plane: ControlPlane, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    from exclave.runner.handlers import terraform

    monkeypatch.setattr(terraform, "_LOCK_TIMEOUT", "0s")
    plane.locks["tfwtest"] = {"ID": "held", "Who": "somebody@else", "Operation": "OperationTypeApply", "Version": "1.11.4"}
    failed = await work.do("sandbox-terraform", plan_of(plane, {"main.tf": MODULE}), operation="create-apply-plan")
    assert "already locked: ID=held" in failed.error["message"]
    assert plane.locks["tfwtest"]["ID"] == "held"


async def test_no_url_carries_a_token(plane: ControlPlane, work: Work) -> None:
    execution = await work.do("sandbox-terraform", plan_of(plane, {"main.tf": MODULE}), operation="create-apply-plan")
    assert not [call for call in plane.calls if execution.token in call or plane.token in call]
    assert any("terraform-backend" in call for call in plane.calls)
