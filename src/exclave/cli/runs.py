"""`exclave sandbox-runs`"""

from typing import Annotated, Any

import msgspec
import typer

from exclave.cli import output, session
from exclave.client.public import PublicApi
from exclave.wire.public.sandboxes import InstallSandboxRun


def sandbox_runs(
    install: str,
    expand: Annotated[str, typer.Option(help="`all` fills every nested object.")] = "",
    limit: Annotated[int, typer.Option(help="How many, 100 at most.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the sandbox runs of an install, newest first."""

    async def work(api: PublicApi) -> bytes:
        params: dict[str, Any] = {"limit": limit, "expand": expand or None}
        return (await api.http.request("GET", f"/v1/installs/{session.segment(install)}/sandbox-runs", params=params)).content

    raw = session.call(work)
    if as_json:
        output.as_json(msgspec.Raw(raw))
        return
    runs = msgspec.json.decode(raw, type=list[InstallSandboxRun])
    rows = [(r.id, r.run_type, r.status, r.status_description, output.when(r.created_at)) for r in runs]
    output.table(("ID", "TYPE", "STATUS", "WHY", "CREATED"), rows)
