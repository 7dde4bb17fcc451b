"""Rows of this slice as the wire shows them."""

from datetime import UTC, datetime, timedelta

from exclave.domain.logs.models import LogRecord, LogStream
from exclave.wire.public import runners as wire

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stream(row: LogStream) -> wire.LogStream:
    """A stream without its write token: no answer carries one."""
    return wire.LogStream(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        owner_id=row.owner_id,
        owner_type=row.owner_type,
        open=row.open,
    )


def record(row: LogRecord) -> wire.OtelLogRecord:
    seconds, nanoseconds = divmod(row.timestamp, 1_000_000_000)
    moment = _EPOCH + timedelta(seconds=seconds)
    second = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return wire.OtelLogRecord(
        id=f"log{row.seq:023d}",
        created_at=row.created_at,
        updated_at=row.created_at,
        org_id=row.org_id,
        log_stream_id=row.log_stream_id,
        timestamp=f"{second}.{nanoseconds:09d}Z",
        timestamp_date=moment.strftime("%Y-%m-%dT00:00:00Z"),
        timestamp_time=f"{second}Z",
        severity_number=row.severity_number,
        severity_text=row.severity_text,
        service_name=row.service_name,
        body=row.body,
        runner_id=row.runner_id,
        runner_group_id=str(row.resource_attributes.get("runner_group.id", "")),
        runner_job_id=row.runner_job_id,
        runner_job_execution_id=row.runner_job_execution_id,
        runner_job_execution_step=row.runner_job_execution_step,
        trace_id=row.trace_id,
        span_id=row.span_id,
        scope_name=row.scope_name,
        resource_attributes=row.resource_attributes,
        log_attributes=row.log_attributes,
    )
