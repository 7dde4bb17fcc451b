"""Read OTLP log exports (protobuf) into records (spec runner.md 1.9)."""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from exclave.domain.logs import rules
from exclave.kit import errors

SEQ = "exclave.seq"
UNPACKED_LIMIT = 32 << 20  # bytes
# Records, attributes and values in one export. A batch of our runner has 512 records; an empty one has two bytes and takes 15 µs.
MOST_PARTS = 100_000
_INT64 = 2**63
_NUMBER = re.compile("[0-9]{1,19}")  # `isdigit` also takes superscripts, which are no number


@dataclass(frozen=True, slots=True)
class Record:
    """One line, as it goes into the table."""

    execution_id: str
    client_seq: int
    timestamp: int  # Unix nanoseconds
    severity_number: int
    severity_text: str
    service_name: str
    body: str
    runner_id: str
    job_id: str
    step: str
    trace_id: str
    span_id: str
    scope_name: str
    resource_attributes: str  # JSON
    log_attributes: str  # JSON


def unpack(body: bytes, encoding: str) -> bytes:
    """Undo the content encoding: identity or gzip, up to a bound."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise errors.Invalid(f"the content encoding {encoding!r} is not taken here: send identity or gzip")
    stream = zlib.decompressobj(wbits=31)
    try:
        data = stream.decompress(body, UNPACKED_LIMIT)
    except zlib.error as error:
        raise errors.Invalid(f"the body is not gzip: {error}") from error
    if len(data) == UNPACKED_LIMIT and not stream.eof:
        raise errors.TooLarge(f"the body holds more than {UNPACKED_LIMIT} bytes once it is unpacked")
    if not stream.eof or stream.unused_data:
        raise errors.Invalid("the body is not one gzip from its beginning to its end: something is missing, or comes after it")
    return data


class _Parts:
    """Counts what an export holds before it is looked at: few bytes may unpack to millions of records."""

    def __init__(self) -> None:
        self._left = MOST_PARTS

    def of(self, repeated: Any) -> Any:
        self._left -= len(repeated)
        if self._left < 0:
            raise errors.TooLarge(f"the body holds more than {MOST_PARTS} records, attributes and values: send it in several")
        return repeated


def read(body: bytes) -> list[Record]:
    """Read an export request. Raises `Invalid` when it is none."""
    request: Any = ExportLogsServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise errors.Invalid("the body is not an OTLP log export in protobuf") from error
    records: list[Record] = []
    seen: Counter[int] = Counter()
    parts = _Parts()
    for group in parts.of(request.resource_logs):
        resource = _attributes(group.resource.attributes, parts)
        resource_json = _json(resource)
        for scope in parts.of(group.scope_logs):
            for record in parts.of(scope.log_records):
                records.append(_record(record, resource, resource_json, scope.scope.name, seen, parts))
    return records


def _record(record: Any, resource: Mapping[str, str], resource_json: str, scope: str, seen: Counter[int], parts: _Parts) -> Record:
    attributes = _attributes(record.attributes, parts)
    seq_text = attributes.pop(SEQ, "")

    def find(name: str) -> str:
        return attributes.get(name) or resource.get(name, "")

    timestamp = min(record.time_unix_nano or record.observed_time_unix_nano, _INT64 - 1)
    execution_id = find("runner_job_execution.id")
    body = _text(record.body, parts)
    attributes_json = _json(attributes)
    if _NUMBER.fullmatch(seq_text) and int(seq_text) < _INT64:
        seq = int(seq_text)
    else:
        same = hash((timestamp, body, attributes_json))
        seq = rules.made_seq(timestamp, record.severity_number, body, attributes_json, occurrence=seen[same])
        seen[same] += 1
    return Record(
        execution_id=execution_id,
        client_seq=seq,
        timestamp=timestamp,
        severity_number=record.severity_number,
        severity_text=rules.severity_text(record.severity_number),
        service_name=_clean(resource.get("service.name", "")),
        body=body,
        runner_id=find("runner.id"),
        job_id=find("runner_job.id"),
        step=find("runner_job_execution_step.name"),
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        scope_name=_clean(scope),
        resource_attributes=resource_json,
        log_attributes=attributes_json,
    )


def _attributes(pairs: Iterable[Any], parts: _Parts) -> dict[str, str]:
    return {_clean(pair.key): _text(pair.value, parts) for pair in parts.of(pairs)}


def _text(value: Any, parts: _Parts) -> str:
    match value.WhichOneof("value"):
        case "string_value":
            return _clean(value.string_value)
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "int_value":
            return str(value.int_value)
        case "double_value":
            return repr(value.double_value)
        case None:
            return ""
    return _clean(msgspec.json.encode(_plain(value, parts)).decode())


def _plain(value: Any, parts: _Parts) -> Any:
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(item, parts) for item in parts.of(value.array_value.values)]
        case "kvlist_value":
            return {pair.key: _plain(pair.value, parts) for pair in parts.of(value.kvlist_value.values)}
        case "bytes_value":
            return value.bytes_value
        case None:
            return None
        case kind:
            return getattr(value, kind)


def _json(attributes: Mapping[str, str]) -> str:
    return msgspec.json.encode(attributes).decode()


def _clean(text: str) -> str:
    return text.replace("\x00", "\ufffd") if "\x00" in text else text
