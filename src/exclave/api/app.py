"""The three listeners: public (8081), admin (8082), runner (8083). Each serves its routes, its own OpenAPI document and docs."""

import importlib.metadata
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect
from sqlalchemy import text

from exclave.api import contract, docs, errors, openapi
from exclave.api.route import Operation, Routes, handler_of
from exclave.kit import errors as problems
from exclave.kit.context import Runtime

VERSION = importlib.metadata.version("exclave")

EXPOSED = ["X-Nuon-Install-Workflow-ID", "X-Nuon-Page-Next", "X-Nuon-Page-Offset", "X-Nuon-Page-Limit", "X-Nuon-Page-Number",
           "X-Nuon-API-Next", "X-Nuon-API-Version", "X-Nuon-Trace-ID", "count", "Range-Units"]  # fmt: skip


def listener(audience: contract.Listener, routes: Sequence[Routes], runtime: Runtime) -> Litestar:
    """Make the application of one listener: its routes, 501 for what the contract has beyond them, health and docs."""
    served = [operation for module in routes for operation in module.operations]
    planned = planned(audience, served)
    document = openapi.document(audience, served, planned, VERSION)
    statuses = contract.by_key(audience)

    handlers: list[HTTPRouteHandler] = []
    for operation in [*served, *planned]:
        for path in operation.paths:
            known = statuses.get((operation.method, contract.nameless(path)))
            handlers.append(handler_of(operation, path, known.status if known else operation.status, lambda: runtime, VERSION))
    return Litestar(
        route_handlers=[*handlers, *_health(runtime), *docs.handlers(document)],
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
            needs_token=True,
            needs_org=False,
            transaction=False,
            limit=0,
            hidden=False,
            parameters=(),
        )
        for missing in contract.operations(audience)
        if missing.key not in have
    ]


def _refuse(missing: contract.ContractOperation) -> Callable[..., Awaitable[Any]]:
    async def planned() -> None:
        raise problems.Planned(f"{missing.id} ({missing.summary}) is planned, but not there yet: docs/status.md lists what is")

    return planned


def _health(runtime: Runtime) -> list[HTTPRouteHandler]:
    @get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @get("/readyz", include_in_schema=False)
    async def readyz() -> Response[dict[str, str]]:
        async with runtime.app() as session:
            await session.execute(text("select 1"))
        return Response({"status": "ok"})

    @get("/version", include_in_schema=False)
    async def version() -> dict[str, str]:
        return {"version": VERSION, "git_ref": VERSION}

    @get("/", include_in_schema=False)
    async def root(request: Request[Any, Any, Any]) -> Redirect:
        return Redirect("/docs")

    return [livez, readyz, version, root]
