"""Values that name a text to load, durations, schedules."""

import pytest

from exclave import config
from exclave.config import cron, durations, fetching, values

FILES = {
    "metadata.toml": 'version = "v2"\nreadme = "https://example.com/README.md"\n',
    "runner.toml": 'runner_type = "aws"\n',
    "sandbox.toml": 'terraform_version = "1.11.3"\n[public_repo]\nrepo = "a/b"\ndirectory = "."\nbranch = "main"\n',
}


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_an_address_is_fetched_once_and_only_when_named(root):
    asked = []

    def fetch(address: str) -> str:
        asked.append(address)
        return "# read me\n"

    loaded = config.load(root, fetch=fetch)
    assert loaded.app.metadata.readme == "# read me\n"
    assert asked == ["https://example.com/README.md"]
    assert loaded.ok


def test_an_address_that_does_not_answer_is_reported_where_it_stands(root):
    def fetch(address: str) -> str:
        raise values.FetchFailed("the server answered 404")

    (report,) = config.load(root, fetch=fetch).errors
    assert (report.code, report.file, report.line, report.column) == ("EX-C036", "metadata.toml", 2, 10)
    assert "404" in report.message


def test_too_much_is_refused(root):
    (report,) = config.load(root, fetch=lambda address: "x" * 5_000_000).errors
    assert report.code == "EX-C036"


def test_a_template_in_a_fetched_text_is_reported_there(root):
    loaded = config.load(root, fetch=lambda address: "# x\n{{ .nuon.instal.id }}\n")
    (report,) = loaded.warnings
    assert (report.code, report.file, report.line, report.column) == ("EX-C071", "https://example.com/README.md", 2, 4)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/x",
        "git::ssh://git@example.com/x//y",
        "git::file:///etc//passwd",
        "git::ext::sh -c x//y",
        "git::https://example.com/x",
        "git::https://-upload-pack=x/y//z",
        "git::https://example.com/a b//c",
    ],
)
def test_only_https_is_fetched(address):
    with pytest.raises(values.FetchFailed):
        fetching.fetch(address)


@pytest.mark.parametrize(
    ("value", "file", "address"),
    [
        ("./a.sh", True, False),
        ("../a.sh", True, False),
        ("file:///a", True, False),
        ("https://example.com/a", False, True),
        ("git::https://example.com/a//b", False, True),
        ("github.com/a/b//c", False, True),
        ("git clone https://example.com/a", False, False),
        ("https://example.com/a is down", False, False),
        ("./a.sh --fast", False, False),
        ("./a.sh\n./b.sh", False, False),
        ("https://{{ .nuon.inputs.inputs.domain }}/", False, False),
        ("http: yes", False, False),
        ("", False, False),
    ],
)
def test_what_names_a_text_and_what_is_one(value, file, address):
    assert (values.names_a_file(value), values.names_an_address(value)) == (file, address)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1.5h", 5_400_000_000_000),
        (".5s", 500_000_000),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("0", 0),
        ("-5m", -300_000_000_000),
        ("1h0m0.000000001s", 3_600_000_000_001),
        ("2540400h", 9_145_440_000_000_000_000),
    ],
)
def test_durations_are_those_of_go(text, expected):
    assert durations.nanoseconds(text) == expected


@pytest.mark.parametrize("text", ["", "5", "5 m", "5 minutes", "m", "1d", "1h-5m", "1..5s", "99999999h", "1h" * 100, "5M"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError):
        durations.nanoseconds(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0s"), (1, "1ns"), (1_500, "1.5µs"), (250_000_000, "250ms"), (90_000_000_000, "1m30s"), (3_600_000_000_000, "1h0m0s")],
)
def test_durations_are_written_as_go_does(value, text):
    assert durations.text(value) == text


@pytest.mark.parametrize(
    "text", ["0 4 * * *", "*/5 * * * *", "15,45 0-6/2 1 jan-mar mon", "@daily", "@every 1h30m", "0 0 ? * 0", "TZ=UTC 0 4 * * *"]
)
def test_schedules(text):
    assert cron.problem(text) == ""


@pytest.mark.parametrize(
    "text", ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "5-1 * * * *"]
)
def test_what_is_no_schedule(text):
    assert cron.problem(text)


@pytest.mark.parametrize(
    "text", ["*/0 * * * *", "*/x * * * *", "a * * * *", "1-2-3 * * * *", "@never", "{{ .nuon.x }} * * * *", "٣ * * * *"]
)
def test_what_is_no_schedule_either(text):
    assert cron.problem(text)
