"""Secrets are planted, a whole life of an install runs, and then they are looked for: everywhere but in the columns that are sealed."""

import base64
import contextlib
import gzip
import json
import os
import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import zstandard
from psycopg import sql

from tests.e2e.apps import write_app
from tests.e2e.conftest import Watched

pytestmark = pytest.mark.slow

# Whose ids stand in for which parameter of a path.
TABLES = {
    "action_id": "action_workflows",
    "action_config_id": "action_workflow_configs",
    "action_workflow_config_id": "action_workflow_configs",
    "action_workflow_id": "action_workflows",
    "app_config_id": "app_configs",
    "app_secrets_config_id": "app_secrets_configs",
    "permissions_config_id": "app_permissions_configs",
    "policies_config_id": "app_policies_configs",
    "break_glass_config_id": "app_break_glass_configs",
    "app_id": "apps",
    "approval_id": "install_workflow_step_approvals",
    "build_id": "component_builds",
    "component_id": "components",
    "component_name_or_id": "components",
    "config_id": "app_configs",
    "deploy_id": "install_deploys",
    "input_config_id": "app_input_configs",
    "install_id": "installs",
    "install_workflow_id": "install_workflows",
    "install_workflow_step_id": "install_workflow_steps",
    "job_id": "runner_jobs",
    "log_stream_id": "log_streams",
    "run_id": "",
    "runner_id": "runners",
    "runner_job_id": "runner_jobs",
    "state_id": "terraform_workspace_states",
    "step_id": "install_workflow_steps",
    "workflow_id": "install_workflows",
    "workflow_run_id": "install_action_workflow_runs",
    "workspace_id": "terraform_workspaces",
}
WITHHELD = ("access.json", "credentials.json", "master.key")  # files of mode 0600 that exist to hold a secret


@dataclass
class Children:
    """Everything that a process of the system was started with, looked at again and again while jobs run."""

    below: str
    argv: set[bytes] = field(default_factory=set)
    environ: set[tuple[bytes, bytes]] = field(default_factory=set)  # argv, environ
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Children":
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.01):
            for entry in os.listdir("/proc"):
                if entry.isdecimal() and int(entry) != os.getpid():
                    with contextlib.suppress(OSError):
                        argv = Path(f"/proc/{entry}/cmdline").read_bytes()
                        environ = Path(f"/proc/{entry}/environ").read_bytes()
                        if argv != Path(f"/proc/{entry}/cmdline").read_bytes():
                            continue  # it becomes another program at this moment: it is looked at again in the next
                        if self.below.encode() in environ or self.below.encode() in argv:
                            self.argv.add(argv)
                            self.environ.add((argv, environ))


def app(system: Watched) -> Path:
    """Secrets come as inputs, go through variables, components and an action, and come out of Terraform."""
    directory = write_app(
        system.apps / "canaries",
        inputs='[[group]]\nname = "keys"\ndisplay_name = "Keys"\ndescription = "Keys."\n\n'
        + "\n".join(
            f'[[input]]\nname = "{name}"\ndisplay_name = "{name}"\ndescription = "A key."\ngroup = "keys"\n'
            "required = true\nsensitive = true\n"
            for name in ("quiet", "loud")
        ),
        sandbox_vars='quiet = "{{.nuon.inputs.inputs.quiet}}"\n',
        sandbox=f"""
variable "quiet" {{
  type      = string
  sensitive = true
}}
resource "terraform_data" "kept" {{ input = sensitive(trimspace(file("{system.base}/output.secret"))) }}
resource "terraform_data" "given" {{ input = {{ password = var.quiet }} }}
resource "terraform_data" "tells" {{
  triggers_replace = [var.quiet]
  provisioner "local-exec" {{ command = "echo one two; sleep 0.5" }}
}}
output "token" {{
  value     = terraform_data.kept.output
  sensitive = true
}}
output "nested" {{
  value     = {{ inside = [var.quiet] }}
  sensitive = true
}}
output "plain" {{ value = "seen" }}
""",
        components={
            "api": 'variable "token" {\n  type = string\n  sensitive = true\n}\n'
            'resource "terraform_data" "api" { input = "with ${var.token}" }\n'
            'output "page" {\n  value = "t=${var.token}"\n  sensitive = true\n}\n',
            # It marks nothing: what it was given is a secret all the same.
            "careless": 'variable "loud" { type = string }\n'
            'resource "terraform_data" "copy" { input = { url = "https://me:${var.loud}@db" } }\n'
            'output "url" { value = terraform_data.copy.output.url }\n'
            'output "json" { value = jsonencode({ (var.loud) = var.loud }) }\n',
        },
    )
    for name, variable in {"api": 'token = "{{.nuon.sandbox.outputs.token}}"', "careless": 'loud = "{{.nuon.inputs.inputs.loud}}"'}.items():
        component = directory / "components" / f"{name}.toml"
        component.write_text(component.read_text() + variable + "\n")
    (directory / "actions").mkdir()
    (directory / "actions" / "shout.toml").write_text(
        'name = "shout"\ntimeout = "1m"\n\n[[triggers]]\ntype = "post-provision"\n\n[[steps]]\nname = "shout"\n'
        'inline_contents = """\n#!/bin/sh\necho "the key is $LOUD"\necho "the key is $LOUD" >&2\necho heard\n'
        'echo "key=$LOUD" >> $NUON_ACTIONS_OUTPUT_FILEPATH\nsleep 0.3\n"""\n\n'
        '[steps.env_vars]\nLOUD = "{{.nuon.inputs.inputs.loud}}"\n'
    )
    return directory


def test_what_is_secret_is_found_nowhere(watched: Watched) -> None:
    planted = {name: f"canary{name}{secrets.token_hex(12)}" for name in ("quiet", "loud", "output")}
    (watched.base / "output.secret").write_text(planted["output"])
    calls = len(watched.witness.calls)
    with Children(str(watched.base)) as children:
        watched.vendor(app(watched))
        given = [f"--input={name}={planted[name]}" for name in ("quiet", "loud")]
        install, workflow, _ = watched.customer("canaries", "canaries", "--approve-all", *given)
        watched.watch(workflow)
        watched.watch(watched.exclave("installs", "reprovision", "canaries").split()[-1])
    (watched.base / "output.secret").unlink()
    # Terraform has really kept them, so that there was something to find.
    state = watched.state_of(watched.workspace_of(watched.get(f"/v1/installs/{install}")["sandbox"]["id"]))
    assert set(state["outputs"]) == {"token", "nested", "plain"}
    spoken = watched.witness.calls[calls:]
    assert any(planted["output"].encode() in call.body for call in spoken if "/v1/terraform-backend" in call.path and call.method == "POST")
    assert any(planted["loud"].encode() in call.answer for call in spoken if call.path.endswith("/claims"))

    tokens = {
        "api": watched.facts["token"],
        **{f"runner {n}": token for n, token in enumerate({c.bearer for c in spoken if c.bearer})},
        **{
            f"lease {n}": token
            for n, token in enumerate({c.login[1] for c in spoken if c.login[1]} | set(leases(c.answer for c in spoken)))
        },
    }
    assert len([name for name in tokens if name.startswith("lease")]) >= 5
    assert len([name for name in tokens if name.startswith("runner")]) >= 2
    canaries = Canaries({**planted, **tokens})

    found: list[str] = []
    places = {
        "the database": database(watched),
        "the data directory": files(watched.data),
        "the server's log": [("server.log", watched.log.read_bytes())],
        "an answer of the API": answers(watched),
        "the arguments of a process": ((argv.decode(errors="replace"), argv) for argv in children.argv if b"installs\0create" not in argv),
    }
    for place, texts in places.items():
        for where, text in texts:
            found += [f"{name} in {place}: {where}" for name in canaries.seen_in(text)]
    found += sorted(set(in_environments(children, canaries)))
    assert not found, "\n".join(found[:20])

    lines = [line for name, text in database(watched) if name == "log_records" for line in text.decode().splitlines()]
    assert [line for line in lines if "the key is " in line], "the action has spoken"


def leases(answers: Iterable[bytes]) -> Iterator[str]:
    for answer in answers:
        yield from (match.decode() for match in re.findall(rb'"token":"(tok[^"]+)"', answer))


class Canaries:
    """Finds them in a text: plain, in hexadecimal, or in base64."""

    def __init__(self, named: Mapping[str, str]) -> None:
        self._names = {form: name for name, canary in named.items() for form in forms(canary)}
        self._pattern = re.compile(b"|".join(re.escape(form) for form in self._names))

    def seen_in(self, text: bytes) -> set[str]:
        return {self._names[match] for match in self._pattern.findall(text)}


def forms(canary: str) -> list[bytes]:
    plain = canary.encode()
    coded = [base64.b64encode(b"x" * shift + plain)[4 if shift else 0 : -4] for shift in range(3)]
    return [plain, plain.hex().encode(), *coded, *(text.replace(b"+", b"-").replace(b"/", b"_") for text in coded)]


def unpacked(data: bytes) -> bytes:
    """What is compressed, as it was before."""
    with contextlib.suppress(OSError, EOFError, zstandard.ZstdError):
        if data[:2] == b"\x1f\x8b":
            return gzip.decompress(data)
        if data[:4] == b"\x28\xb5\x2f\xfd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


def database(system: Watched) -> Iterator[tuple[str, bytes]]:
    """Every table as text, and every binary value as what it holds."""
    with system.database() as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'"
        )
        for (table,) in tables.fetchall():
            with connection.cursor() as cursor, cursor.copy(sql.SQL("copy {} to stdout").format(sql.Identifier(table))) as rows:
                yield table, b"".join(bytes(row) for row in rows)
        binary = connection.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'public' and data_type = 'bytea'"
        )
        for table, column in binary.fetchall():
            values = connection.execute(sql.SQL("select {} from {}").format(sql.Identifier(column), sql.Identifier(table))).fetchall()
            for (value,) in values:
                if value is not None:
                    yield f"{table}.{column}", unpacked(bytes(value))


def files(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in directory.rglob("*"):
        if path.is_file() and path.name not in WITHHELD:
            data = path.read_bytes()
            yield str(path), data
            if (plain := unpacked(data)) is not data:
                yield f"{path} (unpacked)", plain


def answers(system: Watched) -> Iterator[tuple[str, bytes]]:
    """The answer of every GET of the public API, with the ids that there are."""
    document = json.loads(system.exclave("openapi"))
    with system.database() as connection:
        ids = {
            name: [
                row[0]
                for row in connection.execute(sql.SQL("select id from {} order by created_at").format(sql.Identifier(table))).fetchall()
            ]
            for name, table in TABLES.items()
            if table
        }
        runs = [
            row[0]
            for row in connection.execute("select id from install_sandbox_runs union all select id from install_action_workflow_runs")
        ]
    ids["run_id"] = runs
    answered = 0
    headers = {"Authorization": f"Bearer {system.facts['token']}"}
    with httpx.Client(base_url=system.url, headers=headers, timeout=20, trust_env=False) as client:
        for path, operations in document["paths"].items():
            if "get" not in operations or path.endswith("/watch") or "/sse" in path or "tail" in path:
                continue
            for concrete in filled(path, ids):
                for suffix in ("", "?expand=all") if "{install_id}" in path else ("",):
                    answer = client.get(concrete + suffix)
                    assert answer.status_code < 500 or answer.status_code == 501, f"{concrete}: {answer.text}"
                    answered += answer.status_code == 200
                    yield f"{concrete}{suffix} ({answer.status_code})", answer.content + str(answer.headers).encode()
    assert answered > 100


def filled(path: str, ids: Mapping[str, list[str]]) -> list[str]:
    """The path with a few of the ids in place of each parameter: the newest of each, and the two newest of the last."""
    names = re.findall(r"{(\w+)}", path)
    if not all(ids.get(name) for name in names):
        return []
    for name in names[:-1]:
        path = path.replace("{" + name + "}", ids[name][-1])
    return [path.replace("{" + names[-1] + "}", one) for one in ids[names[-1]][-2:]] if names else [path]


def in_environments(children: Children, canaries: Canaries) -> Iterator[str]:
    for argv, environ in children.environ:
        for variable in environ.split(b"\0"):
            name, _, value = variable.partition(b"=")
            for canary in canaries.seen_in(value):
                # Terraform takes the password of its backend from the environment, and an action what its config puts there.
                if canary.startswith("lease") and name == b"TF_HTTP_PASSWORD":
                    continue
                if canary == "loud" and name == b"LOUD":
                    continue
                # The command line of the test itself is spoken to by its environment.
                if canary == "api" and name == b"EXCLAVE_TOKEN":
                    assert b"exclave.cli" in argv, argv
                    continue
                yield f"{canary} in the environment of {argv!r}: {name.decode()}"
