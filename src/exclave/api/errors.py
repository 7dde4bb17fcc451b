"""Turn every problem into the error body of the wire, in one place (spec domain.md 5.5)."""

import logging
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

import exclave
from exclave.kit import errors
from exclave.wire.base import ErrResponse

log = logging.getLogger(__name__)


def as_problem(error: Exception) -> errors.Problem:
    """Give any exception its place in the tree. What nobody foresaw is an internal error without details."""
    match error:
        case errors.Problem():
            return error
        case msgspec.ValidationError():
            return errors.Invalid(f"invalid request format: {error}")
        case msgspec.DecodeError():
            return errors.Invalid(f"invalid request format: the body is not JSON ({error})")
        case HTTPException(status_code=404):
            return errors.NotFound("no such path: see /docs for what there is")
        case HTTPException(status_code=405):
            return errors.MethodNotAllowed("this path exists, but not with this method: see /docs")
        case HTTPException(status_code=413):
            return errors.TooLarge(error.detail)
        case HTTPException(status_code=code) if code < 500:
            return errors.Invalid(error.detail)
        case PoolTimeout() | OSError() | DBAPIError(connection_invalidated=True):
            return errors.Unavailable("the database cannot answer now, try again")
    return errors.Problem("internal error: the server's log has the details under this trace id")


def response(problem: errors.Problem, headers: dict[str, str] | None = None) -> Response[bytes]:
    body = ErrResponse(error=problem.message, user_error=problem.user_error, description=problem.description)
    extra = dict(headers or {})
    if problem.status in (429, 503):
        extra.setdefault("Retry-After", "1")
    extra["X-Exclave-Error"] = problem.code
    raw = problem.details.get("raw_body")
    content = raw if isinstance(raw, bytes) else msgspec.json.encode(body)
    return Response(content, status_code=problem.status, headers=extra, media_type="application/json")


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The exception handler of every listener."""
    problem = as_problem(error)
    trace_id = str(request.scope.get("state", {}).get("trace_id", ""))
    if problem.status == 500:  # nobody foresaw it; 501 and 503 say themselves what they are
        log.error("request failed: %s %s trace=%s", request.method, request.url.path, trace_id, exc_info=error)
    headers = {"X-Nuon-API-Version": exclave.__version__}
    return response(problem, {**headers, "X-Nuon-Trace-ID": trace_id} if trace_id else headers)
