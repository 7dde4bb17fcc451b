"""Rows of this slice as the wire shows them (spec nesting.md, runners)."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from exclave.domain.runners import rules
from exclave.domain.runners.models import Runner, RunnerGroup, RunnerGroupSettings, RunnerHealthCheck, RunnerHeartBeat
from exclave.wire.public import runners as wire


def runner(row: Runner, in_group: wire.RunnerGroup | None = None) -> wire.Runner:
    return wire.Runner(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        name=row.name,
        display_name=row.display_name,
        status=row.status,
        status_description=row.status_description,
        runner_group_id=row.runner_group_id,
        runner_group=in_group,
    )


def group(row: RunnerGroup, settings_row: RunnerGroupSettings | None = None, runners: Sequence[Runner] | None = None) -> wire.RunnerGroup:
    return wire.RunnerGroup(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        owner_id=row.owner_id,
        owner_type=row.owner_type,
        type=row.type,
        platform=row.platform,
        settings=settings(settings_row) if settings_row is not None else None,
        runners=[runner(each) for each in runners] if runners is not None else None,
    )


def settings(row: RunnerGroupSettings) -> wire.RunnerGroupSettings:
    """Settings, never without a logging level, a positive beat and a metadata map: official runners stop without them."""
    return wire.RunnerGroupSettings(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        org_id=row.org_id,
        runner_group_id=row.runner_group_id,
        container_image_url=row.container_image_url,
        container_image_tag=row.container_image_tag,
        runner_api_url=row.runner_api_url,
        sandbox_mode=row.sandbox_mode,
        heart_beat_timeout=row.heart_beat_timeout or 5_000_000_000,
        otel_collector_config=row.otel_collector_config,
        enable_sentry=row.enable_sentry,
        enable_metrics=row.enable_metrics,
        enable_logging=row.enable_logging,
        logging_level=row.logging_level or "INFO",
        groups=list(row.groups),
        metadata=dict(row.settings_metadata),
        org_aws_iam_role_arn=row.org_aws_iam_role_arn,
        org_k8s_service_account_name=row.org_k8s_service_account_name,
        local_aws_iam_role_arn=row.local_aws_iam_role_arn,
        aws_instance_type=row.aws_instance_type,
        aws_max_instance_lifetime=row.aws_max_instance_lifetime,
        aws_cloudformation_stack_type=row.aws_cloudformation_stack_type,
        aws_tags=dict(row.aws_tags) or None,
        platform="aws" if row.aws_instance_type and row.aws_cloudformation_stack_type else "",
    )


def beat(row: RunnerHeartBeat) -> wire.RunnerHeartBeat:
    return wire.RunnerHeartBeat(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.beat_at,
        updated_at=row.updated_at,
        runner_id=row.runner_id,
        process=row.process,
        version=row.version,
        alive_time=row.alive_time,
        started_at=row.beat_at - _nanoseconds(row.alive_time),
    )


def latest_beats(rows: Iterable[RunnerHeartBeat]) -> dict[str, wire.LatestRunnerHeartBeat]:
    """The newest beat of each process, by its name."""
    return {
        row.process: wire.LatestRunnerHeartBeat(
            alive_time=row.alive_time,
            process=row.process,
            runner_id=row.runner_id,
            version=row.version,
            created_at=row.beat_at,
            started_at=row.beat_at - _nanoseconds(row.alive_time),
        )
        for row in rows
    }


def check(row: RunnerHealthCheck) -> wire.RunnerHealthCheck:
    return wire.RunnerHealthCheck(
        id=row.id,
        created_by_id=row.created_by_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        runner_id=row.runner_id,
        process=row.process,
        status=row.status,
        status_code=rules.status_code(row.status),
        minute_bucket=row.minute.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _nanoseconds(count: int) -> timedelta:
    """A span of at most a century: what a process says about its age is not trusted to be a date."""
    return timedelta(microseconds=min(max(count, 0), 3_153_600_000_000_000_000) / 1000)
