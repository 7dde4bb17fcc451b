"""The step `secrets.sync`: copy the customer's secrets into the install's cluster, where the app wants that."""

from exclave.domain.installs import clouds
from exclave.domain.installs import service as installs
from exclave.domain.jobs import endings
from exclave.domain.jobs import service as jobs
from exclave.domain.logs import service as logs
from exclave.domain.runners import service as runners
from exclave.domain.secrets import queries, rules
from exclave.domain.states import service as states
from exclave.engine.definition import Done, Fail, Outcome, Wait, step_key
from exclave.engine.models import WorkflowStep
from exclave.kit import errors
from exclave.kit.context import Ctx
from exclave.wire.plans.sync import SyncSecretsPlan

JOB = "sandbox-sync-secrets"


class Sync:
    """Submit one job for all secrets; without any the step is done at once."""

    target = ""

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        found = await queries.SYNCED.all(ctx.db, install=step.owner_id, org=ctx.org_id)
        install = await installs.get(ctx, step.owner_id)
        declared = [secret for _, secret in found if secret is not None]
        if not declared:
            return Done("the app syncs no secrets")
        if await jobs.by_key(ctx, step_key(step)) is not None:
            return await self.then(ctx, step)
        document = await states.document(ctx, install.id)
        try:
            wanted = rules.to_sync(declared, document["install_stack"].get("outputs") or {})
        except errors.Invalid as problem:
            return Fail(problem.description)
        cluster = clouds.cluster_info(document)
        if cluster is None:
            return Fail("secrets go into a Kubernetes cluster, but the sandbox has no output `cluster` with a name")
        plan = SyncSecretsPlan(
            kubernetes_secrets=wanted,
            cluster_info=cluster,
            aws_auth=clouds.aws_auth(document, "provision", session=f"install-sync-secrets-{install.id}"),
        )
        stream = await logs.open_stream(ctx, step)
        job = await jobs.submit(
            ctx,
            runner=await runners.of_install(ctx, install.id),
            owner=step,
            type=JOB,
            operation="exec",
            plan=plan,
            log_stream_id=stream.id,
            key=step_key(step),
            looked=True,
            metadata={"install_id": install.id},
        )
        return Wait(job.id, description="the runner copies the secrets")

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        job = await jobs.by_key(ctx, step_key(step))
        if job is None:
            return await self.run(ctx, step)
        if not jobs.is_final(job.status):
            return Wait(job.id, description="the runner copies the secrets")
        logs.close(ctx, await logs.open_stream(ctx, step))
        if jobs.failed(job):
            failure = await endings.failure(ctx, job)
            return Fail(failure.reason, metadata=failure.metadata)
        outputs = await jobs.outputs_of(ctx, job.id)
        told: states.Branches = {"secrets": ({"outputs": outputs.values if outputs else {}}, ())}
        await states.generate(ctx, step.owner_id, told, by_id=step.id, by_type=step.__tablename__, org_id=step.org_id)
        return Done()

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        await jobs.cancel_by_key(ctx, step_key(step), f"the step was {how}")
