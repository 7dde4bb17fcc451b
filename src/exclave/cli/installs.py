"""`exclave installs …`"""

from typing import Annotated, Any

import typer

from exclave.cli import output, session
from exclave.client.public import PublicApi
from exclave.wire.public.installs import Install

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Installs: create, look at, reprovision, deprovision.", rich_markup_mode=None
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Inputs = Annotated[list[str] | None, typer.Option("--input", "-i", help="An input as name=value; may be given more than once.")]


@app.command()
def create(
    name: str,
    app_name: Annotated[str, typer.Option("--app", "-a", help="The app, by name or id.")],
    inputs: Inputs = None,
    aws_region: Annotated[str, typer.Option(help="Region of the customer's AWS account.")] = "",
    azure_location: Annotated[str, typer.Option(help="Location of the customer's Azure account.")] = "",
    approve_all: Annotated[bool, typer.Option("--approve-all", help="Approve every plan of this install without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Create an install of an app and start to provision it. Prints the install and its workflow."""
    body: dict[str, Any] = {"name": name, "inputs": _pairs(inputs or [])}
    if aws_region:
        body["aws_account"] = {"region": aws_region}
    if azure_location:
        body["azure_account"] = {"location": azure_location}
    if approve_all:
        body["install_config"] = {"approval_option": "approve-all"}

    async def work(api: PublicApi) -> tuple[Install, str]:
        answer = await api.http.request("POST", f"/v1/apps/{session.segment(app_name)}/installs", body=body)
        return api.http.decoded(answer, Install), answer.headers.get("x-nuon-install-workflow-id", "")

    made, workflow_id = session.call(work)
    if as_json:
        output.as_json({"install": made, "workflow_id": workflow_id})
    else:
        output.data(f"{made.id}\t{made.name}\t{workflow_id}")


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise session.stop(f"--input {text}: write it as name=value", session.USAGE)
        pairs[name] = value
    return pairs


@app.command("list")
def list_installs(as_json: Json = False) -> None:
    """List the installs of the org."""

    async def work(api: PublicApi) -> list[Install]:
        return [found async for found in api.pages("/v1/installs", Install)]

    found = session.call(work)
    if as_json:
        output.as_json(found)
        return
    heads = ("NAME", "ID", "APP", "SANDBOX", "COMPONENTS", "RUNNER")
    rows = [(i.name, i.id, i.app_id, i.sandbox_status, i.composite_component_status, i.runner_status) for i in found]
    output.table(heads, rows)


@app.command()
def get(install: str, as_json: Json = False) -> None:
    """Show one install, by name or id."""

    async def work(api: PublicApi) -> Install:
        return await api.http.get(f"/v1/installs/{session.segment(install)}", Install)

    found = session.call(work)
    if as_json:
        output.as_json(found)
        return
    facts = {
        "name": found.name,
        "id": found.id,
        "app": found.app_id,
        "app config": found.app_config_id,
        "sandbox": found.sandbox_status,
        "components": f"{found.composite_component_status} ({found.composite_component_status_description})",
        "runner": f"{found.runner_status} {found.runner_id}",
        "created": output.when(found.created_at),
    }
    for key, value in facts.items():
        output.data(f"{key + ':':12} {value}")


@app.command()
def state(install: str, as_json: Json = False) -> None:
    """Print the state document that templates read, as JSON. Secrets are masked."""

    async def work(api: PublicApi) -> Any:
        return await api.http.get(f"/v1/installs/{session.segment(install)}/state", dict[str, Any])

    output.as_json(session.call(work))


def _start(install: str, verb: str, plan_only: bool, as_json: bool) -> None:
    async def work(api: PublicApi) -> str:
        answer = await api.http.request("POST", f"/v1/installs/{session.segment(install)}/{verb}", body={"plan_only": plan_only})
        return str(answer.headers.get("x-nuon-install-workflow-id", ""))

    workflow_id = session.call(work)
    output.as_json({"workflow_id": workflow_id}) if as_json else output.data(workflow_id)


PlanOnly = Annotated[bool, typer.Option("--plan-only", help="Show what would change, and change nothing.")]


@app.command()
def reprovision(install: str, plan_only: PlanOnly = False, as_json: Json = False) -> None:
    """Plan and apply the sandbox again, then every component. Prints the workflow's id."""
    _start(install, "reprovision", plan_only, as_json)


@app.command()
def deprovision(install: str, plan_only: PlanOnly = False, as_json: Json = False) -> None:
    """Tear down every component, then the sandbox. Prints the workflow's id."""
    _start(install, "deprovision", plan_only, as_json)
