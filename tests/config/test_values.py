"""Values that name a text to load, durations, schedules."""

import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

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


def test_an_address_that_is_none_is_a_report():
    for address in ("https://localhost:port/x", "https://[localhost/x", "https:///x", "https://localhost:99999/x"):
        with pytest.raises(values.FetchFailed):
            fetching.fetch(address)


@pytest.fixture
def far_end(tmp_path, monkeypatch):
    """A TLS server that answers one call with the given pieces, a tenth of a second apart, and its address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "far-end.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setenv("NO_PROXY", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    listening = socket.create_server(("127.0.0.1", 0))

    def answer(pieces):
        with suppress(OSError), listening, context.wrap_socket(listening.accept()[0], server_side=True) as call:
            call.recv(1 << 16)
            for piece in pieces:
                call.sendall(piece)
                time.sleep(0.1)

    def start(*pieces: bytes) -> str:
        threading.Thread(target=answer, args=(pieces,), daemon=True).start()
        return f"https://localhost:{listening.getsockname()[1]}/x"

    return start


def test_a_text_is_fetched(far_end):
    assert fetching.fetch(far_end(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", b"cd")) == "abcd"


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 100], "not there after"),
        ([b"HTTP/1.1 200 OK\r\nSlow: ", *[b"x"] * 100], "not there after"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], "ended before the text did"),
        ([b"SSH-2.0-OpenSSH_9.9\r\n"], "SSH-2.0"),
        ([b"HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\n\r\n"], "redirects away"),
    ],
)
def test_a_far_end_that_gives_no_whole_text_in_time_is_a_report(far_end, monkeypatch, pieces, why):
    monkeypatch.setattr(fetching, "TIMEOUT", 1.0)
    began = time.monotonic()
    with pytest.raises(values.FetchFailed, match=why):
        fetching.fetch(far_end(*pieces))
    assert time.monotonic() - began < 5
