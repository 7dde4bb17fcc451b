"""Print the OpenAPI document of a listener from its routes: what is in it is served, what is planned says so."""

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from litestar import Response

from exclave.api import contract
from exclave.api.route import Operation, Page
from exclave.wire.base import Body, ErrResponse

_TEXTS = {str: "string", int: "integer", bool: "boolean"}


def document(audience: contract.Listener, served: Sequence[Operation], planned: Sequence[Operation], version: str) -> dict[str, Any]:
    """Return the document, schemas included."""
    shapes = _Schemas([shape for operation in served for shape in _shapes_of(operation)])
    paths: dict[str, dict[str, Any]] = {}
    known = contract.by_key(audience)
    for operation in [*served, *planned]:
        if operation.hidden:
            continue
        for position, path in enumerate(operation.paths):
            entry = known.get((operation.method, contract.nameless(path)))
            described = _describe(operation, path, entry, shapes, is_planned=operation in planned)
            if position:
                described["deprecated"] = True
            paths.setdefault(entry.path if entry else path, {})[operation.method.lower()] = described
    for entry in known.values():
        if not entry.path.startswith("/v1/"):
            paths.setdefault(entry.path, {}).setdefault(entry.method.lower(), _beside(entry))
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Exclave {audience} API", "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": shapes.components,
            "securitySchemes": {
                "APIKey": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Bearer <token>"},
                "OrgID": {"type": "apiKey", "in": "header", "name": "X-Nuon-Org-ID"},
            },
        },
        "security": [{"APIKey": [], "OrgID": []}],
    }


class _Schemas:
    """Every struct that an operation names, as JSON schemas by class name."""

    def __init__(self, shapes: Iterable[Any]) -> None:
        unique = list({repr(shape): shape for shape in [*shapes, ErrResponse]}.values())
        schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
        self._by_shape = {repr(shape): schema for shape, schema in zip(unique, schemas, strict=True)}
        self.components: dict[str, Any] = components

    def of(self, shape: Any) -> Any:
        return self._by_shape[repr(shape)]


def _is_body(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Body)


def _answer_of(operation: Operation) -> Any:
    if operation.answers is not None:
        return operation.answers
    answer = inspect.signature(operation.function, eval_str=True).return_annotation
    if answer is inspect.Signature.empty or answer is None or answer is bytes or answer is msgspec.Raw:
        return None
    if isinstance(answer, type) and issubclass(answer, Response):
        return None
    if getattr(answer, "__origin__", None) is Response:
        return None
    return answer


def _shapes_of(operation: Operation) -> list[Any]:
    shapes = [*(kind for _, kind, _ in operation.parameters if _is_body(kind)), operation.accepts, _answer_of(operation)]
    return [shape for shape in shapes if shape is not None]


def _describe(
    operation: Operation, path: str, entry: contract.ContractOperation | None, shapes: _Schemas, *, is_planned: bool
) -> dict[str, Any]:
    summary = entry.summary if entry else (inspect.getdoc(operation.function) or "").partition("\n")[0]
    described: dict[str, Any] = {
        "operationId": entry.id if entry else operation.function.__name__,
        "summary": summary,
        "tags": [entry.tag if entry else operation.tag],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"\{(\w+)\}", entry.path if entry else path)
        ],
    }
    if entry and entry.deprecated:
        described["deprecated"] = True
    if not operation.needs_token:
        described["security"] = []
    error = {"description": "what is wrong", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrResponse"}}}}
    if is_planned:
        described["x-status"] = "planned"
        described["responses"] = {"501": error}
        return described
    described["description"] = inspect.getdoc(operation.function) or ""
    described["parameters"] += _query_of(operation)
    for kind in (*(kind for _, kind, _ in operation.parameters if _is_body(kind)), operation.accepts):
        if kind is not None:
            described["requestBody"] = {"content": {operation.accepts_media: {"schema": shapes.of(kind)}}}
    answer = _answer_of(operation)
    success: dict[str, Any] = {"description": "success"}
    if answer is not None:
        success["content"] = {operation.media: {"schema": shapes.of(answer)}}
    status = entry.status if entry else operation.status
    others = {str(code): success if code == 206 else {"description": "success"} for code in operation.also}
    described["responses"] = {str(status): success, **others, **{str(code): error for code in (400, 401, 403, 404, 500)}}
    return described


def _beside(entry: contract.ContractOperation) -> dict[str, Any]:
    """What is served beside the routes: this document and its page (see `docs.py`)."""
    return {
        "operationId": entry.id,
        "summary": entry.summary,
        "tags": [entry.tag],
        "security": [],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in re.findall(r"\{(\w+)\}", entry.path)
        ],
        "responses": {str(entry.status): {"description": "success"}},
    }


def _query_of(operation: Operation) -> list[dict[str, Any]]:
    in_paths = set(re.findall(r"\{(\w+)\}", "".join(operation.paths)))
    found: list[dict[str, Any]] = []
    for name, kind, default in operation.parameters:
        if kind is Page:
            for word, otherwise in (("limit", 10), ("offset", 0), ("page", 0)):
                found.append({"name": word, "in": "query", "required": False, "schema": {"type": "integer", "default": otherwise}})
        elif name not in in_paths and name != "raw" and kind in _TEXTS:
            schema: dict[str, Any] = {"type": _TEXTS.get(kind, "string")}
            if default is not inspect.Parameter.empty:
                schema["default"] = default
            found.append({"name": name, "in": "query", "required": False, "schema": schema})
    return found
