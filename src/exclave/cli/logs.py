"""`exclave logs`"""

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from exclave.cli import output, session
from exclave.client.public import PublicApi
from exclave.wire.public.runners import OtelLogRecord

_LEVELS = {"ERROR": "error", "WARN": "warn", "DEBUG": "debug"}


def logs(
    thing: Annotated[str, typer.Argument(help="An install, or the id of a sandbox run, deploy, action run, build or log stream.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until the stream is closed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print logs. For an install: those of its newest workflow's work, one stream after the other."""

    async def work(api: PublicApi) -> None:
        for stream in await _streams(api, thing):
            if follow:
                await _tail(api, stream, as_json)
            else:
                await _pages(api, stream, as_json)

    session.call(work)


async def _streams(api: PublicApi, thing: str) -> list[str]:
    found = await api.http.get("/v1/log-streams", list[dict[str, Any]], params={"of": thing})
    if not found:
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
    event, data = "", ""
    async for line in await _lines(api, stream):
        if line.startswith("event:"):
            event = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()
        elif not line and (event or data):
            if event == "end":
                return
            if data:
                for record in msgspec.json.decode(f"[{data}]" if data.startswith("{") else data, type=list[OtelLogRecord]):
                    _show(record, as_json)
            event, data = "", ""


async def _lines(api: PublicApi, stream: str) -> Any:
    return await _opened(api.http.lines(f"/v1/log-streams/{stream}/logs/tail"))


async def _opened(stream: Any) -> Any:
    return await stream


def _show(record: OtelLogRecord, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(record).decode() + "\n")
        return
    moment = _moment(record)
    level = _LEVELS.get(record.severity_text.upper(), "")
    output.data(f"{moment}  {level + ': ' if level else ''}{record.body}")


def _moment(record: OtelLogRecord) -> str:
    text = str(record.timestamp)
    if text.isdigit():
        return datetime.fromtimestamp(int(text) / 1e9, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    return text[11:23]
