"""What an operator sets by the environment, and what is said of what cannot be."""

from datetime import timedelta
from pathlib import Path

import pytest

from exclave.server.settings import Settings, SettingsInvalid, read


def test_without_any_setting_the_defaults_hold() -> None:
    settings = read({"PATH": "/bin", "OTHER_LEASE": "1", "EXCLAVE_UNKNOWN": "x", "EXCLAVE_LEASE": ""})
    assert settings == Settings()
    assert (settings.public_port, settings.lease, settings.role) == (8081, timedelta(seconds=30), "all")
    assert settings.public_address == "http://127.0.0.1:8081"


def test_every_kind_of_setting_is_read() -> None:
    settings = read(
        {
            "EXCLAVE_DATABASE_URL": "postgresql://somebody@db/exclave",
            "EXCLAVE_DATA_DIR": "/data",
            "EXCLAVE_ROLE": "api",
            "EXCLAVE_PUBLIC_PORT": "0",
            "EXCLAVE_PUBLIC_URL": "https://exclave.example",
            "EXCLAVE_LOCAL_SOURCES": "/a:/b/c:",
            "EXCLAVE_API_CONNECTIONS": "20",
        }
    )
    assert settings.database_url == "postgresql://somebody@db/exclave"
    assert settings.data_dir == Path("/data")
    assert settings.role == "api"
    assert settings.public_port == 0
    assert settings.public_address == "https://exclave.example"
    assert settings.local_sources == (Path("/a"), Path("/b/c"))
    assert settings.facts().local_sources == ("/a", "/b/c")
    assert settings.api_connections == 20


@pytest.mark.parametrize(("text", "seconds"), [("2", 2), ("0.5", 0.5), ("PT1M30S", 90), ("P1D", 86400)])
def test_a_duration_is_a_number_of_seconds_or_iso_8601(text: str, seconds: float) -> None:
    assert read({"EXCLAVE_LEASE": text}).lease == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("on", True), ("YES", True), ("false", False), ("0", False), ("off", False)]
)
def test_a_switch_takes_the_usual_words(text: str, value: bool) -> None:
    assert read({"EXCLAVE_ALLOW_LOCAL_PLATFORM": text}).allow_local_platform is value


WRONG = {
    "EXCLAVE_PUBLIC_PORT": (("http", "70000", "-1", "8081.5"), "a whole number from 0 to 65535"),
    "EXCLAVE_API_CONNECTIONS": (("1", "many"), "a whole number of at least 2"),
    "EXCLAVE_LEASE": (("soon", "0", "-3", "nan", "inf", "1e400"), "a number of seconds, or a duration such as PT1M30S"),
    "EXCLAVE_ROLE": (("boss", "API"), "one of api, worker, all"),
    "EXCLAVE_ALLOW_LOCAL_PLATFORM": (("perhaps",), "true or false"),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, (texts, _) in WRONG.items() for text in texts])
def test_what_a_setting_cannot_be_is_said_with_what_it_can(name: str, text: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        read({name: text})
    assert str(caught.value).startswith(f"{name} must be {WRONG[name][1]}. ")
    assert text not in str(caught.value).replace(WRONG[name][1], "") or text.isdecimal()


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "http://127.0.0.1:8081"), ("::1", "http://[::1]:8081"), ("box", "http://box:8081")]
)
def test_an_address_is_a_url(host: str, address: str) -> None:
    assert read({"EXCLAVE_HOST": host}).public_address == address


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        read({name: texts[0] for name, (texts, _) in WRONG.items()})
    assert {line.partition(" ")[0] for line in str(caught.value).splitlines()} == set(WRONG)


def test_no_secret_is_in_what_a_log_would_show() -> None:
    settings = read({"EXCLAVE_MASTER_KEY": "c2VjcmV0", "EXCLAVE_DATABASE_URL": "postgresql://a:geheim@db/x"})
    assert "c2VjcmV0" not in repr(settings)
    assert "geheim" not in f"{settings} {settings!r}"
