"""How the command starts: what it imports, how it speaks of itself."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main

from exclave.cli import main
from tests.cli.system import COMMAND, ROOT, running, until

# Of the server, or too slow to load for a command that lists a few rows.
HEAVY = (
    "sqlalchemy", "litestar", "procrastinate", "asyncpg", "psycopg", "uvicorn", "alembic", "cryptography", "gotpl", "tomlkit", "yaml",
    "opentelemetry", "regopy", "pygls", "exclave.api", "exclave.domain", "exclave.engine", "exclave.server", "exclave.config",
)  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ["installs", "list"], ["apps", "list"], ["workflows", "list", "acme"], ["workflows", "get", "inw1"], ["logs", "acme"],
        ["sandbox-runs", "acme"], ["doctor"], ["--version"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_command_imports_nothing_of_the_server(words, tmp_path):
    program = (
        "import sys, json\n"
        "sys.argv = ['exclave', *json.loads(sys.argv[1])]\n"
        "from exclave.cli.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED ' + json.dumps(sorted(sys.modules)))\n"
    )
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src"), "EXCLAVE_API_URL": "http://127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-P", "-c", program, json.dumps(words)], env=environ, capture_output=True, text=True, timeout=30)
    loaded = json.loads(done.stdout.rpartition("LOADED ")[2])
    assert "exclave.cli" in loaded
    assert [name for name in loaded if any(name == heavy or name.startswith(heavy + ".") for heavy in HEAVY)] == []


def commands():
    """Every command of the tree, as words."""
    for name, (place, _) in {**main.NOUNS, **main.COMMANDS}.items():
        yield (name,)
        if ":" not in place:
            group = typer.main.get_command(main.app).get_command(None, name)
            yield from ((name, under) for under, command in group.commands.items() if not command.hidden)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_explains_itself_and_every_option(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main([*words, "--help"])
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"Usage: exclave {' '.join(words)}")
    assert len(lines[2].strip()) > 10, "a command says what it does"
    assert all(len(line) <= 100 for line in lines)
    options = [line.strip() for line in lines if line.strip().startswith("-")]
    bare = [line for line in options if len(line.split("  ")) < 2]
    continued = {lines[i].strip() for i in range(len(lines) - 1) if lines[i + 1].startswith(" " * 8)}
    assert [line for line in bare if line not in continued] == [], "an option without a word on what it does"


# What prints nothing, or JSON in any case, takes the flag, too: who writes a script need not know.
JSON = {
    "apps": "create list sync", "installs": "create list get state reprovision deprovision", "workflows": "list get watch approve deny",
    **dict.fromkeys(("sandbox-runs", "logs", "doctor", "up", "server", "runner", "migrate", "access", "openapi"), ""),
}  # fmt: skip


@pytest.mark.parametrize("words", [f"{noun} {verb}".strip() for noun, verbs in JSON.items() for verb in verbs.split() or [""]])
def test_every_command_takes_json(words, capsys):
    with pytest.raises(SystemExit):
        main.main([*words.split(), "--help"])
    assert "--json" in capsys.readouterr().out


def test_up_prints_one_json_document_and_no_token():
    with running() as system:
        system.stop()
        system.up = subprocess.Popen([*COMMAND, "up", "--json"], env=system.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        until(lambda: system.exclave("apps", "list", code=None).returncode == 0)
        system.up.terminate()
        printed, _ = system.up.communicate(timeout=60)
    facts = json.loads(printed)
    assert set(facts) == {"api_url", "runner_api_url", "org_id", "org_name", "data_dir", "context"}
    assert facts["context"] == "local"


def test_what_is_no_command_is_usage(tmp_path):
    done = subprocess.run([*COMMAND, "frobnicate"], env={"PYTHONPATH": str(ROOT / "src"), "HOME": str(tmp_path)}, capture_output=True)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"No such command 'frobnicate'" in done.stderr


def test_a_relative_data_directory_is_one_place_whoever_reads_it():
    with running({"EXCLAVE_DATA_DIR": "data"}) as system:
        context = tomllib.loads((system.home / ".config/exclave/config.toml").read_text())["contexts"]["local"]
        assert context["data_dir"] == str(system.data)
        until(lambda: list(system.data.glob("server/runners/*.pid")))
        runner = int(next(system.data.glob("server/runners/*.pid")).read_text().split()[0])
        environ = dict(line.split("=", 1) for line in Path(f"/proc/{runner}/environ").read_text().split("\0") if "=" in line)
        assert Path(environ["EXCLAVE_RUNNER_WORK"]).parent == system.data / "server" / "runners"
