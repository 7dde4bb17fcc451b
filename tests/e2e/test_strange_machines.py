"""`make demo` and `exclave up` on machines that are not like ours: programs missing, environments full of nonsense, other users."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract import seed
from tests.processes import until

ROOT = Path(__file__).resolve().parents[2]
CLONED = ("Makefile", "pyproject.toml", "README.md", "requirements", "src", "examples")
USER = 65534  # `nobody`: initdb refuses a user that has no name
DEMO_SECONDS = 240
SHARED = Path("/var/lib")  # of other programs, too: only its own mode and owner are looked at
PACKAGES = [path for path in sys.path if path.endswith("site-packages")]

NONSENSE = {
    "TF_CLI_ARGS": "-nonsense", "TF_VAR_region": "nowhere", "TF_DATA_DIR": "/nonsense", "TF_WORKSPACE": "nonsense", "TF_LOG": "TRACE",
    "TF_CLI_CONFIG_FILE": "/nonsense", "TF_HTTP_ADDRESS": "http://127.0.0.1:1", "TERRAFORM_CONFIG": "/nonsense",
    "NUON_API_URL": "http://127.0.0.1:1", "NUON_ORG_ID": "nonsense", "NUON_API_TOKEN": "nonsense", "NUON_CONFIG_FILE": "/nonsense",
    "EXCLAVE_API_URL": "http://127.0.0.1:1", "EXCLAVE_TOKEN": "nonsense", "EXCLAVE_ORG_ID": "nonsense", "EXCLAVE_CONTEXT": "nonsense",
    "EXCLAVE_CONFIG": "/nonsense/config", "EXCLAVE_DATABASE_URL": "nonsense", "EXCLAVE_OWNER_URL": "nonsense", "EXCLAVE_ROLE": "nonsense",
    "EXCLAVE_HOST": "nonsense", "EXCLAVE_PUBLIC_PORT": "nonsense", "EXCLAVE_ADMIN_PORT": "-1", "EXCLAVE_RUNNER_PORT": "1",
    "EXCLAVE_LEASE": "nonsense", "EXCLAVE_MASTER_KEY": "nonsense", "EXCLAVE_LOG_LEVEL": "nonsense", "EXCLAVE_LOCAL_SOURCES": "/nonsense",
    "RUNNER_API_URL": "http://127.0.0.1:1", "RUNNER_ID": "nonsense", "RUNNER_API_TOKEN": "nonsense", "XDG_CONFIG_HOME": "nonsense",
    "PGHOST": "/nonsense", "PGPORT": "1", "PGDATA": "/nonsense", "PGUSER": "nonsense",
    "HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1",
    "COLUMNS": "60", "NO_COLOR": "1", "TERM": "dumb",
}  # fmt: skip


@dataclass
class Machine:
    """A clone of the repository that is installed already, a HOME, and a user; all of mode 0700."""

    base: Path
    uid: int

    @property
    def clone(self) -> Path:
        return self.base / "clone"

    @property
    def home(self) -> Path:
        return self.base / "home"

    def environ(self, **more: str) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": tools(self.base), **more}

    def start(self, *command: str, environ: Mapping[str, str] = {}) -> "subprocess.Popen[str]":
        """Start a command as the user of this machine, in a process group of its own, with umask 077."""
        return subprocess.Popen(
            command, cwd=self.clone, env=self.environ(**environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True, umask=0o077,
            **({"user": self.uid, "group": self.uid, "extra_groups": []} if self.uid != os.geteuid() else {}),
        )  # fmt: skip

    def run(self, *command: str, environ: Mapping[str, str] = {}) -> "subprocess.CompletedProcess[str]":
        process = self.start(*command, environ=environ)
        out, err = process.communicate(timeout=DEMO_SECONDS)
        return subprocess.CompletedProcess(command, process.returncode, out, err)


def tools(base: Path, *, without: tuple[str, ...] = ("git", "useradd")) -> str:
    """A PATH with what a bare machine has, and terraform; nothing else."""
    directory = base / "tools"
    if not directory.exists():
        directory.mkdir(mode=0o755)
        for name in ("sh", "make", "env", "cat", "touch", "uname", "id", "echo", "test", "terraform", "tofu", "git", "useradd"):
            found = shutil.which(name)
            if found and name not in without:
                (directory / name).symlink_to(found)
    return str(directory)


@contextlib.contextmanager
def machine(uid: int) -> Iterator[Machine]:
    base = Path(tempfile.mkdtemp(prefix="exclave-machine-"))
    base.chmod(0o711)
    made = Machine(base, uid)
    made.home.mkdir(mode=0o700)
    made.clone.mkdir(mode=0o700)
    tools(base)
    for name in CLONED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, made.clone / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, made.clone / name)
    install(made, python_for(uid))
    for path in [made.home, *made.home.rglob("*"), made.clone, *made.clone.rglob("*")]:
        os.chown(path, uid, uid, follow_symlinks=False)
    try:
        yield made
    finally:
        environ = {**made.environ(), "EXCLAVE_DATA_DIR": str(base / "data" / "demo")}
        subprocess.run([str(made.clone / ".venv/bin/python"), "-P", "-m", "exclave.server", "remove"], env=environ, check=False)
        shutil.rmtree(base, ignore_errors=True)


def python_for(uid: int) -> str:
    """A Python of our version that the user can start."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/python{own}", f"/usr/local/bin/python{own}"):
        if not os.path.exists(candidate):
            continue
        with contextlib.suppress(OSError):
            as_user: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []} if uid != os.geteuid() else {}
            check = f"import os, sys, venv; sys.exit(not os.access({PACKAGES[-1]!r}, os.R_OK) or '%d.%d' % sys.version_info[:2] != {own!r})"
            if subprocess.run([candidate, "-c", check], cwd="/", capture_output=True, **as_user).returncode == 0:
                return candidate
    pytest.skip(f"user {uid} can start no Python {own} here, or cannot read {PACKAGES[-1]}")


def install(made: Machine, python: str) -> None:
    """What `make install` makes, without a network: a venv that borrows the packages of the one that runs the tests."""
    venv = made.clone / ".venv"
    subprocess.run([python, "-m", "venv", "--without-pip", str(venv)], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "exclave.pth").write_text("\n".join([str(made.clone / "src"), *PACKAGES]))
    script = venv / "bin" / "exclave"
    script.write_text(f"#!{venv}/bin/python\nfrom exclave.cli.__main__ import main\nmain()\n")
    script.chmod(0o755)
    (venv / ".installed").touch()


def processes_of(base: Path) -> list[str]:
    """Every process that has this directory in its arguments, environment or as its own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                text = command + (entry / "environ").read_bytes() + os.readlink(entry / "cwd").encode()
                if command and str(base).encode() in text:
                    found.append(f"{entry.name} {command.decode(errors='replace')}")
    return found


def nothing_runs(base: Path, *, seconds: float = 40) -> None:
    with contextlib.suppress(AssertionError):
        until(lambda: not processes_of(base), wait=seconds)
    assert [line[:150] for line in processes_of(base)] == []


def permissions(*roots: Path) -> dict[str, tuple[int, int, int]]:
    """Mode and owner of each path below some roots, and of all their parents."""
    found = {}
    for root in roots:
        for path in (*root.parents, root, *(root.rglob("*") if root != SHARED else ())):
            seen = path.lstat()
            found[str(path)] = (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid)
    return found


@contextlib.contextmanager
def usual_ports_taken() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for port in (8081, 8082, 8083):
            taken = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # somebody else took it, which is as good
                taken.bind(("127.0.0.1", port))
                taken.listen()
        yield


def users() -> list[Any]:
    own = os.geteuid()
    return [pytest.param(own, id="root" if own == 0 else "user"), *([pytest.param(USER, id="user")] if own == 0 else [])]


@pytest.mark.parametrize("uid", users())
def test_the_demo_works_on_a_strange_machine_after_it_was_interrupted_and_killed(uid: int) -> None:
    with machine(uid) as made, usual_ports_taken():
        before = permissions(made.clone, made.home, SHARED)
        # As root the data would be in /var/lib: a demo below a directory of ours instead. A user has them at home.
        strange = {**NONSENSE, "EXCLAVE_DATA_DIR": str(made.base / "data") if uid == 0 else "nonsense"}

        interrupted = made.start("make", "demo", environ=strange)
        read_until(interrupted, "approval-awaiting")
        os.killpg(interrupted.pid, signal.SIGINT)  # as a terminal does
        out, err = interrupted.communicate(timeout=60)
        assert interrupted.returncode in (2, 130, -signal.SIGINT), err  # make's own, or ours
        assert "stopped" in err
        assert "Traceback" not in out + err
        nothing_runs(made.base)

        killed = made.start(str(made.clone / ".venv/bin/exclave"), "demo", environ=strange)
        read_until(killed, "$ exclave workflows approve")
        killed.kill()
        killed.wait()
        killed.stdout.close()  # type: ignore[union-attr]
        killed.stderr.close()  # type: ignore[union-attr]
        nothing_runs(made.base)

        done = made.run("make", "demo", environ=strange)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        check_story(done.stdout, done.stderr)
        assert not processes_of(made.base)
        after = permissions(made.clone, made.home, SHARED)
        assert {path: after.get(path) for path in before if "/__pycache__" not in path} == {
            path: seen for path, seen in before.items() if "/__pycache__" not in path
        }
        assert not list(made.base.glob("data/demo/*")), "what went well leaves nothing behind"


def read_until(process: "subprocess.Popen[str]", text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    assert process.stderr is not None
    raise AssertionError(f"{text!r} did not come: {process.stderr.read()[-3000:]}")


def check_story(out: str, err: str) -> None:
    """Each command is printed before its output; the page is the last thing on stdout, as JSON that is not wrapped."""
    assert "\x1b" not in out + err
    assert "Traceback" not in out + err
    assert re.search(r"the demo went through in [0-9.]+ s", err)
    commands = [line for line in out.splitlines() if line.startswith("$ exclave ")]
    for wanted in (
        "up", "apps create hello-local", "apps sync", "installs create acme", "workflows watch", "workflows plan", "workflows approve",
        "logs acme -f", "installs state acme", "installs reprovision acme", "installs deprovision acme", "sandbox-runs acme",
    ):  # fmt: skip
        assert any(line.startswith(f"$ exclave {wanted}") for line in commands), wanted
    story, shown, page = out.rpartition("$ exclave sandbox-runs acme --expand all --json\n")
    assert shown
    runs = json.loads(page)
    assert [run["run_type"] for run in runs] == ["deprovision", "reprovision", "provision"]
    assert seed.missing_in_demo([runs]) == [], "what tests/contract/seed_paths.toml says the demo shows"
    assert max(len(line) for line in page.splitlines()) > 60
    changes = [line for line in story.splitlines() if line.startswith(("success ", "in-progress ", "approved ", "auto-skipped "))]
    assert len(changes) > 30
    assert "no changes found in plan" in story
    assert "web answers: Hello from Exclave from 10.0.0.10" in story


# Programs.


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine without terraform."""
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home"), "EXCLAVE_DATA_DIR": str(tmp_path / "data")}


def fake(directory: Path, name: str, script: str) -> Path:
    program = directory / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


OLD = """echo '{"terraform_version": "1.5.7"}'"""


@pytest.mark.parametrize("command", ["demo", "up"])
@pytest.mark.parametrize(
    ("programs", "named", "words"),
    [
        ({}, "", "neither terraform nor tofu is on PATH"),
        ({"terraform": OLD}, "", "is version 1.5.7, 1.8 or newer is needed"),
        ({"tofu": "echo what"}, "", "does not tell its version (what it prints"),
        ({"terraform": "exit 3"}, "", "does not tell its version (`version -json` ended with exit code 3)"),
        ({"terraform": "echo; echo No version is set. >&2; exit 1"}, "", "with exit code 1, it said: No version is set.)"),
        ({"terraform": "echo '[1]'"}, "", "what it prints for `version -json` is not that of a terraform"),
        ({"terraform": """echo '{"terraform_version": null}'"""}, "", "is not that of a terraform"),
        ({}, "/nowhere/terraform", "EXCLAVE_TERRAFORM names /nowhere/terraform"),
        ({}, "/", "EXCLAVE_TERRAFORM names /"),
        ({"mine": OLD}, "mine", "is version 1.5.7"),
    ],
)
def test_without_a_usable_terraform_one_line_says_so_before_the_disk_is_touched(
    command: str, programs: dict[str, str], named: str, words: str, bare: dict[str, str], tmp_path: Path
) -> None:
    for name, script in programs.items():
        fake(tmp_path / "bin", name, script)
    if named:
        bare["EXCLAVE_TERRAFORM"] = str(tmp_path / "bin" / named) if named in programs else named
    done = subprocess.run(
        [sys.executable, "-P", "-m", "exclave.cli", command], env=bare, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert "EXCLAVE_TERRAFORM=/path" in done.stderr
    assert not (tmp_path / "data").exists()
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "python3 is not on PATH"),
        ("exit 1", "needs Python 3.11 or newer"),
        ('case "$2" in *venv*) exit 1;; esac', "apt-get install python3-venv"),
    ],
    ids=["missing", "old", "no venv"],
)
def test_make_says_which_package_to_install(script: str | None, words: str, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "requirements", clone / "requirements")
    path = tools(tmp_path)
    if script is not None:
        fake(Path(path), "python3", script)
    done = subprocess.run(["make", "demo"], cwd=clone, env={"PATH": path, "HOME": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[0]
    assert not (clone / ".venv").exists()


# Ports and data.


@pytest.mark.parametrize("name", ["public", "admin", "runner"])
def test_up_names_the_port_that_is_taken_and_its_setting(name: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = {f"EXCLAVE_{other.upper()}_PORT": "0" for other in ("public", "admin", "runner")}
        environ = {
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "EXCLAVE_DATA_DIR": str(tmp_path / "data"), **ports,
            f"EXCLAVE_{name.upper()}_PORT": str(port),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-P", "-m", "exclave.cli", "up"],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"port {port}" in done.stderr
    assert f"EXCLAVE_{name.upper()}_PORT" in done.stderr
    assert not processes_of(tmp_path)


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "EXCLAVE_DATA_DIR": str(tmp_path / "data"), "EXCLAVE_PUBLIC_PORT": "x"}
    done = subprocess.run([sys.executable, "-P", "-m", "exclave.cli", "up"], env=environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "EXCLAVE_PUBLIC_PORT" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["file", "file/below", "taken", "x" * 300])
def test_a_data_directory_that_cannot_be_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "up.pid").mkdir(parents=True)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "EXCLAVE_DATA_DIR": str(tmp_path / name)}
    environ |= {f"EXCLAVE_{other}_PORT": "0" for other in ("PUBLIC", "ADMIN", "RUNNER")}
    done = subprocess.run([sys.executable, "-P", "-m", "exclave.cli", "up"], env=environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "choose another EXCLAVE_DATA_DIR" in done.stderr


def test_the_demo_never_touches_what_an_up_keeps(tmp_path: Path) -> None:
    """EXCLAVE_DATA_DIR may be that of a real server: the demo lives beside it."""
    data = tmp_path / "my data"
    data.mkdir()
    (data / "precious").write_text("keep me")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "EXCLAVE_DATA_DIR": str(data)}
    app = tmp_path / "empty"
    app.mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "exclave.cli", "demo", "--app", str(app)], env=environ, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=DEMO_SECONDS,
    )  # fmt: skip
    try:
        assert done.returncode == 1
        assert "the demo failed: `exclave apps sync" in done.stderr
        assert f"the data is kept in {data}/demo" in done.stderr
        assert f"EXCLAVE_DATA_DIR='{data}/demo' " in done.stderr, "the way to look around, as a shell takes it"
        assert (data / "demo" / "server").exists()
        assert (data / "precious").read_text() == "keep me"
        assert not processes_of(tmp_path)
    finally:
        environ["EXCLAVE_DATA_DIR"] = str(data / "demo")
        subprocess.run([sys.executable, "-P", "-m", "exclave.server", "remove"], env=environ, check=False)


def test_a_demo_that_made_no_data_names_none(bare: dict[str, str], tmp_path: Path) -> None:
    once = f"""if /bin/mkdir {tmp_path}/asked; then echo '{{"terraform_version": "1.9.0"}}'; else exit 1; fi"""
    fake(tmp_path / "bin", "terraform", once)  # there when the demo looks, and gone when its `up` does
    done = run_demo(bare)
    assert done.returncode == 1
    assert "the demo failed: `exclave up` ended with exit code 2" in done.stderr
    assert "data is kept" not in done.stderr
    assert "look around" not in done.stderr


def test_what_an_earlier_demo_left_and_nobody_can_stop_is_one_line(bare: dict[str, str], tmp_path: Path) -> None:
    fake(tmp_path / "bin", "terraform", """echo '{"terraform_version": "1.9.0"}'""")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").write_text("in the way")
    done = run_demo(bare)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"{tmp_path}/data/demo" in done.stderr
    assert "EXCLAVE_DATA_DIR" in done.stderr
    assert (tmp_path / "data" / "demo").read_text() == "in the way"


def run_demo(environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "exclave.cli", "demo"]
    return subprocess.run(command, env=environ, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def test_a_demo_whose_server_was_killed_leaves_nothing_running(tmp_path: Path) -> None:
    data = tmp_path / "data" / "demo"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "EXCLAVE_DATA_DIR": str(data.parent)}
    demo = subprocess.Popen(
        [sys.executable, "-P", "-m", "exclave.cli", "demo"], env=environ, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        read_until(demo, "# Each customer")
        os.kill(int((data / "up.pid").read_text()), signal.SIGKILL)
        _, err = demo.communicate(timeout=DEMO_SECONDS)
        assert demo.returncode == 1
        assert "the demo failed: `exclave" in err
        assert [line[:150] for line in processes_of(tmp_path)] == []
        assert not (data / "postgres/data/postmaster.pid").exists()
        assert (data / "server").exists()
    finally:
        demo.kill()
        for command in ("stop", "remove"):
            subprocess.run(
                [sys.executable, "-P", "-m", "exclave.server", command], env={**environ, "EXCLAVE_DATA_DIR": str(data)}, check=False
            )
