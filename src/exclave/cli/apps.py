"""`exclave apps …`"""

from pathlib import Path
from typing import Annotated

import typer

from exclave.cli import config_commands, output, session
from exclave.client.public import PublicApi
from exclave.wire.public.apps import App, CreateAppRequest

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Apps: create, list, validate, sync, compare.", rich_markup_mode=None)
app.command()(config_commands.validate)
app.command()(config_commands.graph)
app.command()(config_commands.diff)
app.command()(config_commands.init)
app.command()(config_commands.fmt)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    name: str,
    description: Annotated[str, typer.Option(help="What the app is, in a sentence.")] = "",
    display_name: Annotated[str, typer.Option(help="How people call it.")] = "",
    as_json: Json = False,
) -> None:
    """Create an app."""

    async def work(api: PublicApi) -> App:
        return await api.http.send("POST", "/v1/apps", CreateAppRequest(name, description=description, display_name=display_name), App)

    made = session.call(work)
    output.as_json(made) if as_json else output.data(f"{made.id}\t{made.name}")


@app.command("list")
def list_apps(as_json: Json = False) -> None:
    """List the apps of the org."""

    async def work(api: PublicApi) -> list[App]:
        return [found async for found in api.pages("/v1/apps", App)]

    apps = session.call(work)
    if as_json:
        output.as_json(apps)
    else:
        output.table(("NAME", "ID", "STATUS", "CREATED"), [(a.name, a.id, a.status, output.when(a.created_at)) for a in apps])


@app.command()
def sync(
    directory: Annotated[Path, typer.Argument(help="The app directory; its name is the app's name.")] = Path(),
    name: Annotated[str, typer.Option("--app", help="The app to sync to, when it is not named like the directory.")] = "",
    wait: Annotated[bool, typer.Option(help="Wait for the builds.")] = True,
    as_json: Json = False,
) -> None:
    """Send an app directory to the server as a new app config, and build what changed."""
    from exclave.cli.sync import sync_directory

    sync_directory(directory, name, wait=wait, as_json=as_json)
