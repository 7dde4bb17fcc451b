"""Whatever stands in an app directory, loading ends in a report, and soon."""

import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.users import as_nobody

from exclave import config
from exclave.config import formats

FILES = {
    "metadata.toml": b'version = "v2"\n',
    "runner.toml": b'runner_type = "aws"\n',
    "sandbox.toml": b'terraform_version = "1.11.3"\n[public_repo]\nrepo = "a/b"\ndirectory = "."\nbranch = "main"\n',
}
COMPONENT = b'type = "helm_chart"\nname = "api"\nchart_name = "api"\n[public_repo]\nrepo = "a/b"\ndirectory = "."\nbranch = "main"\n'
ACTION = b'name = "a"\ntimeout = "1m"\n[[triggers]]\ntype = "manual"\n[[steps]]\nname = "a"\ninline_contents = '


def laid_out(tmp_path, **files: bytes):
    root = tmp_path / "app"
    for name, data in {**FILES, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


# Processor seconds. What takes a fraction of one would take minutes if it grew with the square of its size. How long it takes is for
# `make fuzz` to say on a quiet machine: a slow one, full of other tests' objects, needs three times as long.
SOON = 3


def codes_soon(root) -> list[str]:
    started = time.process_time()
    found = config.load(root, offline=True).reports
    formats.text(found)
    assert time.process_time() - started < SOON
    return [report.code for report in found if report.severity == "error"]


def deep(opening: str, closing: str, levels: int) -> bytes:
    return f"a = {opening * levels}{closing * levels}\n".encode()


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"components/a.toml": b'name = "\xff\xfe"\n'}, "EX-C004"),
        ({"components/a.toml": b"a = 1\n" * 2_000_000}, "EX-C005"),
        ({"components/a.toml": b"".join(b"k%d=1\n" % i for i in range(100_000))}, "EX-C005"),
        ({"components/a.toml": deep("[", "]", 100_000)}, "EX-C005"),
        ({"components/a.toml": deep("{a=", "1" + "}", 20_000)}, "EX-C005"),
        ({"components/a.toml": b".".join([b"a"] * 50_000) + b" = 1\n"}, "EX-C005"),
        ({"components/a.toml": b"[" + b".".join([b"a"] * 50_000) + b"]\n"}, "EX-C005"),
        ({"components/a.toml": b"a = " + b"9" * 500_000}, "EX-C005"),
        ({"components/a.toml": b'a = "' + b"\\" * 900_001}, "EX-C010"),
        ({"components/a.toml": b'a = """' + b'""x' * 300_000}, "EX-C010"),
        ({"components/a.toml": b"a = " + b"1-" * 400_000}, "EX-C010"),
        ({"components/a.toml": b" " * 900_000 + b"="}, "EX-C010"),
        ({"metadata.toml": b"\x00"}, "EX-C010"),
        ({"actions/a.toml": ACTION + b'"./big.sh"\n', "actions/big.sh": b"x" * (10 << 20)}, "EX-C005"),
        ({"actions/a.toml": ACTION + b'"./bin.sh"\n', "actions/bin.sh": b"\x7fELF\xff\xff"}, "EX-C004"),
        ({"actions/a.toml": ACTION + b"'''" + b"{{ if .nuon.id }}" * 100 + b"{{ end }}" * 100 + b"'''\n"}, None),
        ({"actions/a.toml": ACTION + b"'''" + b"{{ if .nuon.id }}" * 20_000 + b"'''\n"}, "EX-C070"),
        ({"actions/a.toml": ACTION + b"'''.nuon " + b"{{" * 300_000 + b"'''\n"}, "EX-C070"),
        ({"actions/a.toml": ACTION + b"'''.nuon {{ " + b"(" * 300_000 + b" }}'''\n"}, "EX-C070"),
        ({"policies.toml": b'[[policy]]\ntype = "kubernetes_cluster"\ncontents = "' + b"[" * 100_000 + b'"\n'}, "EX-C029"),
        (
            {
                "policies.toml": b"[[policy]]\ntype = \"kubernetes_cluster\"\ncontents = '''\na: &a [x,x,x,x,x,x,x,x,x]\n"
                + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(20))
                + b"'''\n"
            },
            None,
        ),
        (
            {"policies.toml": b'[[policy]]\ntype = "sandbox"\nengine = "opa"\ncontents = "package a\\nx = ' + b"[" * 100_000 + b'"\n'},
            "EX-C029",
        ),
        (
            {"permissions.toml": b'[[roles]]\ntype="custom"\nname="x"\ndescription="x"\npermissions_boundary="' + b"[" * 200_000 + b'"\n'},
            "EX-C027",
        ),
        ({"components/a.toml": COMPONENT.replace(b'"api"', b'"' + b"a" * 500_000 + b'!"')}, "EX-C017"),
        ({"components/a.toml": COMPONENT.replace(b'chart_name = "api"', b'chart_name = "' + b"a-" * 200_000 + b'"')}, "EX-C017"),
        ({"metadata.toml": b"".join(b"verzion%d = 1\n" % i for i in range(19_000))}, "EX-C014"),
        ({"inputs.toml": b"".join(b'[[input]]\nName = "a"\n' for _ in range(9_000))}, "EX-C040"),
        ({"policies.toml": b'[[policy]]\ntype = "kubernetes_cluster"\ncontents = "' + b"{{" * 400_000 + b'"\n'}, "EX-C029"),
        ({"permissions.toml": b'[[roles]]\ntype="custom"\n' + b"[[roles.policies]]\n" * 9_000}, "EX-C053"),
        (
            {
                f"components/{i}.toml": COMPONENT.replace(b'name = "api"', b'name = "x%d"\ndependencies = ["y%d"]' % (i, i), 1)
                for i in range(500)
            },
            "EX-C041",
        ),
        ({"components/a.toml": COMPONENT + b"timeout = 1\n"}, None),
        ({"actions/a.toml": ACTION.replace(b'"1m"', b'"' + b"1" * 500_000 + b'"') + b'"x"\n'}, "EX-C023"),
    ],
)
def test_bad_input_is_a_report_and_soon(tmp_path, files, code):
    found = codes_soon(laid_out(tmp_path, **files))
    if code:
        assert code in found


def test_a_directory_that_is_a_file(tmp_path):
    (tmp_path / "app").write_text("x")
    assert codes_soon(tmp_path / "app") == ["EX-C001"]


def test_a_directory_that_is_not_there(tmp_path):
    assert codes_soon(tmp_path / "nowhere") == ["EX-C001"]


def test_a_file_that_is_a_directory(tmp_path):
    root = laid_out(tmp_path)
    (root / "metadata.toml").unlink()
    (root / "metadata.toml").mkdir()
    assert "EX-C002" in codes_soon(root)


@pytest.mark.parametrize("name", ["metadata.toml", "components/a.toml", "actions/a.sh"])
def test_a_link_out_of_the_directory_is_not_followed(tmp_path, name):
    (tmp_path / "secret").write_text('version = "v2"\n')
    root = laid_out(tmp_path, **{"actions/a.toml": ACTION + b'"./a.sh"\n'})
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).unlink(missing_ok=True)
    (root / name).symlink_to(tmp_path / "secret")
    loaded = config.load(root, offline=True)
    assert "EX-C006" in [report.code for report in loaded.errors]
    assert "v2" not in repr(loaded.app.actions) + repr(loaded.app.components)


def test_a_link_inside_the_directory_is_followed(tmp_path):
    root = laid_out(tmp_path, **{"actions/a.toml": ACTION + b'"./a.sh"\n', "shared/a.sh": b"true\n"})
    (root / "actions" / "a.sh").symlink_to(root / "shared" / "a.sh")
    assert config.load(root, offline=True).app.actions[0].steps[0].inline_contents == "true\n"


def test_a_directory_that_contains_itself(tmp_path):
    root = laid_out(tmp_path, **{"components/a.toml": COMPONENT})
    (root / "components" / "again").symlink_to(root / "components")
    assert codes_soon(root) == []
    (warning,) = config.load(root, offline=True).warnings
    assert (warning.code, warning.file) == ("EX-C007", "components/again")


def test_a_file_that_only_looks_like_toml_is_told_of(tmp_path):
    root = laid_out(tmp_path, **{"components/a.TOML": COMPONENT})
    (warning,) = config.load(root, offline=True).warnings
    assert (warning.code, warning.hint) == ("EX-C007", 'did you mean "a.toml"?')


def test_a_file_that_a_source_names_is_no_stranger(tmp_path):
    text = b'source = "shared.toml"\n' + COMPONENT
    root = laid_out(tmp_path, **{"components/a.toml": text, "shared.toml": b'chart_name = "other"\n', "stranger.toml": b"a = 1\n"})
    loaded = config.load(root, offline=True)
    assert loaded.app.components[0].chart_name == "other"
    assert [(report.code, report.file) for report in loaded.reports] == [("EX-C007", "stranger.toml")]
    (root / "shared.toml").write_bytes(b"broken")
    assert [(report.code, report.file) for report in config.load(root, offline=True).reports] == [
        ("EX-C010", "shared.toml"),
        ("EX-C007", "stranger.toml"),
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("metadata.toml", b'version = "v2"\nreadme = "a\\u0000b"\n'),
        ("README.md", b"a\0b"),
        ("components/a.toml", COMPONENT + b'[values]\nx = "\\u0000"\n'),
        ("components/a.toml", COMPONENT + b'[values]\n"\\u0000" = "x"\n'),
        ("components/a.toml", b'dependencies = ["\\u0000"]\n' + COMPONENT),
    ],
)
def test_a_character_that_cannot_be_stored_is_found_before_it_is_sent(tmp_path, file, text):
    root = laid_out(tmp_path, **{"metadata.toml": b'version = "v2"\nreadme = "./README.md"\n', "README.md": b"x", file: text})
    assert "EX-C017" in codes_soon(root)


@pytest.mark.parametrize("name", [b".", b".."])
def test_a_step_of_a_path_is_no_name(tmp_path, name):
    files = {"components/a.toml": COMPONENT.replace(b'"api"\nchart', b'"' + name + b'"\nchart'), "actions/a.toml": ACTION + b'"x"\n'}
    files["actions/a.toml"] = files["actions/a.toml"].replace(b'name = "a"\ntimeout', b'name = "' + name + b'"\ntimeout')
    assert codes_soon(laid_out(tmp_path, **files)) == ["EX-C017", "EX-C017"]


def test_names_that_are_not_utf8_or_steer_a_terminal_are_shown_all_the_same(tmp_path):
    root = laid_out(tmp_path, **{"components/a.toml": COMPONENT})
    for name in (b"\xff.toml", b"b\x1b[31m\n.toml"):
        (root / "components" / os.fsdecode(name)).write_bytes(COMPONENT)
    reports = config.load(root, offline=True).reports
    assert [report.code for report in reports] == ["EX-C040", "EX-C040"]
    for shown in (formats.text(reports), formats.github(reports), formats.as_json("app", reports), formats.sarif(reports)):
        assert "\x1b" not in shown
        shown.encode()
    assert len(json.loads(formats.as_json("app", reports))["reports"]) == 2
    assert formats.github(reports).count("\n") == 2
    assert "\\udcff" not in formats.sarif(reports)


def test_a_named_pipe_does_not_hold_the_loader(tmp_path):
    root = laid_out(tmp_path)
    (root / "components").mkdir()
    os.mkfifo(root / "components" / "a.toml")
    assert codes_soon(root) == ["EX-C004"]


@pytest.mark.parametrize(("closed", "code"), [("app/runner.toml", "EX-C004"), ("app/components", "EX-C004"), ("app", "EX-C001")])
def test_what_may_not_be_read_is_not_taken_for_nothing(closed, code):
    with TemporaryDirectory() as directory:
        above = Path(directory)
        above.chmod(0o755)
        root = laid_out(above, **{"components/a.toml": COMPONENT})
        (above / closed).chmod(0)
        with as_nobody():
            assert codes_soon(root) == [code]
        (above / closed).chmod(0o700)


def test_a_source_that_names_itself(tmp_path):
    root = laid_out(tmp_path, **{"components/a.toml": b'source = "./a.toml"\n' + COMPONENT})
    assert codes_soon(root) == []


SEEDS = [COMPONENT, ACTION + b'"x"\n', *FILES.values(), b'[[policy]]\ntype = "sandbox"\ncontents = "a: 1"\n']
NAMES = ["metadata.toml", "components/a.toml", "actions/a.toml", "sandbox.toml", "policies.toml", "inputs.toml", "secrets.toml"]
NAMES += ["permissions/a.toml", "installs/a.toml", "runbooks/a.toml", "break_glass.toml", "stack.toml"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_change_of_a_file_makes_the_loader_fail(tmp_path_factory, data):
    text = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        piece = data.draw(
            st.sampled_from([b"", b'"', b"[", b"]", b"{{", b"}}", b"\n", b"=", b"x", b"1", b".nuon", b"\xff", b"[[input]]\n", b"true"])
        )
        text[at : at + data.draw(st.integers(0, 6))] = piece
    root = laid_out(tmp_path_factory.mktemp("fuzz"), **{data.draw(st.sampled_from(NAMES)): bytes(text)})
    loaded = config.load(root, offline=True)
    formats.text(loaded.reports)
    formats.sarif(loaded.reports)
    formats.github(loaded.reports)
