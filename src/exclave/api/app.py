"""The three listeners: public (8081), admin (8082), runner (8083). Each serves its routes, its own OpenAPI document and docs."""

import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from litestar import Litestar, get
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.plugins.core import MsgspecDIPlugin
from litestar.response import Redirect
from litestar.routes import HTTPRoute
from sqlalchemy import text

import exclave
from exclave.api import contract, docs, errors, openapi
from exclave.api.route import Endpoint, Operation, Routes, endpoint_of, handler_of
from exclave.kit import errors as problems
from exclave.kit.context import Runtime

VERSION = exclave.__version__

EXPOSED = ["X-Nuon-Install-Workflow-ID", "X-Nuon-Page-Next", "X-Nuon-Page-Offset", "X-Nuon-Page-Limit", "X-Nuon-Page-Number",
           "X-Nuon-API-Next", "X-Nuon-API-Version", "X-Nuon-Trace-ID", "count", "Range-Units"]  # fmt: skip


def listener(audience: contract.Listener, routes: Sequence[Routes], runtime: Runtime) -> Litestar:
    """Make the application of one listener: its routes, 501 for what the contract has beyond them, health and docs."""
    served = [operation for module in (*routes, health(audience)) for operation in module.operations]
    refused = planned(audience, served)
    statuses = contract.by_key(audience)

    keys = {(operation.method, contract.nameless(path)) for operation in (*served, *refused) for path in operation.paths}
    paths: dict[str, dict[str, Endpoint]] = {}
    for operation in (*served, *refused):
        for path in operation.paths:
            place = contract.nameless(path)
            key = (operation.method, place)
            status = statuses[key].status if key in statuses else operation.status
            above_ids = (operation.method, f"{place}/{{}}") in keys
            endpoint = endpoint_of(operation, path, status, lambda: runtime, VERSION, above_ids=above_ids)
            if paths.setdefault(place, {}).setdefault(operation.method, endpoint) is not endpoint:
                raise ValueError(f"two operations answer {operation.method} {path}")
    return _Application(
        route_handlers=[
            *itertools.starmap(handler_of, paths.items()),
            root,
            *docs.handlers(lambda: openapi.document(audience, served, refused, VERSION)),
        ],
        openapi_config=None,
        exception_handlers={Exception: errors.answer},
        compression_config=CompressionConfig(backend="gzip", minimum_size=2000, gzip_compress_level=3),
        cors_config=CORSConfig(
            allow_origins=["*"],
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
            allow_headers=["Authorization", "Content-Type", "X-Nuon-Org-ID", "Last-Event-ID"],
            expose_headers=EXPOSED,
        ),
        request_max_body_size=None,  # every route has its own bound, see route.bounded
        logging_config=None,
    )


class _Application(Litestar):
    """Litestar, registering some hundred routes at the start in a third of its time."""

    @staticmethod
    def _get_default_plugins(plugins: list[Any]) -> list[Any]:
        # Litestar's for pydantic and attrs import those, if only a third party needs them; no shape of ours is one of theirs.
        return [*plugins, MsgspecDIPlugin()]

    @property
    def route_handler_method_map(self) -> "_ByPath":  # type: ignore[override]
        # Asked for one path whenever a handler is registered: Litestar makes the whole map anew each time.
        return _ByPath(self.routes)


class _ByPath(Mapping[str, Any]):
    """The handlers of each path, by method, looked up among the routes."""

    def __init__(self, routes: Sequence[Any]) -> None:
        self._routes = routes

    def __getitem__(self, path: str) -> dict[Any, Any]:
        for route in self._routes:
            if route.path == path and isinstance(route, HTTPRoute):
                return {method: handler for handler in route.route_handlers for method in handler.http_methods}
        raise KeyError(path)

    def __iter__(self) -> Iterator[str]:
        return iter([route.path for route in self._routes])

    def __len__(self) -> int:
        return len(self._routes)


def planned(audience: contract.Listener, served: Sequence[Operation]) -> list[Operation]:
    have = {(operation.method, contract.nameless(path)) for operation in served for path in operation.paths}
    return [
        Operation(
            method=missing.method,
            paths=(missing.path,),
            function=_refuse(missing),
            audience=audience,
            tag=missing.tag,
            status=missing.status,
            also=(),
            needs_token=True,
            needs_org=False,
            transaction=False,
            known=False,
            limit=0,
            hidden=False,
            answers=None,
            media="application/json",
            accepts=None,
            accepts_media="application/json",
            parameters=(),
        )
        for missing in contract.operations(audience)
        if missing.key not in have and missing.path.startswith("/v1/")  # documents and docs are served beside the routes
    ]


def _refuse(missing: contract.ContractOperation) -> Callable[..., Awaitable[Any]]:
    async def planned() -> None:
        raise problems.Planned(f"{missing.id} ({missing.summary}) is planned, but not there yet: docs/status.md lists what is")

    return planned


def health(audience: contract.Listener) -> Routes:
    """Whether the process lives, whether it can answer, and what it is: without a token."""
    route = Routes("general", audience)

    @route.get("/livez", token=False)
    async def livez() -> dict[str, str]:
        """The process lives."""
        return {"status": "ok"}

    @route.get("/readyz", token=False)
    async def readyz(runtime: Runtime) -> dict[str, str]:
        """The process reaches its database and answers."""
        async with runtime.unknown() as ctx:
            await ctx.db.execute(text("select 1"))
        return {"status": "ok"}

    @route.get("/version", token=False)
    async def version() -> dict[str, str]:
        """The version of this server."""
        return {"version": VERSION, "git_ref": VERSION}

    return route


@get("/", include_in_schema=False)
async def root() -> Redirect:
    return Redirect("/docs")
