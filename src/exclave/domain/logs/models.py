"""Log streams, and their records by (stream, seq)."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Base, Tenant
from exclave.kit.time import now


class LogStream(Tenant):
    __tablename__ = "log_streams"
    prefix = "log"

    owner_id: Mapped[str] = mapped_column(String(26), index=True)
    owner_type: Mapped[str]
    open: Mapped[bool] = mapped_column(default=True)
    attrs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    parent_log_stream_id: Mapped[str] = mapped_column(default="")


class LogRecord(Base):
    """One line. `seq` orders the stream; (execution, client_seq) tells a repeated delivery from a new line."""

    __tablename__ = "log_records"

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    org_id: Mapped[str] = mapped_column(String(26))
    log_stream_id: Mapped[str] = mapped_column(String(26))
    runner_job_execution_id: Mapped[str] = mapped_column(default="")
    client_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    timestamp: Mapped[int] = mapped_column(BigInteger)  # Unix nanoseconds, by the runner's clock
    severity_number: Mapped[int] = mapped_column(default=0)
    severity_text: Mapped[str] = mapped_column(default="")
    service_name: Mapped[str] = mapped_column(default="")
    body: Mapped[str] = mapped_column(default="")
    runner_id: Mapped[str] = mapped_column(default="")
    runner_job_id: Mapped[str] = mapped_column(default="")
    runner_job_execution_step: Mapped[str] = mapped_column(default="")
    trace_id: Mapped[str] = mapped_column(default="")
    span_id: Mapped[str] = mapped_column(default="")
    scope_name: Mapped[str] = mapped_column(default="")
    resource_attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    log_attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)

    __table_args__ = (
        Index("log_records_stream", "log_stream_id", "seq"),
        UniqueConstraint("log_stream_id", "runner_job_execution_id", "client_seq", name="log_records_once"),
    )
