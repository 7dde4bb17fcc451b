"""The file that says where to talk to."""

import stat
import subprocess
import sys
import tomllib
from dataclasses import replace

import pytest

from exclave.cli import contexts
from exclave.cli.contexts import Context

MINE = Context(api_url="http://127.0.0.1:8081", token="tok", org_id="org1", data_dir="/data/one")
OTHER = Context(api_url="https://exclave.example.com", token="precious", org_id="org2")


@pytest.fixture
def environ(tmp_path):
    return {"HOME": str(tmp_path / "home")}


def test_the_file_is_private_below_home(environ, tmp_path):
    assert contexts.keep("local", MINE, environ) == "local"
    file = tmp_path / "home" / ".config" / "exclave" / "config.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert contexts.current(environ) == MINE


def test_a_file_that_others_could_read_is_private_after_the_next_write(environ):
    contexts.keep("local", MINE, environ)
    contexts.path(environ).chmod(0o644)
    contexts.keep("local", MINE, environ)
    assert stat.S_IMODE(contexts.path(environ).stat().st_mode) == 0o600


def test_another_context_is_never_overwritten(environ):
    contexts.keep("local", OTHER, environ)
    assert contexts.keep("local", MINE, environ) == "local-2"
    assert contexts.keep("local", MINE, environ) == "local-2"
    found = tomllib.loads(contexts.path(environ).read_text())
    assert found["current"] == "local"
    assert found["contexts"]["local"] == {"api_url": OTHER.api_url, "token": "precious", "org_id": "org2"}
    assert found["contexts"]["local-2"]["data_dir"] == "/data/one"


def test_those_that_start_at_a_time_all_stay_in_the_file(environ):
    program = f"""
from exclave.cli import contexts
for number in range(20):
    contexts.keep("local", contexts.Context("http://h", data_dir=f"/data/{{__import__('sys').argv[1]}}/{{number}}"), {environ!r})
"""
    started = [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4
    _, found = contexts.read(environ)
    assert len({context.data_dir for context in found.values()}) == 80


def test_a_link_to_the_file_stays_a_link(environ, tmp_path):
    there = tmp_path / "dotfiles" / "exclave.toml"
    there.parent.mkdir()
    contexts.path(environ).parent.mkdir(parents=True)
    contexts.path(environ).symlink_to(there)
    contexts.keep("local", MINE, environ)
    assert contexts.path(environ).is_symlink()
    assert "tok" in there.read_text()


def test_a_new_token_of_the_same_server_replaces_the_old_one(environ):
    contexts.keep("local", MINE, environ)
    newer = Context(api_url=MINE.api_url, token="newer", org_id="org1", data_dir="/data/one")
    assert contexts.keep("local", newer, environ) == "local"
    assert contexts.current(environ).token == "newer"


def test_the_environment_stands_above_the_file(environ):
    contexts.keep("local", MINE, environ)
    there = environ | {"EXCLAVE_API_URL": "http://there", "EXCLAVE_TOKEN": "t", "EXCLAVE_ORG_ID": "o"}
    assert contexts.current(there) == Context(api_url="http://there", token="t", org_id="o")
    assert contexts.current(environ | {"EXCLAVE_ORG_ID": "o"}) == replace(MINE, org_id="o")
    contexts.keep("other", OTHER, environ)
    assert contexts.current(environ | {"EXCLAVE_CONTEXT": "other"}) == OTHER


def test_an_environment_that_says_all_needs_no_file(environ):
    contexts.keep("local", MINE, environ)
    contexts.path(environ).write_text("broken = [")
    there = environ | {"EXCLAVE_API_URL": "http://there", "EXCLAVE_TOKEN": "t"}
    assert contexts.current(there) == Context(api_url="http://there", token="t")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no context"),
        ("current = [", "cannot be read"),
        ("\x00", "cannot be read"),
        ('current = "gone"', "no context 'gone'"),
        ('contexts = "x"', "cannot be read"),
        ('current = "a"\n[contexts.a]\ntoken = "t"', "cannot be read"),
        ('current = "a"\ncontexts.a = 1', "cannot be read"),
    ],
)
def test_a_broken_file_is_named_with_the_way_out(environ, text, words):
    file = contexts.path(environ)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(contexts.NoContext, match="exclave up") as raised:
        contexts.current(environ)
    assert words in str(raised.value)
    assert str(file) in str(raised.value)


@pytest.mark.parametrize("name", ['quo"te', "new\nline", "back\\slash", "ünï🦊", "a.b", "\x7f\x1b"])
def test_any_name_survives_the_file(environ, name):
    contexts.keep(name, MINE, environ)
    assert contexts.read(environ) == (name, {name: MINE})
