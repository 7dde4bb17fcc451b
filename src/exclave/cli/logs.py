"""`exclave logs`"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from exclave.cli import output, session
from exclave.client.http import TRY_AGAIN, Refused, Unreachable
from exclave.client.public import PublicApi
from exclave.wire.public.runners import OtelLogRecord
from exclave.wire.public.workflows import Workflow

_LEVELS = {"ERROR": "error", "WARN": "warn", "DEBUG": "debug"}


def logs(
    thing: Annotated[str, typer.Argument(help="An install, or the id of a sandbox run, deploy, action run, build or log stream.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until the stream is closed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print logs. For an install: those of its newest workflow's work, one stream after the other.

    With --follow it goes on until all of them are closed and the workflow has ended or asks for an approval.
    """
    if follow:
        session.call(lambda api: _follow(api, thing, as_json), patience=session.ENDURING)
    else:
        session.call(lambda api: _print(api, thing, as_json))


async def _print(api: PublicApi, thing: str, as_json: bool) -> None:
    for stream in await _streams(api, thing):
        await _pages(api, stream, as_json)


async def _follow(api: PublicApi, thing: str, as_json: bool) -> None:
    seen: set[str] = set()
    version = ""
    while True:
        workflow = await _newest_workflow(api, thing)  # before its streams: what it opened until it ended is in their list
        new = [stream for stream in await _streams(api, thing, may_be_none=workflow is not None) if stream not in seen]
        for stream in new:
            await _tail(api, stream, as_json)
        seen.update(new)
        if new:
            continue
        if workflow is None or workflow.finished or any(output.status_of(step) == "approval-awaiting" for step in workflow.steps or []):
            return
        # What runs now will open the next stream: its workflow changes when it does.
        path, params = f"/v1/workflows/{workflow.id}/watch", {"after": version}
        answer = await api.http.request("GET", path, params=params, timeout=60, idempotent=True)
        version = answer.headers.get("x-exclave-version", "")


async def _newest_workflow(api: PublicApi, thing: str) -> Workflow | None:
    """The newest workflow of an install; nothing when the thing is no install."""
    try:
        found = await api.http.get(f"/v1/installs/{session.segment(thing)}/workflows", list[Workflow], params={"limit": 1})
    except Refused as error:
        if error.status != 404:
            raise
        return None
    return found[0] if found else None


async def _streams(api: PublicApi, thing: str, *, may_be_none: bool = False) -> list[str]:
    found = await api.http.get("/v1/log-streams", list[dict[str, Any]], params={"of": thing})
    if not found and not may_be_none:
        raise session.stop(f"nothing with the id {thing} has logs", session.MISSING)
    return [stream["id"] for stream in found]


async def _pages(api: PublicApi, stream: str, as_json: bool) -> None:
    offset = ""
    while True:
        answer = await api.http.request("GET", f"/v1/log-streams/{stream}/logs", headers={"X-Nuon-API-Offset": offset} if offset else {})
        for record in api.http.decoded(answer, list[OtelLogRecord]):
            _show(record, as_json)
        offset = answer.headers.get("x-nuon-api-next", "")
        if not offset:
            return


async def _tail(api: PublicApi, stream: str, as_json: bool) -> None:
    """Print a stream until it is closed. A connection that ends before comes back after the last line that was seen."""
    last = ""
    gone_since = None
    while True:
        event, data, cursor = "", "", last
        try:
            async for line in await api.http.lines(f"/v1/log-streams/{stream}/logs/tail", headers={"Last-Event-ID": last} if last else {}):
                gone_since = None
                if line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("id:"):
                    cursor = line[3:].strip()
                elif line.startswith("data:"):
                    data += line[5:].strip()
                elif not line:
                    if event == "end":
                        return
                    if data:
                        _show(msgspec.json.decode(data, type=OtelLogRecord), as_json)
                    event, data, last = "", "", cursor  # not before: a connection may end between the id of a record and the record
        except (Unreachable, Refused) as error:
            if isinstance(error, Refused) and error.status not in TRY_AGAIN:
                raise
            gone_since = gone_since or time.monotonic()
            if time.monotonic() - gone_since > session.ENDURING:
                raise
        await asyncio.sleep(0.5)  # back-off of a reconnect


def _show(record: OtelLogRecord, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(record).decode() + "\n")
        sys.stdout.flush()
        return
    moment = _moment(record)
    level = _LEVELS.get(record.severity_text.upper(), "")
    output.data(f"{moment}  {level + ': ' if level else ''}{record.body}")


def _moment(record: OtelLogRecord) -> str:
    text = str(record.timestamp)
    if text.isdigit():
        return datetime.fromtimestamp(int(text) / 1e9, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    return text[11:23]
