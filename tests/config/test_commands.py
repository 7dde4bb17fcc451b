"""The commands that need no server, run as a program runs them."""

import json
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.users import as_nobody
from typer.testing import CliRunner

from exclave import config
from exclave.cli import config_quick, main
from exclave.config import starters

BASE = Path(__file__).parent / "broken" / "base"
EXAMPLES = sorted(path for path in (Path(__file__).resolve().parents[2] / "examples").iterdir() if (path / "metadata.toml").exists())


@pytest.fixture
def run():
    program, runner = main.app, CliRunner()

    def run(*words: str, code: int = 0, stdin: str | None = None):
        result = runner.invoke(program, list(words), input=stdin)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def app(tmp_path):
    root = tmp_path / "shop"
    shutil.copytree(BASE, root)
    return root


def test_a_valid_app_says_so_and_exits_with_0(run, app):
    result = run("apps", "validate", str(app), "--offline")
    assert result.stdout == ""
    assert result.stderr == "shop: nothing to report\n"


def test_an_invalid_app_exits_with_1(run, app):
    (app / "runner.toml").write_text('runner_type = "amazon"\n')
    assert "shop/runner.toml:1:15: error[EX-C016]" in run("apps", "validate", str(app), code=1).stdout


def test_strict_makes_warnings_errors(run, app):
    (app / "runner.toml").write_text('runner_type = "aws"\nhelm_drivers = "secret"\n')
    assert "warning[EX-C012]" in run("apps", "validate", str(app)).stdout
    assert "error[EX-C012]" in run("apps", "validate", str(app), "--strict", code=1).stdout


def test_reports_as_json(run, app):
    (app / "runner.toml").write_text('runner_type = "amazon"\n')
    document = json.loads(run("apps", "validate", str(app), "--json", code=1).stdout)
    assert document["app"] == "shop"
    assert document["valid"] is False
    assert document["reports"][0] == {
        "code": "EX-C016",
        "severity": "error",
        "file": "runner.toml",
        "line": 1,
        "column": 15,
        "length": 8,
        "key": "runner_type",
        "message": '"amazon" is not a value of "runner_type"',
        "hint": "write one of aws, azure, gcp, local, aws-ecs, aws-eks, azure-aks, azure-acs",
        "line_text": 'runner_type = "amazon"',
    }


def test_reports_as_sarif(run, app, monkeypatch):
    monkeypatch.chdir(app.parent)
    (app / "runner.toml").write_text('runner_type = "amazon"\n')
    document = json.loads(run("apps", "validate", str(app), "--format", "sarif", code=1).stdout)
    (result,) = document["runs"][0]["results"]
    assert document["version"] == "2.1.0"
    assert result["ruleId"] == "EX-C016"
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "shop/runner.toml"},
        "region": {"startLine": 1, "startColumn": 15, "endColumn": 23},
    }
    assert document["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "EX-C016"


def test_reports_as_annotations_of_github(run, app, monkeypatch):
    monkeypatch.chdir(app.parent)
    (app / "runner.toml").write_text('runner_type = "a%b"\n')
    said = run("apps", "validate", "shop", "--format", "github", code=1).stdout
    assert said.startswith('::error file=shop/runner.toml,line=1,col=15,endColumn=20,title=EX-C016::"a%25b" is not')
    assert said.count("\n") == 1


def test_the_graph_in_three_ways(run, app):
    assert run("apps", "graph", str(app)).stdout == "1  database\n2  api  needs database\n"
    assert '    "database" -> "api";' in run("apps", "graph", str(app), "--format", "dot").stdout
    assert "c0 --> c1" in run("apps", "graph", str(app), "--format", "mermaid").stdout
    document = json.loads(run("apps", "graph", str(app), "--json").stdout)
    assert document["order"] == ["database", "api"]
    assert document["teardown"] == ["api", "database"]


def test_a_circle_has_no_graph(run, app):
    text = (app / "components" / "database.toml").read_text()
    (app / "components" / "database.toml").write_text(text.replace("terraform_version", 'dependencies = ["api"]\nterraform_version'))
    assert "need one another" in run("apps", "graph", str(app), code=1).stderr


def test_two_directories_are_compared(run, app, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(app, other)
    assert run("apps", "diff", str(app), str(other)).stdout == "nothing changed\n"
    (other / "actions" / "restart.toml").unlink()
    assert run("apps", "diff", str(app), str(other)).stdout == "- action restart removed\n"
    changes = json.loads(run("apps", "diff", str(app), str(other), "--json").stdout)
    assert changes == [{"kind": "removed", "section": "actions", "name": "restart", "words": "action restart removed"}]


@pytest.mark.parametrize("platform", starters.PLATFORMS)
def test_a_new_app_is_valid_and_laid_out(run, tmp_path, platform):
    run("apps", "init", str(tmp_path / "fresh"), "--platform", platform)
    loaded = config.load(tmp_path / "fresh", offline=True)
    assert [report for report in loaded.reports if report.severity != "note"] == []
    assert loaded.app.name == "fresh"
    assert loaded.app.components
    assert loaded.app.metadata.display_name == "fresh"
    run("apps", "fmt", str(tmp_path / "fresh"), "--check")


def test_a_new_app_overwrites_nothing(run, app):
    before = (app / "metadata.toml").read_text()
    run("apps", "init", str(app), code=2)
    assert (app / "metadata.toml").read_text() == before


def test_files_are_laid_out(run, app):
    (app / "runner.toml").write_text('# who\nrunner_type   = "aws"\n')
    assert run("apps", "fmt", str(app), "--check", code=1).stdout == "runner.toml\n"
    run("apps", "fmt", str(app))
    assert (app / "runner.toml").read_text() == '# who\nrunner_type = "aws"\n'
    assert run("apps", "fmt", str(app), "--check").stdout == ""


def test_a_link_stays_a_link_when_it_is_laid_out(run, app):
    (app / "shared").mkdir()
    real = (app / "runner.toml").rename(app / "shared" / "runner.toml")
    (app / "runner.toml").symlink_to("shared/runner.toml")
    real.write_text('runner_type="local"\n')
    assert run("apps", "fmt", str(app)).stdout == "runner.toml\n"
    assert (app / "runner.toml").is_symlink()
    assert real.read_text() == 'runner_type = "local"\n'


def test_what_may_not_be_written_is_said_in_a_line(run):
    with TemporaryDirectory() as directory:
        root = Path(directory) / "shop"
        shutil.copytree(BASE, root)
        (root / "runner.toml").write_text('runner_type="local"\n')
        root.chmod(0o555)
        Path(directory).chmod(0o555)
        with as_nobody():
            result = run("apps", "fmt", str(root), code=1)
            assert result.stdout == ""
            assert result.stderr == "runner.toml: cannot be written: Permission denied\n"
        Path(directory).chmod(0o700)
        root.chmod(0o700)
        assert "cannot be written" in run("apps", "init", str(root / "runner.toml" / "fresh"), code=2).stderr


def test_a_directory_that_is_none_is_named_once(run, app, monkeypatch):
    monkeypatch.chdir(app.parent)
    assert run("apps", "validate", "shop/runner.toml", code=1).stdout.startswith(f"{app}/runner.toml: error[EX-C001]: ")


def test_a_broken_file_is_left_alone(run, app):
    (app / "runner.toml").write_text("runner_type = \n")
    assert "runner.toml:1:15" in run("apps", "fmt", str(app), code=1).stderr
    assert (app / "runner.toml").read_text() == "runner_type = \n"


def test_schemas_and_codes(run):
    assert json.loads(run("config", "schema", "terraform").stdout)["title"] == "terraform"
    assert "terraform\n" in run("config", "schema").stdout
    run("config", "schema", "nothing", code=2)
    assert "Unknown key" in run("config", "explain", "ex-c012").stdout
    assert json.loads(run("config", "explain", "EX-C012", "--json").stdout)["severity"] == "warning"
    run("config", "explain", "EX-C999", code=2)


def test_wrong_usage_exits_with_2(run):
    run("apps", "validate", "--format", "xml", code=2)
    run("apps", "init", "x", "--platform", "mars", code=2)


def test_a_template_is_shown_with_the_origin_of_its_variables(run, tmp_path):
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"nuon": {"install": {"id": "inl1"}, "inputs": {"inputs": {"size": "3"}}}}))
    result = run("render", "--text", "{{ .nuon.install.id }}-{{ .nuon.inputs.inputs.size }}", "--state", str(state))
    assert result.stdout == "inl1-3"
    assert "input size" in result.stderr
    missing = run("render", "--text", "{{ .nuon.inputs.inputs.colour }}", "--state", str(state), "--json", code=1)
    document = json.loads(missing.stdout)
    assert document["text"] is None
    assert document["error"]["line"] == 1
    assert document["variables"][0]["found"] is False
    run("render", "nowhere.txt", "--state", str(state), code=2)


@pytest.mark.parametrize("directory", EXAMPLES, ids=lambda path: path.name)
def test_an_example_of_ours_has_no_fault(run, directory):
    found = config.load(directory, offline=True).reports
    assert [report for report in found if report.severity != "note"] == []
    assert config.load(directory, offline=True).app.metadata.readme


def test_validating_grows_with_the_app_and_no_faster(tmp_path):
    """Linear growth: four times the components take less than eight times as long. `benchmarks/b02_validate.py` has the figures."""

    def seconds(count: int) -> float:
        root = tmp_path / str(count)
        shutil.copytree(BASE, root)
        text = (BASE / "components" / "database.toml").read_text()
        for i in range(count):
            more = f'dependencies = ["database_{i - 1}"]\n' if i else ""
            (root / "components" / f"{i}.toml").write_text(text.replace('name = "database"\n', f'name = "database_{i}"\n{more}'))
        best = 60.0
        for _ in range(2):
            started = time.process_time()
            loaded = config.load(root, offline=True)
            best = min(best, time.process_time() - started)
        assert loaded.ok
        assert len(loaded.app.components) == count + 2
        return best

    assert seconds(800) < 8 * seconds(200)


@pytest.mark.parametrize("words", [["--help"], ["--format", "xml"], ["a", "b"], ["--unknown"], ["--format"]])
def test_what_is_not_plain_is_left_to_the_full_program(words):
    assert config_quick.run(["apps", "validate", *words]) is None
    assert config_quick.run(["apps", "graph"]) is None
    assert config_quick.run([]) is None


@pytest.mark.parametrize("words", [[], ["--strict"], ["--json"], ["--format", "sarif"], ["--format=github"], ["-q", "--offline"]])
def test_the_quick_way_and_the_full_program_say_the_same(run, app, words, capfd):
    (app / "runner.toml").write_text('runner_type = "aws"\nhelm_drivers = "secret"\n')
    code = config_quick.run(["apps", "validate", str(app), *words])
    quick = capfd.readouterr()
    full = run("apps", "validate", str(app), *words, code=code)
    assert (quick.out, quick.err) == (full.stdout, full.stderr)
