"""The routes of the runner API, a module for each noun. A new module is a line here."""

from exclave.api.runner import (
    actions,
    apps,
    artifacts,
    jobs,
    logs,
    runners,
    sources,
    workspaces,
)

ROUTES = tuple(
    module.route
    for module in (
        actions,
        apps,
        artifacts,
        jobs,
        logs,
        runners,
        sources,
        workspaces,
    )
)
