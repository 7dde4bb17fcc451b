"""`exclave config …`"""

import typer

from exclave.cli import config_commands

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The configuration language: schemas and error codes.", rich_markup_mode=None
)
app.command()(config_commands.schema)
app.command()(config_commands.explain)
app.command(hidden=True)(config_commands.docs)
