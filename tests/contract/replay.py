"""Replay what the original command line sent: fill in ids, send, compare, remember ids. `test_traces.py` tells the rules."""

import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select, update

from exclave.domain.audit.models import AuditRow
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.deploys.models import InstallDeploy
from exclave.engine import status
from exclave.engine.models import Workflow
from exclave.kit.context import Runtime
from tests.contract import answers
from tests.factories import OrgWithToken

TRACES = Path(__file__).parent / "traces"
WORKFLOW_HEADER = "x-nuon-install-workflow-id"

_PLACEHOLDER = re.compile(r"<[A-Za-z]+-\d+>")
_SCRIPTED = {"ComponentBuild": ComponentBuild, "InstallDeploy": InstallDeploy, "Workflow": Workflow}


def scenario(name: str) -> dict[str, Any]:
    """A recording, with what `amended.toml` says about it."""
    found: dict[str, Any] = json.loads((TRACES / f"{name}.json").read_text())
    for amended in tomllib.loads((TRACES / "amended.toml").read_text())["amended"]:
        if amended["scenario"] == name:
            exchange = found["exchanges"][amended["exchange"]]
            assert exchange["operation"] == amended["operation"], amended
            if "status" in amended:
                exchange["response"] = {"status": amended["status"]}
            if "body" in amended:
                exchange["request"]["body"].update(amended["body"])
    return found


@dataclass
class Replay:
    """One scenario against one org. `problems` says where our server answered otherwise."""

    client: httpx.AsyncClient
    runtime: Runtime
    org: OrgWithToken
    documents: tuple[dict[str, Any], ...]
    allowed: dict[str, list[str]]
    ids: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    played: set[str] = field(default_factory=set)

    async def run(self, name: str) -> None:
        """Replay what must have happened before, then the scenario itself. Names of ids do not carry over."""
        if name in self.played:
            return
        self.played.add(name)
        trace = scenario(name)
        for earlier in trace["after"]:
            await self.run(earlier)
        self.ids = {"<Org-1>": self.org.id}
        await self._find(trace["given"])
        for number, exchange in enumerate(trace["exchanges"]):
            if not exchange.get("injected"):
                await self._exchange(f"{name} #{number}", trace["common_headers"], exchange)

    async def _find(self, given: dict[str, Any]) -> None:
        """Look up what the command line knew beforehand."""
        for placeholder, how in given.items():
            if "component" in how:
                app = self.ids["<App-1>"]
                component = (await self.client.get(f"/v1/apps/{app}/component/{how['component']}")).json()
                self.ids[placeholder] = (await self.client.get(f"/v1/components/{component['id']}/builds/latest")).json()["id"]
            elif placeholder.startswith("<App-"):
                self.ids[placeholder] = (await self.client.get(f"/v1/apps/{how['name']}")).json()["id"]

    async def _exchange(self, where: str, common: dict[str, str], exchange: dict[str, Any]) -> None:
        recorded, request = exchange["response"], exchange["request"]
        where = f"{where} {request['method']} {request['path']}"
        missing = _PLACEHOLDER.findall(json.dumps([request["path"], request.get("query"), request.get("body")]))
        missing = [name for name in missing if name not in self.ids]
        if missing:
            self.problems.append(f"{where}: {', '.join(missing)} came in no answer before")
            return
        audited = await self._audited()
        answer = await self._send(common, request)
        changes = request["method"] != "GET" and not request["path"].endswith("/update-installs")  # nobody to move there
        if changes and answer.status_code < 300 and await self._audited() == audited:
            self.problems.append(f"{where}: it changes something and leaves no audit row")
        if answer.status_code != recorded["status"]:
            self.problems.append(f"{where}: {recorded['status']} recorded, {answer.status_code} answered: {answer.text[:200]}")
            return
        self._remember(recorded.get("body"), body_of(answer))
        workflow = (recorded.get("headers") or {}).get(WORKFLOW_HEADER)
        if workflow:
            if WORKFLOW_HEADER not in answer.headers:
                self.problems.append(f"{where}: no header {WORKFLOW_HEADER}")
            self.ids.setdefault(workflow, answer.headers.get(WORKFLOW_HEADER, ""))
        scripted = await self._follow_the_script(recorded.get("body"))
        if scripted and request["method"] == "GET":
            answer = await self._send(common, request)
            if [_status(item) for item in _items(body_of(answer))][: len(scripted)] != scripted:
                self.problems.append(f"{where}: status {scripted} recorded, {answer.text[:200]} answered")
        self._compare(where, exchange, answer)

    async def _audited(self) -> int:
        """How many changes of the org are written down."""
        async with self.runtime.sweep() as ctx:
            rows = select(func.count()).select_from(AuditRow).where(AuditRow.org_id == self.org.id)
            return int((await ctx.db.execute(rows)).scalar_one())

    async def _send(self, common: dict[str, str], request: dict[str, Any]) -> httpx.Response:
        headers = {**common, **(request.get("headers") or {})}
        sent = {name: self._filled(value) for name, value in headers.items() if value is not None}
        sent["authorization"] = f"Bearer {self.org.token}"
        body = request.get("body")
        return await self.client.request(
            request["method"],
            self._filled(request["path"]),
            params=self._filled(request.get("query") or {}),
            content=b"" if body is None else json.dumps(self._filled(body)).encode(),
            headers=sent,
        )

    def _filled(self, value: Any) -> Any:
        """The value with every id that is known by now."""
        if isinstance(value, str):
            return _PLACEHOLDER.sub(lambda match: self.ids.get(match[0], match[0]), value)
        if isinstance(value, dict):
            return {self._filled(key): self._filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        return value

    def _remember(self, recorded: Any, answered: Any) -> None:
        """Learn ids: wherever the record has a new placeholder, the real answer has its id at the same place."""
        if isinstance(recorded, str) and isinstance(answered, str):
            names = _PLACEHOLDER.findall(recorded)
            pattern = "(.{26})".join(re.escape(part) for part in _PLACEHOLDER.split(recorded))
            found = re.fullmatch(pattern, answered, re.DOTALL) if names else None
            for name, value in zip(names, found.groups() if found else (), strict=False):
                self.ids.setdefault(name, value)
        elif isinstance(recorded, dict) and isinstance(answered, dict):
            for key, item in recorded.items():
                self._remember(item, answered.get(key))
        elif isinstance(recorded, list) and isinstance(answered, list):
            for one, other in _pairs(recorded, answered):
                self._remember(one, other)

    async def _follow_the_script(self, recorded: Any) -> list[str]:
        """Take builds, deploys and workflows to the status that the record shows: in the record, a script did. Return what was set."""
        taken = []
        for item in _items(recorded):
            placeholder = str(item.get("id", ""))
            row = _SCRIPTED.get(placeholder.strip("<>").partition("-")[0])
            if row is None or placeholder not in self.ids:
                continue
            async with self.runtime.sweep() as ctx:
                await ctx.db.execute(update(row).where(row.id == self.ids[placeholder]).values(_at(row, item["status"])))
            taken.append(_status(item))
        return taken

    def _compare(self, where: str, exchange: dict[str, Any], answer: httpx.Response) -> None:
        recorded, body = exchange["response"].get("body"), body_of(answer)
        path = self._filled(exchange["request"]["path"])
        if isinstance(recorded, dict) and isinstance(body, dict) and self._filled(recorded.get("id", "")) != body.get("id", ""):
            self.problems.append(f"{where}: answered for {body.get('id')}, not for {recorded.get('id')}")
        if answer.status_code < 400 and "json" in answer.headers.get("content-type", ""):
            for document in self.documents:
                found = answers.faults(document, exchange["request"]["method"], path, answer.status_code, body, keys=False)
                self.problems += [f"{where}: {fault}" for fault in found if fault not in self.allowed.get(exchange["operation"], ())]


def body_of(answer: httpx.Response) -> Any:
    return answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else answer.text


def _items(body: Any) -> list[dict[str, Any]]:
    """What has a status in a body: itself, or what it lists."""
    return [item for item in (body if isinstance(body, list) else [body]) if isinstance(item, dict) and "status" in item]


def _pairs(recorded: list[Any], answered: list[Any]) -> list[tuple[Any, Any]]:
    """Items of two lists that belong together: by name where they have one, by place otherwise."""
    if not all(isinstance(item, dict) and item.get("name") for item in [*recorded, *answered]):
        return list(zip(recorded, answered, strict=False))
    by_name = {item["name"]: item for item in answered}
    return [(item, by_name[item["name"]]) for item in recorded if item["name"] in by_name]


def _at(row: type[Any], shown: Any) -> dict[str, Any]:
    word = _status({"status": shown})
    return {"status": status.composite(word)} if row is Workflow else {"status": word}


def _status(item: Any) -> str:
    shown = item.get("status", "") if isinstance(item, dict) else ""
    return str(shown.get("status", "")) if isinstance(shown, dict) else str(shown)
