"""What is wrong is said in the right place, with the way out; nothing is lost, and the next attempt works."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.apps import ledger, lines, write_app
from tests.e2e.system import System

PLAN, APPLY = "provision sandbox plan", "provision sandbox apply plan"
INPUTS = """
[[group]]
name = "g"
display_name = "All"
description = "All."

[[input]]
name = "size"
display_name = "Size"
description = "How big."
group = "g"
required = true
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system for these tests, with a root for file:// repositories and an app `fine` that has a required input."""
    made = System(EXCLAVE_LOCAL_SOURCES=str(tmp_path_factory.mktemp("repositories")))
    try:
        made.start()
        made.vendor(write_app(made.apps / "fine", inputs=INPUTS))
        made.customer("taken", "fine", "--input", "size=1")
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["apps", "create", "fine"], 1, "an app named 'fine' exists already in this org"),
        (["installs", "create", "new", "--app", "nope"], 3, "app 'nope' not found"),
        (["installs", "create", "taken", "--app", "fine", "--input", "size=1"], 1, "has an install named 'taken' already"),
        (["installs", "create", "new", "--app", "fine"], 1, "missing required inputs: size"),
        (["installs", "create", "new", "--app", "fine", "--input", "size=1", "--input", "colour=red"], 1, "unknown inputs: colour"),
        (["installs", "reprovision", "nope"], 3, "no install 'nope'"),
    ],
)
def test_a_wrong_request_is_refused_and_changes_nothing(system: System, words: list[str], code: int, said: str) -> None:
    before = system.json("apps", "list"), [install["id"] for install in system.json("installs", "list")]
    assert said in system.exclave(*words, code=code)
    assert (system.json("apps", "list"), [install["id"] for install in system.json("installs", "list")]) == before


def test_the_same_request_made_right_works(system: System) -> None:
    system.exclave("installs", "create", "new", "--app", "fine", code=1)
    _, workflow, _ = system.customer("new", "fine", "--input", "size=1", "--approve-all")
    system.watch(workflow)


MODULE = 'name = "{name}"\ntype = "terraform_module"\nterraform_version = "1.8.0"\n\n[local]\ndirectory = "./sandbox"\n\n[vars]\n{vars}\n'


@pytest.mark.parametrize(
    ("variables", "place", "said"),
    [
        ({"a": 'x = "{{.nuon.components.b.outputs.y}}"', "b": 'y = "{{.nuon.components.a.outputs.x}}"'}, "components/", "a -> b -> a"),
        ({"a": 'x = "{{.nuon.components.nothing.outputs.y}}"'}, "components/a.toml:9:8", 'no component "nothing"'),
        ({"a": 'x = "{{.nuon.inputs.inputs.nothing}}"'}, "components/a.toml:9:8", 'no input "nothing"'),
        ({"a": 'x = "{{.nuon.nothing.at.all}}"'}, "components/a.toml:9:", "nothing"),
        ({"a": 'x = "{{.nuon.inputs"'}, "components/a.toml:9:", ""),
        ({"a": "x = "}, "components/a.toml:9:", ""),
    ],
    ids=["cycle", "component", "input", "section", "template", "toml"],
)
def test_a_config_that_cannot_work_is_not_sent_and_named_by_file_and_line(
    system: System, variables: dict[str, str], place: str, said: str, request: pytest.FixtureRequest
) -> None:
    name = f"wrong-{request.node.callspec.id}"
    directory = write_app(system.apps / name)
    (directory / "components").mkdir()
    for component, text in variables.items():
        (directory / "components" / f"{component}.toml").write_text(MODULE.format(name=component, vars=text))
    system.exclave("apps", "create", name)
    told = system.exclave("apps", "sync", str(directory), code=1)
    assert any(place in line and "error[EX-" in line and said in line for line in told.splitlines()), told
    assert "nothing was sent" in told
    assert system.get(f"/v1/apps/{name}/configs") == []
    shutil.rmtree(directory / "components")
    system.exclave("apps", "sync", str(directory))


def test_the_server_itself_refuses_a_cycle(system: System) -> None:
    system.exclave("apps", "create", "ring")
    path = "/v1/apps/ring/components"
    first = system.api("POST", path, json={"name": "first", "dependencies": []}).json()["id"]
    second = system.api("POST", path, json={"name": "second", "dependencies": [first]}).json()["id"]
    answer = system.api("PATCH", f"/v1/components/{first}", json={"name": "first", "dependencies": [second]})
    assert answer.status_code == 400, answer.text
    assert "first" in answer.json()["description"]


def test_a_repository_that_does_not_clone_fails_the_build_and_the_next_sync_works(system: System) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git on PATH")
    repository = Path(system.settings["EXCLAVE_LOCAL_SOURCES"]) / "modules"
    (repository / "web").mkdir(parents=True)
    (repository / "web" / "main.tf").write_text(ledger(system.base / "cloned.ledger"))
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "First"]):
        subprocess.run([*git, *words], check=True)

    directory = write_app(system.apps / "cloned")
    component = directory / "components" / "web.toml"
    component.parent.mkdir()
    text = MODULE.format(name="web", vars="").replace("[local]", f'[public_repo]\nrepo = "file://{repository}"').partition("directory")[0]
    text += 'directory = "web"\n'
    component.write_text(text + 'branch = "no-such-branch"\n')
    system.exclave("apps", "create", "cloned")
    told = system.exclave("apps", "sync", str(directory), code=1)
    assert "build web: error" in told
    assert "no-such-branch" in told
    assert "exclave: builds failed: web" in told

    component.write_text(text + 'branch = "main"\n')
    assert "build web: active" in both(system, "apps", "sync", str(directory))
    _, workflow, _ = system.customer("cloned", "cloned", "--approve-all")
    system.watch(workflow)
    assert lines(system.base / "cloned.ledger") == ["began", "ended"]


def both(system: System, *words: str) -> str:
    """What a command that went well said on both streams."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "exclave.cli", *words], env=system.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_path_of_the_servers_host_is_refused_unless_its_root_is_listed(system: System, tmp_path: Path) -> None:
    directory = write_app(system.apps / "elsewhere")
    (directory / "sandbox.toml").write_text(
        f'terraform_version = "1.8.0"\n\n[public_repo]\nrepo = "file://{tmp_path}"\ndirectory = "."\nbranch = "main"\n'
    )
    system.exclave("apps", "create", "elsewhere")
    told = system.exclave("apps", "sync", str(directory), code=1)
    assert told.startswith("exclave: sandbox: ")
    assert str(tmp_path) in told
    assert "EXCLAVE_LOCAL_SOURCES" in told
    assert {config["status"] for config in system.get("/v1/apps/elsewhere/configs")} == {"error"}


FAILURES = {
    "init": (PLAN, 'terraform {\n  required_version = ">= 99"\n}\n', "Unsupported Terraform Core version"),
    "syntax": (PLAN, 'resource "terraform_data" "x" {\n', "Unclosed configuration block"),
    "plan": (
        PLAN,
        'locals { moon = "new" }\nresource "terraform_data" "x" {\n  lifecycle {\n    precondition {\n'
        '      condition     = local.moon == "full"\n      '
        'error_message = "the moon is not full"\n    }\n  }\n}\n',
        "the moon is not full",
    ),
    "apply": (
        APPLY,
        'resource "terraform_data" "x" {\n  provisioner "local-exec" { command = "echo woe on stderr >&2; exit 7" }\n}\n',
        "exit status 7",
    ),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_terraform_that_fails_tells_its_last_lines_and_works_after_a_fix(system: System, kind: str) -> None:
    name, (step_name, module, said) = f"tf-{kind}", FAILURES[kind]
    directory = write_app(system.apps / name, sandbox=module)
    system.vendor(directory)
    _, workflow, _ = system.customer(name, name, "--approve-all")
    told = system.watch(workflow, code=1)
    assert f"step {step_name!r}" in told
    step = system.step(workflow, step_name)
    assert step["status"]["status"] == "error"
    assert "terraform cannot" in step["status"]["status_human_description"]
    assert said in step["status"]["metadata"]["tail"]
    runs = system.json("sandbox-runs", name)
    assert runs[0]["status"] == "error"
    assert said in system.exclave("logs", runs[0]["id"])

    (directory / "sandbox" / "main.tf").write_text(ledger(system.base / f"{name}.ledger"))
    system.exclave("apps", "sync", str(directory))
    again = system.exclave("installs", "reprovision", name).strip()
    system.exclave("workflows", "approve", again, "--all")
    system.watch(again)
    assert lines(system.base / f"{name}.ledger") == ["began", "ended"]


def test_a_failed_apply_is_retried_when_the_cause_is_gone(system: System) -> None:
    cause = system.base / "cause"
    cause.touch()
    module = f'resource "terraform_data" "x" {{\n  provisioner "local-exec" {{ command = "test ! -e {cause}" }}\n}}\n'
    system.vendor(write_app(system.apps / "mended", sandbox=module))
    _, workflow, _ = system.customer("mended", "mended", "--approve-all")
    assert f"exclave workflows retry {workflow}" in system.watch(workflow, code=1)
    cause.unlink()
    system.exclave("workflows", "retry", workflow)
    system.watch(workflow)


def test_a_version_that_the_runner_has_not_is_an_error_that_names_both(system: System) -> None:
    directory = write_app(system.apps / "future")
    sandbox = directory / "sandbox.toml"
    sandbox.write_text(sandbox.read_text().replace("1.8.0", "1.99.0"))
    system.vendor(directory)
    _, workflow, _ = system.customer("future", "future", "--approve-all")
    told = system.watch(workflow, code=1)
    assert "asks for Terraform 1.99.0, this runner has" in told
    sandbox.write_text(sandbox.read_text().replace("1.99.0", "1.8.0"))
    system.exclave("apps", "sync", str(directory))
    again = system.exclave("installs", "reprovision", "future").strip()
    system.exclave("workflows", "approve", again, "--all")
    system.watch(again)
    assert "the config asks for Terraform 1.8.0:" in system.exclave("logs", "future"), "an older wish is met by what is there, and said"


# The wire.


def test_a_runners_token_does_not_open_the_public_api(system: System) -> None:
    runner = system.json("installs", "get", "taken")["runner_id"]
    token = system.runner_token(runner)
    answer = httpx.get(f"{system.url}/v1/installs", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert answer.status_code == 403
    assert "runner API only" in answer.json()["description"]


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "said"),
    [
        ("POST", "/v1/apps", b'{"name": "' + b"x" * 20_000_000 + b'"}', 413, "20000012 bytes"),
        ("POST", "/v1/apps", b'{"name": ', 400, "invalid request format"),
        ("POST", "/v1/apps", b'{"name": "\xff"}', 400, "invalid request format"),
        ("POST", "/v1/apps", b"[" * 100_000, 400, "invalid request format"),
        ("DELETE", "/v1/account", b"", 405, "not with this method"),
        ("GET", "/v1/nothing", b"", 404, "no such path"),
    ],
)
def test_what_is_no_request_gets_an_answer_that_says_so(
    system: System, method: str, path: str, content: bytes, status: int, said: str
) -> None:
    answer = system.api(method, path, content=content)
    assert answer.status_code == status
    assert answer.json()["user_error"] is True
    assert said in answer.json()["description"]
    assert system.get("/v1/account")["email"], "and the next one is answered as if nothing had been"


@pytest.mark.parametrize(
    "request_line",
    [b"GET /v1/apps/%ff%fe%00 HTTP/1.1", b"GET /v1/apps/\xff\xfe HTTP/1.1", b"GET " + b"/a" * 60_000 + b" HTTP/1.1", b"\x00\x01"],
)
def test_bytes_that_no_client_sends_are_a_4xx_or_the_end_of_the_connection(system: System, request_line: bytes) -> None:
    token = system.facts["token"].encode()
    with socket.create_connection(("127.0.0.1", system.ports["public"]), timeout=20) as connection:
        connection.sendall(request_line + b"\r\nHost: x\r\nAuthorization: Bearer " + token + b"\r\nConnection: close\r\n\r\n")
        answer = connection.makefile("rb").readline()
    assert answer == b"" or answer.split()[1].startswith(b"4"), answer
    assert system.get("/v1/account")["email"]
