"""The document and a page to read it, both offline: the page's script comes from the Python package `swagger-ui-bundle`."""

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head>
<body><div id="ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script></body>
</html>
"""
_START = """
window.ui = SwaggerUIBundle({ url: "/docs/openapi.json", dom_id: "#ui", deepLinking: true, docExpansion: "none", filter: true });
"""
_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


@functools.cache
def _asset(name: str) -> bytes:
    import swagger_ui_bundle  # 4 MB of files: looked at only when somebody opens the page

    return (Path(swagger_ui_bundle.swagger_ui_path) / name).read_bytes()


def handlers(document: Callable[[], dict[str, Any]]) -> list[HTTPRouteHandler]:
    """The routes of a listener's document, which is made when somebody asks for it: that takes a tenth of a second."""

    made = functools.cache(document)

    @get(["/oapi/v3", "/oapi/v2"], include_in_schema=False, media_type=MediaType.JSON)
    async def oapi() -> Response[bytes]:
        return Response(msgspec.json.encode(await asyncio.to_thread(made)), media_type=MediaType.JSON)

    @get("/docs/openapi.json", include_in_schema=False, media_type=MediaType.JSON)
    async def shown() -> Response[bytes]:
        # The page's script reads documents of 3.0; what it shows is written alike in both versions.
        return Response(msgspec.json.encode({**await asyncio.to_thread(made), "openapi": "3.0.3"}), media_type=MediaType.JSON)

    @get(["/docs", "/docs/index.html"], include_in_schema=False, media_type=MediaType.HTML)
    async def page() -> Response[str]:
        return Response(_PAGE.format(title=(await asyncio.to_thread(made))["info"]["title"]), media_type=MediaType.HTML)

    @get("/docs/start.js", include_in_schema=False)
    async def start() -> Response[str]:
        return Response(_START, media_type="text/javascript")

    @get("/docs/assets/{name:str}", include_in_schema=False)
    async def asset(name: FromPath[str]) -> Response[bytes]:
        if name not in _ASSETS:
            raise NotFoundException()
        return Response(_asset(name), media_type=_ASSETS[name], headers={"Cache-Control": "max-age=86400"})

    return [oapi, shown, page, start, asset]
