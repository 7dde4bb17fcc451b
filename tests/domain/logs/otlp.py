"""OTLP exports as a runner sends them."""

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest


def export(
    lines, *, execution_id: str = "", first_seq: int | None = 1, timestamp: int = 1_700_000_000_000_000_000, same_time: bool = False
) -> bytes:
    """An export of texts, numbered from `first_seq`, or not at all as official runners do."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    _attribute(group.resource, "service.name", "runner")
    scope = group.scope_logs.add()
    scope.scope.name = "test"
    for place, line in enumerate(lines):
        record = scope.log_records.add()
        record.time_unix_nano = timestamp if same_time else timestamp + place
        record.severity_number = 9
        record.body.string_value = line
        if execution_id:
            _attribute(record, "runner_job_execution.id", execution_id)
        if first_seq is not None:
            attribute = record.attributes.add()
            attribute.key = "exclave.seq"
            attribute.value.int_value = first_seq + place
    return request.SerializeToString()


def _attribute(owner, key: str, value: str) -> None:
    attribute = owner.attributes.add()
    attribute.key = key
    attribute.value.string_value = value
