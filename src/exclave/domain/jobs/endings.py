"""How a job ended, in words that a step can show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exclave.domain.jobs import service
from exclave.domain.jobs.models import RunnerJob
from exclave.domain.logs import service as logs
from exclave.kit.context import Ctx

TAIL_LINES = 20
TAIL_LIMIT = 4_000  # characters

STALE_PLAN = "stale-plan"


@dataclass(frozen=True)
class Failure:
    """Why a job failed: a sentence, the runner's own word for it, and the last lines of its log."""

    reason: str
    code: str = ""
    tail: str = ""

    @property
    def metadata(self) -> dict[str, str]:
        """For the composite status of a step."""
        return {key: value for key, value in (("code", self.code), ("tail", self.tail)) if value}


async def failure(ctx: Ctx, job: RunnerJob) -> Failure:
    """Say why a job that is over did not succeed."""
    result = await service.result_of(ctx, job.id)
    metadata = result.error_metadata if result else {}
    tail = str(metadata.get("tail") or "") or await _last_lines(ctx, job)
    return Failure(reason_of(job.status, job.status_description, metadata), str(metadata.get("reason") or ""), tail[-TAIL_LIMIT:])


def reason_of(status: str, description: str, metadata: Mapping[str, Any]) -> str:
    """Choose the sentence: what the runner said, else what the control plane knows."""
    for key in ("message", "error", "reason"):
        if said := str(metadata.get(key) or "").strip():
            return said
    return description or f"the job is {status}, and the runner gave no reason: see its log"


async def _last_lines(ctx: Ctx, job: RunnerJob) -> str:
    if not job.log_stream_id:
        return ""
    page = await logs.page(ctx, job.log_stream_id, newest_first=True, limit=TAIL_LINES)
    return "\n".join(record.body for record in reversed(page.records))
