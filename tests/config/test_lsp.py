"""The editor server, asked by a scripted client that speaks the protocol over its stdin and stdout."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue

import pytest

BASE = Path(__file__).parent / "broken" / "base"


class Client:
    """Sends requests, and keeps what the server says by itself."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from exclave.cli import lsp; lsp.serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ},
        )
        self.messages: Queue = Queue()
        self.number = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.capabilities = self.ask("initialize", {"processId": None, "rootUri": root.as_uri(), "capabilities": {}})["capabilities"]
        self.tell("initialized", {})

    def _read(self) -> None:
        stream = self.process.stdout
        while True:
            size = 0
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                size = int(value) if name.lower() == b"content-length" else size
            if not size:
                return
            self.messages.put(json.loads(stream.read(size)))

    def _send(self, message: dict) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def tell(self, method: str, params: dict) -> None:
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: dict):
        self.number += 1
        self._send({"id": self.number, "method": method, "params": params})
        kept = []
        while True:
            message = self.messages.get(timeout=5)
            if message.get("id") == self.number and "method" not in message:
                for each in kept:
                    self.messages.put(each)
                assert "error" not in message, message
                return message["result"]
            kept.append(message)

    def uri(self, file: str) -> str:
        return (self.root / file).as_uri()

    def open(self, file: str, text: str | None = None) -> str:
        text = (self.root / file).read_text() if text is None else text
        document = {"uri": self.uri(file), "languageId": "toml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        return text

    def change(self, file: str, text: str) -> None:
        document = {"uri": self.uri(file), "version": 2}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def diagnostics(self, file: str, wanted) -> list[dict]:
        """Wait until what is shown for a file is as wanted."""
        seen = None
        while True:
            try:
                message = self.messages.get(timeout=5)
            except Empty:
                raise AssertionError(f"last shown for {file}: {seen}") from None
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == self.uri(file):
                seen = message["params"]["diagnostics"]
                if wanted(seen):
                    return seen

    def at(self, method: str, file: str, text: str, mark: str, **more):
        """Ask about the place right behind a piece of text."""
        before = text[: text.index(mark) + len(mark)]
        position = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        return self.ask(f"textDocument/{method}", {"textDocument": {"uri": self.uri(file)}, "position": position, **more})

    def close(self) -> None:
        self.ask("shutdown", {})
        self.tell("exit", {})
        assert self.process.wait(timeout=10) == 0
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


@pytest.fixture
def client(tmp_path):
    root = tmp_path / "shop"
    shutil.copytree(BASE, root)
    (root / "values").mkdir()
    (root / "values" / "api.yaml").write_text('host: "{{ .nuon.components.database.outputs.host }}"\n')
    with (root / "components" / "api.toml").open("a") as file:
        file.write('\n[[values_file]]\ncontents = "./values/api.yaml"\n')
    client = Client(root)
    yield client
    client.close()


def test_findings_come_while_typing_and_go_when_mended(client):
    text = client.open("components/api.toml")
    client.change("components/api.toml", text.replace("chart_name", "chart_nmae"))
    found = client.diagnostics("components/api.toml", lambda shown: any(each["code"] == "EX-C012" for each in shown))
    unknown = next(each for each in found if each["code"] == "EX-C012")
    assert unknown["range"] == {"start": {"line": 2, "character": 0}, "end": {"line": 2, "character": 10}}
    assert 'did you mean "chart_name"?' in unknown["message"]
    client.change("components/api.toml", text)
    client.diagnostics("components/api.toml", lambda shown: shown == [])


def test_a_finding_in_another_file_is_shown_there(client):
    text = client.open("components/database.toml")
    client.change("components/database.toml", text.replace('name = "database"', 'name = "store"'))
    found = client.diagnostics("components/api.toml", lambda shown: bool(shown))
    assert found[0]["code"] == "EX-C073"


def test_columns_are_counted_as_the_client_does(client):
    # The client did not say otherwise, so characters beyond the basic plane count twice.
    client.open("metadata.toml", 'version = "v2"\ndescription = "😀" x\n')
    found = client.diagnostics("metadata.toml", lambda shown: bool(shown))
    assert found[0]["range"]["start"] == {"line": 1, "character": 19}


def test_keys_that_are_missing_are_offered(client):
    text = client.open("components/database.toml")
    text = text.replace('type = "terraform_module"', 'type = "terraform_module"\ndr')
    client.change("components/database.toml", text)
    labels = [each["label"] for each in client.at("completion", "components/database.toml", text, "\ndr")]
    assert "drift_schedule" in labels
    assert "terraform_version" not in labels


def test_names_of_components_are_offered_where_one_is_needed(client):
    text = client.open("components/api.toml")
    text = text.replace("chart_name", 'dependencies = ["\nchart_name', 1)
    client.change("components/api.toml", text)
    labels = [each["label"] for each in client.at("completion", "components/api.toml", text, 'dependencies = ["')]
    assert labels == ["database"]


@pytest.mark.parametrize(
    ("written", "offered"),
    [
        ("{{ .nuon.", {"install", "components", "inputs"}),
        ("{{ .nuon.components.", {"api", "database"}),
        ("{{ .nuon.components.database.", {"outputs", "status"}),
        ("{{ .nuon.inputs.inputs.", {"domain"}),
        ("{{ .nuon.install_stack.outputs.", {"vpc_id", "region"}),
    ],
)
def test_paths_of_templates_are_offered(client, written, offered):
    text = client.open("components/api.toml")
    text = text.replace("[values]\n", f'[values]\nx = "{written}\n')
    client.open("stack.toml")
    client.change("components/api.toml", text)
    labels = {each["label"] for each in client.at("completion", "components/api.toml", text, written)}
    assert offered <= labels


def test_hover_explains_keys_and_variables(client):
    text = client.open("components/api.toml")
    assert "release's name" in client.at("hover", "components/api.toml", text, "chart_na")["contents"]["value"]
    assert "The domain." in client.at("hover", "components/api.toml", text, ".nuon.inputs.inputs.doma")["contents"]["value"]


def test_definitions_lead_to_names_and_files(client):
    text = client.open("components/api.toml")
    component = client.at("definition", "components/api.toml", text, ".nuon.components.data")
    assert component["uri"] == client.uri("components/database.toml")
    assert component["range"]["start"]["line"] == 1
    assert client.at("definition", "components/api.toml", text, "./values/a")["uri"] == client.uri("values/api.yaml")
    assert client.at("definition", "components/api.toml", text, ".nuon.inputs.inputs.do")["uri"] == client.uri("inputs.toml")


def test_a_component_is_renamed_everywhere(client):
    text = client.open("components/database.toml")
    edit = client.at("rename", "components/database.toml", text, 'name = "datab', newName="store")
    for uri, changes in edit["changes"].items():
        path = Path(uri.removeprefix("file://"))
        lines = path.read_text().split("\n")
        for change in sorted(changes, key=lambda each: -each["range"]["start"]["character"]):
            start, end = change["range"]["start"], change["range"]["end"]
            line = lines[start["line"]]
            lines[start["line"]] = line[: start["character"]] + change["newText"] + line[end["character"] :]
        path.write_text("\n".join(lines))
    from exclave import config

    loaded = config.load(client.root, offline=True)
    assert loaded.reports == []
    assert [item.name for item in loaded.app.components] == ["api", "store"]
    assert "store" in (client.root / "values" / "api.yaml").read_text()


def test_a_document_is_laid_out(client):
    client.open("runner.toml", 'runner_type   =    "aws"\n\n\n')
    edits = client.ask(
        "textDocument/formatting",
        {"textDocument": {"uri": client.uri("runner.toml")}, "options": {"tabSize": 2, "insertSpaces": True}},
    )
    assert edits[0]["newText"] == 'runner_type = "aws"\n'
