"""Copies: an artifact into the install's registry, secrets into a cluster."""

from exclave.client.runner import plan_as
from exclave.runner.job import Job, JobFailed, Outcome
from exclave.wire.plans.base import Registry
from exclave.wire.plans.sync import SyncOCIPlan, SyncSecretsPlan


async def sync_artifact(job: Job) -> Outcome:
    """Copy an artifact. Between repositories of the control plane's own store that is done already: digests are the same."""
    plan: SyncOCIPlan = plan_as(job.plan, SyncOCIPlan)
    foreign = [r for r in (plan.src_registry, plan.dst_registry) if not _is_ours(r)]
    if foreign:
        source, target = (r.login_server or "our own registry" for r in (plan.src_registry, plan.dst_registry))
        raise JobFailed(
            f"copying from {source} to {target} is not there yet in this runner: keep artifacts in the control plane's own store",
            reason="not-there-yet",
        )
    job.log.write(f"{plan.src_tag} is in the control plane's own store, where {plan.dst_tag} is read from: nothing to copy")
    image: dict[str, object] = {"tag": plan.dst_tag, "repository": plan.dst_registry.repository}
    if plan.src_tag.startswith("sha256:"):
        image["digest"] = plan.src_tag
    return Outcome(outputs={"image": image})


async def sync_secrets(job: Job) -> Outcome:
    """Copy secrets of the cloud account into a cluster. A plan without any succeeds."""
    plan: SyncSecretsPlan = plan_as(job.plan or {}, SyncSecretsPlan)
    if plan.kubernetes_secrets:
        names = ", ".join(secret.secret_name for secret in plan.kubernetes_secrets)
        raise JobFailed(f"copying secrets into a cluster is not there yet in this runner ({names})", reason="not-there-yet")
    job.log.write("no secrets to copy")
    return Outcome(outputs={})


def _is_ours(registry: Registry) -> bool:
    """Our own store is named by no login server."""
    return not registry.login_server and registry.ecr_auth is None and registry.acr_auth is None
