"""Pure rules of the runner: what children see, what is redacted and masked, what Terraform's words mean."""

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from exclave.runner import agent, environment
from exclave.runner.environment import VariableRefused
from exclave.runner.handlers import terraform_rules as rules
from exclave.runner.handlers.masking import Masked
from exclave.runner.handlers.terraform_init import LOCK_FILE, Kept, kept_of
from exclave.runner.handlers.terraform_rules import Version
from exclave.runner.job import JobFailed
from exclave.runner.logs import ERROR, INFO, WARN
from exclave.runner.redact import MASK, Redactor
from exclave.runner.workspace import Archives
from exclave.wire.plans.base import GitSource, Source


def test_proxies_are_kept_but_never_used_for_loopback(tmp_path: Path) -> None:
    env = environment.base(
        ambient={"PATH": "/bin", "HTTPS_PROXY": "http://proxy", "NO_PROXY": "internal, localhost"}, home=tmp_path, temporary=tmp_path / "t"
    )
    assert env["HTTPS_PROXY"] == "http://proxy"
    assert env["NO_PROXY"] == env["no_proxy"] == "localhost,127.0.0.1,::1,internal"
    assert "NO_PROXY" not in environment.base(ambient={"PATH": "/bin"}, home=tmp_path, temporary=tmp_path)


@pytest.mark.parametrize(
    "name", ["TF_HTTP_ADDRESS", "TF_HTTP_PASSWORD", "TF_CLI_ARGS", "TF_CLI_ARGS_plan", "TF_CLI_CONFIG_FILE", "TF_DATA_DIR", "TF_WORKSPACE"]
)
def test_a_plan_cannot_redirect_terraform(name: str) -> None:
    with pytest.raises(VariableRefused, match=name):
        environment.checked_for_terraform({name: "x"}, where="the plan")


def test_terraform_logs_are_not_switched_on_by_a_plan() -> None:
    assert environment.checked_for_terraform({"TF_VAR_x": "1", "TF_LOG": "TRACE"}, where="") == ({"TF_VAR_x": "1"}, ["TF_LOG"])


SECRETS = [
    "hunter2hunter2",
    'quo"te\\back',
    "two\nlines-long-enough\n",
    "ünïcödé-секрет",
    "p@ss/w+rd=",
    'a<b&c>d"e',
    "-----BEGIN-----\nabcdefghij\n-----END-----",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_in_every_form_that_tools_print(secret: str) -> None:
    redact = Redactor([secret])
    raw = secret.encode()
    shown = [
        f"value is {secret} here",
        json.dumps({"k": secret}),
        json.dumps({"k": secret}, ensure_ascii=False),
        json.dumps({"k": secret}, ensure_ascii=False).replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026"),  # as Go does
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(b"user:" + raw + b":x").decode(),
        base64.b64encode(b"u:" + raw).decode(),
    ]
    for text in shown:
        assert MASK in redact(text), text
        assert secret not in redact(text)


def test_a_line_that_was_cut_within_a_secret_shows_no_part_of_it() -> None:
    redact = Redactor(["abcdefghijklmnop"])
    assert redact("x" * 10 + "abcdefghij", cut=True) == "x" * 10 + MASK
    assert redact("x" * 10 + "abcdefghij") == "x" * 10 + "abcdefghij"
    assert redact("plain", cut=True) == "plain"


def test_nested_secrets_are_found_and_short_ones_left_alone() -> None:
    redact = Redactor([{"a": ["deep-secret", 12345], "b": True, "c": None, "d": "x"}])
    assert redact("deep-secret 12345 true x") == f"{MASK} {MASK} true x"
    redact.learn("true", "a-learned-value")
    assert redact("true a-learned-value") == f"true {MASK}"


def test_documents_keep_their_shape() -> None:
    redact = Redactor(["secret-value"])
    document = {"a": [1, None, True, "x secret-value y"], "secret-value": {"b": 1.5}}
    assert redact.document(document) == {"a": [1, None, True, f"x {MASK} y"], MASK: {"b": 1.5}}


C = "canary"
DEEP = {"values": {"a": [1, {"b": C}]}, "sensitive_values": {"a": [False, {"b": True}]}}
CALLED = {"variables": {"p": {"sensitive": True, "default": C}}}


@pytest.mark.parametrize(
    "document",
    [
        {"variables": {"v": {"value": C}}, "configuration": {"root_module": {"variables": {"v": {"sensitive": True}}}}},
        {"variables": {"declared": {"value": {"x": C}}}},
        {"planned_values": {"outputs": {"o": {"sensitive": True, "value": C}}}},
        {"planned_values": {"root_module": {"resources": [{"values": {"a": C}, "sensitive_values": {"a": True}}]}}},
        {"planned_values": {"root_module": {"child_modules": [{"child_modules": [{"resources": [DEEP]}]}]}}},
        {"prior_state": {"values": {"root_module": {"resources": [{"values": {"a": {"k": C}}, "sensitive_values": {"a": True}}]}}}},
        {"prior_state": {"values": {"outputs": {"o": {"sensitive": True, "value": [C]}}}}},
        {"resource_changes": [{"change": {"before": {"a": C}, "before_sensitive": {"a": True}}}]},
        {"resource_changes": [{"change": {"after": {"a": C}, "after_sensitive": {"a": True}}}]},
        {"resource_drift": [{"change": {"before": C, "after": None, "before_sensitive": True, "after_sensitive": False}}]},
        {"deferred_changes": [{"resource_change": {"change": {"after": {"a": C}, "after_sensitive": {"a": True}}}}]},
        {"output_changes": {"o": {"before": None, "after": C, "before_sensitive": False, "after_sensitive": True}}},
        {"resource_changes": [{"change": {"after": "x" + C, "after_sensitive": {"a": True}}}]},
        {"configuration": {"root_module": {"variables": {"v": {"sensitive": True, "default": C}}}}},
        {"configuration": {"root_module": {"module_calls": {"m": {"expressions": {"p": {"constant_value": C}}, "module": CALLED}}}}},
    ],
)  # fmt: skip
def test_what_terraform_marks_is_masked_wherever_it_stands(document: dict[str, Any]) -> None:
    masked = Masked(["declared"])
    shown = masked.plan(document)
    assert C not in json.dumps(shown)
    assert MASK in json.dumps(shown)
    assert any(C in json.dumps(secret) for secret in masked.secrets)


def test_what_is_not_marked_stays_byte_for_byte() -> None:
    document = {
        "format_version": "1.2",
        "variables": {"a": {"value": [1, "", None, False, {}]}, "b": {}},
        "resource_changes": [
            {
                "address": "x",
                "change": {"actions": ["create"], "before": None, "after": {"a": [], "b": None}, "after_sensitive": {"a": []}},
            }
        ],
        "output_changes": {"o": {"actions": ["delete"], "before": 1, "after": None, "before_sensitive": False, "after_sensitive": False}},
        "something_new": {"x": [1]},
    }  # fmt: skip
    assert Masked().plan(document) == document


@pytest.mark.parametrize(
    ("have", "wanted", "says"),
    [
        ((1, 11, 4), "", ""),
        ((1, 11, 4), "1.11.4", ""),
        ((1, 11, 4), "v1.11.4", ""),
        ((1, 11, 4), "1.9", "newer"),
        ((1, 11, 4), "1.5.7", "newer"),
        ((1, 11, 4), "latest", ""),
        ((1, 11, 4), ">= 1.3, < 2", "no single version"),
    ],
)
def test_a_newer_terraform_of_the_same_major_is_used_and_said(have: tuple[int, int, int], wanted: str, says: str) -> None:
    said = rules.check_version(Version("terraform", have), wanted)
    assert (says in said) if says else said == ""


@pytest.mark.parametrize(
    ("have", "wanted"), [((1, 11, 4), "1.12.0"), ((1, 11, 4), "2.0.0"), ((1, 11, 4), "0.13.7"), ((1, 7, 5), ""), ((1, 7, 5), "1.5")]
)
def test_another_terraform_is_refused_naming_both(have: tuple[int, int, int], wanted: str) -> None:
    with pytest.raises(JobFailed, match="EXCLAVE_TERRAFORM") as failed:
        rules.check_version(Version("terraform", have), wanted)
    assert ".".join(map(str, have)) in str(failed.value)
    if have >= (1, 8, 0):
        assert wanted in str(failed.value)


def test_lines_of_terraform_become_readable() -> None:
    def line(**fields: Any) -> str:
        return json.dumps(fields, separators=(",", ":"))

    said = rules.read_line(line(**{"@level": "info", "@message": "x: Creating...", "type": "apply_start"}))
    assert said == rules.Said("x: Creating...", INFO)
    assert rules.read_line(line(**{"@level": "info", "@message": "Terraform 1.11.4", "type": "version"})) is None
    stale = {"severity": "error", "summary": "Saved plan is stale", "detail": "The given plan…"}
    said = rules.read_line(line(**{"@level": "error", "@message": "Error: Saved plan is stale", "type": "diagnostic", "diagnostic": stale}))
    assert said is not None
    assert said.stale
    assert said.severity == ERROR
    warning = {"severity": "warning", "summary": "w", "detail": "d", "range": {"filename": "main.tf", "start": {"line": 7}}}
    said = rules.read_line(line(**{"@level": "warn", "@message": "Warning: w", "type": "diagnostic", "diagnostic": warning}))
    assert said == rules.Said("Warning: w (main.tf line 7)\nd", WARN)
    assert rules.read_line("plain text") == rules.Said("plain text", INFO)
    assert rules.read_line("") is None
    cut = rules.read_line('{"@level":"info","@message":"secr', cut=True)
    assert cut is not None
    assert "secr" not in cut.text


def test_only_a_plan_with_providers_needs_init() -> None:
    def plan(lock: str | None) -> bytes:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as packed:
            packed.writestr("tfplan", "x")
            if lock is not None:
                packed.writestr(".terraform.lock.hcl", lock)
        return data.getvalue()

    provider = 'provider "registry.terraform.io/hashicorp/aws" {\n  version = "5.0.0"\n}\n'
    assert rules.needs_init(rules.lock_file_of(plan(provider)) or b"")
    assert not rules.needs_init(rules.lock_file_of(plan("# comment\n")) or b"")
    assert rules.lock_file_of(plan(None)) == b""
    assert rules.lock_file_of(b"no zip") is None


def test_credentials_of_the_backend_are_in_no_address() -> None:
    env = rules.backend_environment("http://h:1/", workspace_id="tfw&x=1/../y", job_id="job", execution_id="run", token="t0k3n")
    assert [name for name, value in env.items() if "t0k3n" in value] == ["TF_HTTP_PASSWORD"]
    assert env["TF_HTTP_ADDRESS"] == "http://h:1/v1/terraform-backend?workspace_id=tfw%26x%3D1%2F..%2Fy&job_id=job"
    assert env["TF_HTTP_LOCK_ADDRESS"] == "http://h:1/v1/terraform-workspaces/tfw%26x%3D1%2F..%2Fy/lock?job_id=job"


def test_archives_are_kept_until_there_are_too_many(tmp_path: Path) -> None:
    kept = Archives(tmp_path / "archives", limit=100)
    for name, size in (("a", 40), ("b", 40), ("large", 51)):
        (tmp_path / name).write_bytes(b"x" * size)
        kept.keep(name, tmp_path / name)
    assert kept.take("a", tmp_path / "a again")
    (tmp_path / "c").write_bytes(b"y" * 40)
    kept.keep("c", tmp_path / "c")
    taken = [name for name in ("a", "b", "c", "large", "unknown") if kept.take(name, tmp_path / f"{name} taken")]
    assert taken == ["a", "c"]  # b was asked for the longest ago; large would have driven out all others
    assert (tmp_path / "c taken").read_bytes() == b"y" * 40
    assert (tmp_path / "a again").read_bytes() == b"x" * 40


def test_what_init_left_is_kept_by_version_and_lock_file(tmp_path: Path) -> None:
    program = tmp_path / "terraform"
    program.write_text("")
    cache = tmp_path / "cache"
    cache.mkdir()
    lock = 'provider "registry.terraform.io/hashicorp/null" { version = "%s" }'

    def kept(digest: str) -> Kept:
        found = kept_of(tmp_path / "kept", Source(archive=digest), str(program))
        assert found is not None
        return found

    def module(name: str, *, version: str = "", initialised: bool = False) -> Path:
        directory = tmp_path / name
        (directory / ".terraform" / "providers").mkdir(parents=True) if initialised else directory.mkdir()
        if version:
            (directory / LOCK_FILE).write_text(lock % version)
        if initialised:
            (directory / ".terraform" / "providers" / "null").symlink_to(cache)
        return directory

    kept("one").keep(module("first", version="3.2.1", initialised=True))
    assert not kept("one").restore(module("no lock file: the newest is looked for"))
    assert not kept("one").restore(module("another lock file", version="3.2.2"))
    assert not kept("two").restore(module("another version", version="3.2.1"))
    again = module("again", version="3.2.1")
    assert kept("one").restore(again)
    assert (again / ".terraform" / "providers" / "null").readlink() == cache
    assert not kept("one").restore(again)  # it has its own already
    cache.rmdir()
    assert not kept("one").restore(module("the provider is gone", version="3.2.1"))
    assert kept_of(tmp_path / "kept", Source(git=GitSource(url="https://example.com/a.git", ref="main", path="")), str(program)) is None


@pytest.mark.parametrize(
    ("source", "kept"),
    [("./inner", True), ("../inner", True), ("registry.terraform.io/a/b/c", False), ("git::https://example.com/a.git", False)],
)
def test_modules_from_elsewhere_are_fetched_each_time(source: str, kept: bool) -> None:
    listed = {"Modules": [{"Key": "", "Source": "", "Dir": "."}, {"Key": "x", "Source": source, "Dir": "x"}]}
    assert rules.are_within(json.dumps(listed).encode()) is kept


@pytest.mark.parametrize(
    ("detail", "wants"),
    [('Run "terraform init" to install all modules.', True), ("run: tofu init", True), ("the initial value is wrong", False)],
)
def test_terraform_says_when_an_init_is_missing(detail: str, wants: bool) -> None:
    line = {"@level": "error", "@message": "Error: x", "diagnostic": {"severity": "error", "summary": "x", "detail": detail}}
    said = rules.read_line(json.dumps(line, separators=(",", ":")))
    assert said is not None
    assert said.wants_init is wants


async def test_waiting_for_jobs_whose_last_has_just_ended_is_no_error() -> None:
    await agent._all({})
