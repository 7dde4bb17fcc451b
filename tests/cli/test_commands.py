"""The commands against a running Exclave: exit codes, where data and messages go, JSON, tables."""

import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from fcntl import ioctl

import pytest

from exclave import config
from exclave.cli import session
from exclave.cli.sync import Sync
from tests.cli.system import COMMAND, System, until

pytestmark = pytest.mark.slow
ID = re.compile(r"[a-z]{3}[0-9a-z]{23}")


def on_a_terminal(system: System, *words: str, columns: int = 100, lines: int = 40, environ: Mapping[str, str] = {}) -> tuple[int, str]:
    """Run a command on a pseudo terminal; return its exit code and what a person would see, escape sequences and all."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    child = subprocess.Popen(
        [*COMMAND, *words], env={**system.environ, "TERM": "xterm", **environ}, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    seen = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        try:
            chunk = os.read(ours, 65536) if ready else b""
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    os.close(ours)
    return child.wait(10), seen.decode()


# Exit codes.


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["installs", "list"], 0, ""),
        (["installs", "get", "nope"], 3, "exclave: no install 'nope'\n"),
        (["workflows", "list", "nope"], 3, "exclave: no install 'nope'\n"),
        (["workflows", "watch", "nope"], 3, "exclave: no workflow nope in this org\n"),
        (["workflows", "cancel", "inw" + "0" * 23], 3, f"exclave: no workflow inw{'0' * 23}\n"),
        (["sandbox-runs", "nope"], 3, "exclave: no install 'nope' in this org\n"),
        (["logs", "nope"], 3, "exclave: nothing with the id nope has logs\n"),
        (["logs", "nope", "-f"], 3, "exclave: nothing with the id nope has logs\n"),
        (["installs", "create", "x", "--app", "nope"], 3, "exclave: app 'nope' not found\n"),
        (["installs", "create", "x", "--app", "hello", "--input", "greeting"], 2, "exclave: --input greeting: write it as name=value\n"),
        (["workflows", "watch", "x", "--until", "dawn"], 2, "exclave: --until dawn: choose finished or approval\n"),
        (["apps", "create", "Bad Name"], 1, "exclave: name: 'Bad Name' may hold lower case letters"),
        (["server", "--role", "king"], 2, "exclave: --role king: choose api, worker or all\n"),
        (["openapi", "--audience", "moon"], 2, "exclave: 'moon' is no audience: choose public or runner\n"),
        (["installs", "create"], 2, "Usage: "),
        (["installs", "get", ""], 2, "exclave: a name or an id is empty\n"),
        (["workflows", "watch", ""], 2, "exclave: a name or an id is empty\n"),
        (["installs", "get", "../apps"], 3, "exclave: no such path"),
        (["installs", "get", ".."], 3, "exclave: no install '..'\n"),
        (["installs", "get", "acme#x"], 3, "exclave: no install 'acme#x'\n"),
        (["installs", "state", "acme/state?x="], 3, "exclave: no such path"),
        (["installs", "deprovision", "acme?x"], 3, "exclave: no install 'acme?x'\n"),
        (["workflows", "list", "acme/../acme"], 3, "exclave: no such path"),
        (["installs", "get", "a\nb"], 3, "exclave: no install 'a\\nb'\n"),
        (["installs", "get", "a\udcff"], 3, "exclave: no install"),
        (["apps", "create", "a\udcff"], 2, "exclave: a word of this command is no text"),
    ],
)
def test_each_failure_has_its_exit_code_and_one_clear_line_on_stderr(hello, words, code, said):
    done = hello.exclave(*words, code=code)
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr
    if code:
        assert done.stdout == ""


def test_a_server_that_is_not_there_is_said_within_seconds(hello):
    began = time.monotonic()
    done = hello.exclave("installs", "list", code=2, environ={"EXCLAVE_API_URL": "http://127.0.0.1:1"})
    assert time.monotonic() - began < 10
    assert "Is the server running" in done.stderr
    assert "`exclave up`" in done.stderr


def test_a_wrong_token_is_said_with_the_way_out(hello):
    done = hello.exclave("installs", "list", code=1, environ={"EXCLAVE_TOKEN": "wrong"})
    assert "the token is not valid" in done.stderr
    assert "give a fresh one" in done.stderr


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"EXCLAVE_API_URL": "http://127.0.0.1:99999"}, "is no URL of an API"),
        ({"EXCLAVE_API_URL": "http://[::1"}, "is no URL of an API"),
        ({"EXCLAVE_TOKEN": "precious\n"}, "the token holds a character that no header can"),
        ({"EXCLAVE_TOKEN": "preciöus"}, "the token holds a character that no header can"),
    ],
)
def test_an_address_or_token_that_cannot_be_is_usage_and_never_printed(hello, environ, said):
    done = hello.exclave("installs", "list", code=2, environ=environ)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "preci" not in done.stderr
    assert hello.exclave("doctor", code=1, environ=environ).stderr == ""


def test_no_context_is_usage(tmp_path, hello):
    done = hello.exclave("installs", "list", code=2, environ={"HOME": str(tmp_path)})
    assert "run `exclave up`, or set EXCLAVE_API_URL and EXCLAVE_TOKEN" in done.stderr


def test_ctrl_c_of_a_watch_ends_with_130(hello):
    workflow = hello.install("hello", "interrupted")
    hello.exclave("workflows", "watch", workflow, "--until", "approval")
    child = subprocess.Popen([*COMMAND, "workflows", "watch", workflow], env=hello.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert b"Traceback" not in out + err


def test_a_reader_that_goes_away_makes_no_noise(hello):
    done = subprocess.run(
        ["/bin/sh", "-c", f"{' '.join(COMMAND)} installs state acme | head -c 10"], env=hello.environ, capture_output=True, text=True
    )
    assert len(done.stdout) == 10
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ("installs list > /dev/full", 1, "exclave: No space left on device\n"),
        ("installs state acme > /dev/full", 1, "exclave: No space left on device\n"),
        ("logs acme > /dev/full", 1, "exclave: No space left on device\n"),
        ("installs list >&-", 0, ""),
        ("installs get nope 2>&-", 3, ""),
        ("installs list <&- >&- 2>&-", 0, ""),
    ],
)
def test_a_standard_stream_that_is_full_or_closed_is_no_crash(hello, shell, code, said):
    done = subprocess.run(["/bin/sh", "-c", f"{' '.join(COMMAND)} {shell}"], env=hello.environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, said)


def test_a_document_may_be_read_in_part(hello):
    done = subprocess.run(["/bin/sh", "-c", f"{' '.join(COMMAND)} openapi | head -c 10"], env=hello.environ, capture_output=True, text=True)
    assert (len(done.stdout), done.stderr) == (10, "")


# What is printed.


def test_lists_are_columns_divided_by_tabs_without_a_terminal(hello):
    lines = hello.exclave("installs", "list", environ={"COLUMNS": "60"}).stdout.splitlines()
    assert lines[0].split("\t") == ["NAME", "ID", "APP", "SANDBOX", "COMPONENTS", "RUNNER"]
    acme = next(line.split("\t") for line in lines if line.startswith("acme"))
    assert ID.fullmatch(acme[1])
    assert acme[3:] == ["active", "active", "active"]


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["apps", "list"], {"id", "name", "status"}),
        (["installs", "list"], {"id", "name", "app_id"}),
        (["workflows", "list", "acme"], {"id", "type", "status", "finished"}),
        (["sandbox-runs", "acme"], {"id", "run_type", "status"}),
        (["doctor"], {"check", "ok", "what"}),
    ],
)
def test_every_list_is_json_on_demand_and_nothing_else_is_on_stdout(hello, words, keys):
    found = hello.json(*words)
    assert isinstance(found, list)
    assert keys <= found[0].keys()


def test_one_thing_is_one_json_object(hello):
    install = hello.json("installs", "get", "acme")
    assert install["name"] == "acme"
    assert hello.json("installs", "state", "acme")["inputs"]["inputs"]["greeting"] == "hi"
    workflow = hello.json("workflows", "list", "acme")[-1]["id"]
    assert hello.json("workflows", "get", workflow)["id"] == workflow
    assert hello.json("workflows", "watch", workflow)["finished"] is True


def test_logs_are_one_json_object_a_line_in_order(hello):
    (run,) = hello.json("sandbox-runs", "acme")
    records = [json.loads(line) for line in hello.exclave("logs", run["id"], "--json").stdout.splitlines()]
    assert len(records) > 5
    stamps = [record["timestamp"] for record in records]
    assert stamps == sorted(stamps)
    assert any("Apply complete" in record["body"] for record in records)
    assert hello.exclave("logs", run["id"], "-f").stdout == hello.exclave("logs", run["id"]).stdout, "a closed stream ends the tail"


def test_a_terminal_gets_a_table_that_fits_it(hello):
    code, seen = on_a_terminal(hello, "installs", "list", columns=60)
    assert code == 0
    assert "\t" not in seen
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen).splitlines()
    assert max(len(line) for line in lines) <= 60
    assert any(ID.fullmatch(word) for line in lines for word in line.split()), "an id is whole, for whoever copies it"


def test_a_watch_on_a_terminal_is_a_live_table(hello):
    workflow = hello.json("workflows", "list", "acme")[-1]["id"]
    code, seen = on_a_terminal(hello, "workflows", "watch", workflow)
    assert code == 0
    assert "\x1b[" in seen
    assert "STEP" in seen
    assert "provision sandbox apply plan" in seen


def test_no_color_means_no_colour(hello):
    workflow = hello.json("workflows", "list", "acme")[-1]["id"]
    _, coloured = on_a_terminal(hello, "workflows", "watch", workflow)
    _, plain = on_a_terminal(hello, "workflows", "watch", workflow, environ={"NO_COLOR": "1"})
    assert "\x1b[32m" in coloured
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", plain)


# A workflow, from the first question to its end.


@pytest.fixture(scope="module")
def asking(hello) -> tuple[System, str]:
    made = hello.json("installs", "create", "asked", "--app", "hello", "--input", "greeting=hi")
    assert made.keys() == {"install", "workflow_id"}
    assert made["install"]["name"] == "asked"
    assert ID.fullmatch(made["workflow_id"])
    hello.exclave("workflows", "watch", made["workflow_id"], "--until", "approval")
    return hello, made["workflow_id"]


def test_a_small_terminal_shows_what_runs_and_in_the_end_all_of_it(asking):
    system, workflow = asking
    code, seen = on_a_terminal(system, "workflows", "watch", workflow, "--until", "approval", columns=60, lines=10)
    assert code == 0
    words = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)
    living, _, ended = words.partition("after)")
    assert "before)" in living
    assert "approval-awaiting" in living
    assert "generate install" not in living, "what is done makes room"
    assert "generate install" in ended
    assert "approval-awaiting" in ended


def test_a_plan_is_shown_approved_and_applied(asking):
    system, workflow = asking
    assert "+ terraform_data.ground" in system.exclave("workflows", "plan", workflow).stdout
    contents = system.json("workflows", "plan", workflow)
    assert contents["resource_changes"][0]["address"] == "terraform_data.ground"
    assert "no step" in system.exclave("workflows", "approve", workflow, "--step", "nothing", code=1).stderr
    assert system.exclave("workflows", "approve", workflow, "--note", "fine").stdout == "approve\tprovision sandbox plan\n"
    system.exclave("workflows", "approve", workflow, "--all")
    followed = system.exclave("logs", "asked", "-f").stdout
    done = system.exclave("workflows", "watch", workflow)
    assert done.stdout.splitlines()[-1].startswith("success            Provisioned install")
    assert all(re.match(r"[a-z-]+ +\S", line) for line in done.stdout.splitlines()), "one line per change"
    assert "web answers: hi from 10.0.0.10" in followed, "a followed install shows the work that began later, too"
    assert "no step" in system.exclave("workflows", "approve", workflow, code=1).stderr
    assert "no step" in system.exclave("workflows", "retry", workflow, code=1).stderr
    assert "not cancelable" in system.exclave("workflows", "cancel", workflow, code=1).stderr


def test_a_denied_plan_ends_the_workflow_and_the_next_attempt_works(hello):
    workflow = hello.install("hello", "denied")
    hello.exclave("workflows", "watch", workflow, "--until", "approval")
    hello.exclave("workflows", "deny", workflow, "--note", "not on a Friday")
    done = hello.exclave("workflows", "watch", workflow, code=1)
    assert done.stderr == (
        "exclave: the workflow ended with error: the plan of step 'provision sandbox plan' was denied: not on a Friday\n"
    )
    again = hello.exclave("installs", "reprovision", "denied").stdout.strip()
    hello.exclave("workflows", "approve", again, "--all")
    hello.exclave("workflows", "watch", again)


def test_a_workflow_is_cancelled(hello):
    workflow = hello.install("hello", "cancelled")
    hello.exclave("workflows", "watch", workflow, "--until", "approval")
    hello.exclave("workflows", "cancel", workflow)
    assert "cancelled" in hello.exclave("workflows", "watch", workflow, code=1).stderr


def test_a_failed_step_is_retried_or_skipped(hello, tmp_path):
    marker = tmp_path / "marker"
    tmp_path.chmod(0o755)

    def needs_marker(directory):
        action = directory / "actions" / "check.toml"
        action.write_text(action.read_text().replace("set -eu\n", f"set -eu\ntest -e {marker}\n"))

    hello.exclave("apps", "sync", str(hello.app("flaky", needs_marker)))
    workflow = hello.install("flaky", "flaky", "--approve-all")
    failed = hello.exclave("workflows", "watch", workflow, code=1)
    assert "step 'check Action Run (post-provision)'" in failed.stderr
    assert f"exclave workflows retry {workflow}" in failed.stderr
    marker.touch()
    hello.exclave("workflows", "retry", workflow)
    hello.exclave("workflows", "watch", workflow)
    marker.unlink()
    again = hello.install("flaky", "skipped", "--approve-all")
    hello.exclave("workflows", "watch", again, code=1)
    hello.exclave("workflows", "skip", again)
    until(lambda: hello.json("workflows", "get", again).get("finished"))
    steps = {step["name"]: step["status"]["status"] for step in hello.json("workflows", "get", again)["steps"]}
    assert steps["check Action Run (post-provision)"] == "user-skipped"


def test_doctor_says_what_is_missing(hello, tmp_path):
    done = hello.exclave("doctor", code=1, environ={"PATH": str(tmp_path)})
    assert "FAIL terraform" in done.stdout
    assert "EXCLAVE_TERRAFORM=/path" in done.stdout
    assert shutil.which("git") is None or "ok   git" in done.stdout


def test_names_are_sent_as_they_are_written(hello):
    """A `?`, a `#` or a hyphen in a name is part of it: what is synced is what is named, or nothing."""

    def renamed(directory):
        web = directory / "components" / "web.toml"
        web.write_text(web.read_text().replace('name = "web"', 'name = "web-site"'))
        action = directory / "actions" / "check.toml"
        text = action.read_text().replace(
            '"{{.nuon.components.web.outputs.page}}"', "'{{(index .nuon.components `web-site`).outputs.page}}'"
        )
        action.write_text(text)
        (directory / "actions" / "other.toml").write_text(text.replace('name = "check"', 'name = "check?a=b#c"'))

    directory = hello.app("names", renamed)
    synced = hello.json("apps", "sync", str(directory))
    assert [component["name"] for component in synced["components"]] == ["database", "network", "web-site"]
    assert synced["failed_builds"] == []
    for name in ("names#old", "names?x", "../names"):
        refused = hello.exclave("apps", "sync", str(directory), "--app", name, code=3)
        assert refused.stderr.endswith(f"exclave: app {name!r} not found\n") or "no such path" in refused.stderr


def test_a_link_to_an_app_directory_has_the_name_of_the_link(hello):
    directory = hello.app("linked")
    directory.rename(directory.with_name("linked-1.0"))
    directory.symlink_to("linked-1.0")
    assert hello.json("apps", "sync", str(directory))["app"] == "linked"


def test_a_section_that_the_server_refuses_is_named(hello):
    def with_policy(directory):
        (directory / "policies.toml").write_text('[[policy]]\ntype = "sandbox"\nengine = "opa"\ncontents = "package x"\n')

    refused = hello.exclave("apps", "sync", str(hello.app("policed", with_policy)), code=1)
    assert "exclave: policies: " in refused.stderr


def test_what_is_edited_during_a_sync_is_built_by_the_next(hello, monkeypatch):
    directory = hello.app("edited")

    class Edited(Sync):
        async def _upload(self):
            digest = await super()._upload()
            with (directory / "modules" / "web" / "main.tf").open("a") as module:
                module.write("# edited\n")
            return digest

    monkeypatch.setenv("HOME", hello.environ["HOME"])
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    session.call(lambda api: Edited(api, directory, config.load(directory), "edited", wait=True).run())
    synced = hello.json("apps", "sync", str(directory))["components"]
    assert [component["name"] for component in synced if component["changed"]] == ["web"]
    assert not any(component["changed"] for component in hello.json("apps", "sync", str(directory))["components"])
