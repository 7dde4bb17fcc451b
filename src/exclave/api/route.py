"""Routes as the product writes them: path, deprecated paths, and a function whose signature says what it needs.

A parameter is bound by its type or name:

    ctx: Ctx                the request's one transaction, committed when the function returns
    runtime, actor          instead of ctx on routes with `transaction=False` (long polls, streams)
    enter: Enter            on those: open a transaction as the caller, who is let in or refused; then none is opened before
    body: <a wire Body>     the JSON body; `null` and an absent body are an empty one where nothing is required
    page: Page              offset, limit, page; cut your rows with `page.cut(rows)` and the headers follow
    reply: Reply            headers and another status
    request: Request        the raw request
    <name in the path>      text
    anything else           a query parameter of type str, int or bool with a default; a non-number falls back to it

What it returns is encoded by msgspec; a Litestar `Response` goes out as it is: such a route says with `answers=` (and `media=`) what
the document is to say, as a route that takes `raw` says with `accepts=`. See docs/decisions for why this stands beside
Litestar's own binding.
"""

import contextlib
import inspect
import itertools
import re
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, TypeVar, Union

import msgspec
from litestar import HttpMethod, Request, Response
from litestar.exceptions import InternalServerException
from litestar.handlers import HTTPRouteHandler
from litestar.handlers import route as litestar_route

from exclave.api import access
from exclave.api.access import Audience
from exclave.kit import errors, ids
from exclave.kit.context import Actor, Ctx, Runtime
from exclave.wire.base import Body

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Awaitable[Any]])
AnyRequest = Request[Any, Any, Any]

MiB = 1 << 20
JSON_LIMIT = 10 * MiB


@dataclass(frozen=True)
class Enter:
    """Let the caller of a request in, in a transaction of its own, as often as a route wants to. `once`: its block runs one statement.

    Whom this process knows comes in by `access.known`: a block asks there whether it was let in, or ends as a problem.
    """

    runtime: Runtime
    request: AnyRequest
    audience: Audience
    needs_org: bool

    @contextlib.asynccontextmanager
    async def __call__(self, *, once: bool = False) -> AsyncIterator[Ctx]:
        known = access.known(self.runtime, self.request, self.audience, needs_org=self.needs_org, once=once)
        try:
            async with known or access.entered(self.runtime, self.request, self.audience, needs_org=self.needs_org) as ctx:
                yield ctx
        except errors.Problem:
            access.forget(self.request)
            if known is not None:  # is the problem that nobody is let in any more? Then say so
                async with access.entered(self.runtime, self.request, self.audience, needs_org=self.needs_org):
                    pass
            raise


class Page:
    """Offset pagination (spec domain.md 5.7): limit 10 by default and 100 at most; `page` counts from 1 and overrides the offset."""

    def __init__(self, query: Any) -> None:
        self.limit = min(_number(query.get("limit"), 10), 100)
        self.number = _number(query.get("page"), 0)
        self.offset = (self.number - 1) * self.limit if self.number > 0 else _number(query.get("offset"), 0)
        self.more: bool | None = None

    @property
    def fetch(self) -> int:
        """How many rows to select: one more than shown tells whether there is a next page."""
        return self.limit + 1 if self.limit else 0

    def cut(self, rows: Sequence[T]) -> list[T]:
        self.more = len(rows) > self.limit
        return list(rows[: self.limit])

    def headers(self) -> dict[str, str]:
        if self.more is None:
            return {}
        found = {
            "X-Nuon-Page-Next": "true" if self.more else "false",
            "X-Nuon-Page-Offset": str(self.offset),
            "X-Nuon-Page-Limit": str(self.limit),
        }
        return {**found, "X-Nuon-Page-Number": str(self.number)} if self.number > 0 else found


def _number(text: str | None, otherwise: int) -> int:
    number = int(text) if text and _NUMBER.fullmatch(text) else otherwise
    return number if number < 2**31 else otherwise


_NUMBER = re.compile("[0-9]{1,19}")  # Python reads more as one: `1_0`, ` 1`, the digits of other scripts


@dataclass
class Reply:
    """What a function may say beyond its answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def workflow(self, workflow_id: str) -> None:
        self.headers["X-Nuon-Install-Workflow-ID"] = workflow_id


@dataclass(frozen=True)
class Operation:
    """One operation of a listener: a method, its paths, the function behind them."""

    method: str
    paths: tuple[str, ...]  # the first is the current one, the others are deprecated
    function: Callable[..., Awaitable[Any]]
    audience: Audience
    tag: str
    status: int
    also: tuple[int, ...]  # further success statuses, which the function chooses by `reply.status`
    needs_token: bool
    needs_org: bool
    transaction: bool
    known: bool
    limit: int
    hidden: bool
    answers: Any  # the documented shape, where the function returns raw bytes or a `Response`; None: what it returns
    media: str
    accepts: Any  # the documented shape of a body that the function reads raw
    accepts_media: str
    parameters: tuple[tuple[str, Any, Any], ...]  # name, type, default


class Routes:
    """The operations of one module. `api/app.py` mounts them."""

    def __init__(self, tag: str, audience: Audience = "public") -> None:
        self.tag = tag
        self.audience = audience
        self.operations: list[Operation] = []

    def get(self, path: str, **options: Any) -> Callable[[Function], Function]:
        return self._add("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[Function], Function]:
        return self._add("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[Function], Function]:
        return self._add("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[Function], Function]:
        return self._add("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[Function], Function]:
        return self._add("DELETE", path, **options)

    def _add(
        self,
        method: str,
        path: str,
        *,
        deprecated: Sequence[str] = (),
        status: int = 0,
        also: Sequence[int] = (),
        token: bool = True,
        org: bool = True,
        transaction: bool = True,
        known: bool = False,  # is it hot, and a problem wherever row-level security shows nothing? See `access.known`
        limit: int = JSON_LIMIT,
        hidden: bool = False,
        answers: Any = None,
        media: str = "application/json",
        accepts: Any = None,
        accepts_media: str = "application/json",
    ) -> Callable[[Function], Function]:
        def keep(function: Function) -> Function:
            self.operations.append(
                Operation(
                    method=method,
                    paths=(path, *deprecated),
                    function=function,
                    audience=self.audience,
                    tag=self.tag,
                    status=status or (201 if method == "POST" else 200),
                    also=tuple(also),
                    needs_token=token,
                    needs_org=token and org,
                    transaction=transaction,
                    known=known,
                    limit=limit,
                    hidden=hidden,
                    answers=answers,
                    media=media,
                    accepts=accepts,
                    accepts_media=accepts_media,
                    parameters=_parameters(function),
                )
            )
            return function

        return keep


def _parameters(function: Callable[..., Any]) -> tuple[tuple[str, Any, Any], ...]:
    hints = typing.get_type_hints(function)
    signature = inspect.signature(function)
    return tuple((name, hints.get(name, str), parameter.default) for name, parameter in signature.parameters.items())


# Serving an operation.

_encoder = msgspec.json.Encoder()


Endpoint = Callable[[AnyRequest], Awaitable[Response[Any]]]


def endpoint_of(operation: Operation, path: str, status: int, runtime: Callable[[], Runtime], version: str, *, above_ids: bool) -> Endpoint:
    """Make what answers an operation on one of its paths.

    A slash at the end is dropped by Litestar. On a path with another one for single things below it (`above_ids`) it is no slip but
    an id that is empty, and the list must not pass for a thing.
    """
    names = re.findall(r"\{(\w+)\}", path)
    bind = _binder(operation)

    async def endpoint(request: AnyRequest) -> Response[Any]:
        trace_id = request.headers.get("x-nuon-trace-id", "")[:64] or ids.new_id("trc")
        request.scope["state"]["trace_id"] = trace_id
        if above_ids and request.scope["raw_path"].endswith(b"/"):
            raise errors.NotFound("the id at the end of the path is empty")
        in_path = {name: str(request.path_params[f"p{position}"]) for position, name in enumerate(names)}
        reply, page = Reply(), Page(request.query_params) if bind.pages else None
        raw = await read_body(request, operation.limit) if bind.reads_body else b""

        async def within(transaction: AbstractAsyncContextManager[Ctx]) -> Any:
            async with transaction as ctx:
                ctx.trace_id = trace_id
                return await operation.function(**bind(request, in_path, reply, page, raw, ctx=ctx, actor=ctx.actor, runtime=runtime()))

        if not operation.needs_token:
            result = await operation.function(**bind(request, in_path, reply, page, raw, runtime=runtime()))
        elif operation.transaction:
            caller: Any = {"request": request, "audience": operation.audience, "needs_org": operation.needs_org}
            known = access.known(runtime(), **caller) if operation.known else None
            try:
                result = await within(known or access.entered(runtime(), **caller))
            except errors.Problem:
                if known is None:
                    raise
                result = await within(access.entered(runtime(), **caller))
        elif bind.enters:
            enter = Enter(runtime(), request, operation.audience, operation.needs_org)
            result = await operation.function(**bind(request, in_path, reply, page, raw, enter=enter, runtime=runtime()))
        else:
            async with access.entered(runtime(), request, operation.audience, needs_org=operation.needs_org) as ctx:
                actor = ctx.actor
            result = await operation.function(**bind(request, in_path, reply, page, raw, actor=actor, runtime=runtime()))
        headers = {"X-Nuon-Trace-ID": trace_id, "X-Nuon-API-Version": version, **(page.headers() if page else {}), **reply.headers}
        if isinstance(result, Response):
            result.headers.update(headers)
            return result
        code = reply.status or status
        content = b"" if code == 204 else result if isinstance(result, bytes) else _encoder.encode(result)
        return Response(content, status_code=code, headers=headers, media_type="application/json")

    return endpoint


def handler_of(path: str, endpoints: Mapping[str, Endpoint]) -> HTTPRouteHandler:
    """Make the Litestar handler of a path: what answers each method, and OPTIONS.

    One for all methods, since each costs a start a millisecond, and Litestar would make another one for OPTIONS. Its parameters are
    named by position: Litestar allows one name at one place. The path has none (`contract.nameless`).
    """
    position = itertools.count()
    methods = [*endpoints, "OPTIONS"]
    allowed = {"Allow": ", ".join(sorted(methods))}

    # Without their parameters, which Litestar takes apart anew for each route.
    async def answer(request: Request) -> Response:  # type: ignore[type-arg]
        endpoint = endpoints.get(request.method)
        if endpoint is None:
            return Response(None, status_code=204, headers=allowed, media_type="text/plain")
        return await endpoint(request)

    return litestar_route(
        re.sub(r"\{\}", lambda _: f"{{p{next(position)}:str}}", path),
        http_method=[HttpMethod(method) for method in methods],
        status_code=200,  # the answer below carries its own
        include_in_schema=False,
    )(answer)


class _binder:
    """Bind a request to the parameters of a function, as decided once when the route is made."""

    def __init__(self, operation: Operation) -> None:
        self._plain: list[tuple[str, Any, Any]] = []
        self._body: tuple[str, msgspec.json.Decoder[Any]] | None = None
        self._body_type: Any = None
        self._given: list[tuple[str, str]] = []
        in_paths = set(re.findall(r"\{(\w+)\}", "".join(operation.paths)))
        special = {Ctx: "ctx", Runtime: "runtime", Actor: "actor", Enter: "enter", Page: "page", Reply: "reply", Request: "request"}
        self._in_path: list[str] = []
        for name, kind, default in operation.parameters:
            if kind in special:
                self._given.append((name, special[kind]))
            elif typing.get_origin(kind) is Request:
                self._given.append((name, "request"))
            elif isinstance(kind, type) and issubclass(kind, Body):
                self._body = (name, msgspec.json.Decoder(kind))
                self._body_type = kind
            elif name == "raw" and kind is bytes:
                self._given.append((name, "raw"))
            elif name in in_paths:
                self._in_path.append(name)
            else:
                self._plain.append((name, kind, default))
        self.pages = any(what == "page" for _, what in self._given)
        self.enters = any(what == "enter" for _, what in self._given)
        self.reads_body = self._body is not None or any(what == "raw" for _, what in self._given)

    def __call__(
        self, request: AnyRequest, in_path: dict[str, str], reply: Reply, page: Page | None, raw: bytes, **tools: Any
    ) -> dict[str, Any]:
        available = {**tools, "reply": reply, "page": page, "request": request, "raw": raw}
        bound = {name: available[what] for name, what in self._given}
        for name in self._in_path:
            bound[name] = in_path.get(name, "")
        for name, kind, default in self._plain:
            bound[name] = _query_value(request.query_params.get(name), kind, default)
        if self._body is not None:
            name, decoder = self._body
            bound[name] = decode(decoder, self._body_type, raw)
        return bound


def decode(decoder: msgspec.json.Decoder[Any], kind: type[Body], raw: bytes) -> Any:
    """Decode a body as leniently as the original: an absent one is empty, keys match without regard to case, null is absent."""
    text = raw.strip()
    if text in (b"", b"null"):
        text = b"{}"
    with _understood():
        try:
            exact = decoder.decode(text)
        except msgspec.ValidationError:
            exact = None
        if exact is not None and not _CAPITAL_IN_KEY.search(text):
            return exact
        given = msgspec.json.decode(text)
        loose = _loosened(given, kind)
        if exact is not None and loose == given:
            return exact  # nothing is spelled otherwise: what is passed through stays as it came, byte for byte
        return decoder.decode(_encoder.encode(loose))


# The contract's keys are small, but for a few. Begun with its quote, it passes over 20 MB of a plan in 8 ms.
_CAPITAL_IN_KEY = re.compile(rb'"[^"\\A-Z]{0,64}[A-Z][^"\\]{0,64}"\s*:')


def json_object(raw: bytes) -> dict[str, Any]:
    """Read a body as the JSON object that it must be; an absent one is empty."""
    with _understood():
        return msgspec.json.decode(raw.strip() or b"{}", type=dict[str, Any] | None) or {}


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """What msgspec does not report as a decode error of its own is one all the same."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise errors.Invalid(f"invalid request format: the body is not UTF-8 ({error.reason})") from error
    except RecursionError as error:
        raise errors.Invalid("invalid request format: the body nests too deep") from error


def _loosened(value: Any, kind: Any) -> Any:
    """Drop nulls that stand for zero and give known keys their own spelling, wherever a shape knows what may stand there."""
    for part in _parts(kind):
        below = typing.get_args(part)
        if isinstance(value, list) and typing.get_origin(part) is list:
            return [_loosened(item, below[0]) for item in value]
        if isinstance(value, dict) and typing.get_origin(part) is dict:
            return {key: _loosened(item, below[1]) for key, item in value.items()}
        if isinstance(value, dict) and isinstance(part, type) and issubclass(part, msgspec.Struct):
            known = {info.encode_name.lower(): info for info in msgspec.structs.fields(part)}
            loose = {}
            for key, item in value.items():
                info = known.get(key.lower())
                if info is None:
                    loose[key] = item
                elif item is not None or not _TAKE_NULL.isdisjoint(_parts(info.type)):
                    loose[info.encode_name] = _loosened(item, info.type)
            return loose
    return value


_TAKE_NULL = frozenset({type(None), Any, msgspec.Raw})


def _parts(kind: Any) -> list[Any]:
    """The types that a type is a choice of."""
    if typing.get_origin(kind) is Annotated:
        return _parts(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (Union, UnionType):
        return [part for choice in typing.get_args(kind) for part in _parts(choice)]
    return [kind]


def _query_value(text: str | None, kind: Any, default: Any) -> Any:
    if default is inspect.Parameter.empty:
        default = ""
    if text is None:
        return default
    if kind is int:
        try:
            return int(text)
        except ValueError:
            return default
    if kind is bool:
        return text.lower() in ("1", "t", "true")
    return text


async def read_body(request: AnyRequest, limit: int) -> bytes:
    """Read a body of at most `limit` bytes."""
    chunks = bytearray()
    async for chunk in bounded(request, limit):
        chunks += chunk
    return bytes(chunks)


async def bounded(request: AnyRequest, limit: int) -> AsyncIterator[bytes]:
    """Stream a body, refusing it as soon as it says or shows that it is over the limit."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise errors.TooLarge(f"the body has {announced} bytes, at most {limit} are taken here")
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise errors.TooLarge(f"the body has more than {limit} bytes, which is all that is taken here")
            yield chunk
    except InternalServerException as error:  # as Litestar says it: nobody is there to read the answer, and nothing of ours failed
        raise errors.Invalid(f"the body broke off after {size} bytes") from error
