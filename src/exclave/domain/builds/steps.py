"""The one step of a build: give it to the org's runner, wait, keep what comes back."""

from exclave.domain.artifacts import service as artifacts
from exclave.domain.builds import rules, service
from exclave.domain.builds.models import ComponentBuild
from exclave.domain.components import service as components
from exclave.domain.jobs import service as jobs
from exclave.domain.logs import service as logs
from exclave.domain.runners import service as runners
from exclave.domain.vcs import service as vcs
from exclave.engine.definition import Done, Fail, Outcome, Wait, step_key
from exclave.engine.models import WorkflowStep
from exclave.kit import errors
from exclave.kit.context import Ctx


class Run:
    """Registered as `build.run`. Its step's `args` are `{"build_id": …}`."""

    target = "component_builds"

    async def run(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        """Plan the build and submit its job."""
        build = await service.get(ctx, step.args["build_id"])
        step.step_target_id, step.step_target_type = build.id, self.target
        if build.status in rules.FINAL:
            return _outcome(build)
        component = await components.get(ctx, build.component_id)
        connection = await components.connection(ctx, build.component_config_connection_id)
        if component.status != "active":
            return await _failed(ctx, build, f"component is not active: {component.status_description or component.status}")
        service.move(ctx, build, "planning", "creating build plan")
        try:
            runner = await runners.of_org(ctx, build.org_id)
            source = await service.source_of(ctx, connection)
        except errors.Problem as problem:
            return await _failed(ctx, build, problem.description)
        stream = await logs.open_stream(ctx, build)
        plan = rules.plan(
            build.id,
            component.id,
            await components.typed(ctx, connection),
            source,
            repository=f"{build.org_id}/{component.app_id}",
            git_ref=build.git_ref,
        )
        job = await jobs.submit(
            ctx,
            runner=runner,
            owner=build,
            type=rules.JOB_TYPES[connection.type],
            operation="build",
            plan=plan,
            log_stream_id=stream.id,
            key=step_key(step),
            metadata={
                "app_id": component.app_id,
                "component_id": component.id,
                "component_name": component.name,
                "component_build_id": build.id,
            },
        )
        service.move(ctx, build, "building", "building")
        return Wait(job.id)

    async def then(self, ctx: Ctx, step: WorkflowStep) -> Outcome:
        """Look at the job: wait on, fail with its words, or keep the artifact and the commit that it names."""
        build = await service.get(ctx, step.args["build_id"])
        if build.status in rules.FINAL:
            return _outcome(build)
        job = await jobs.by_key(ctx, step_key(step))
        if job is None:
            return await self.run(ctx, step)
        if not jobs.is_final(job.status):
            return Wait(job.id)
        logs.close(ctx, await logs.open_stream(ctx, build))
        if jobs.failed(job):
            result = await jobs.result_of(ctx, job.id)
            return await _failed(ctx, build, rules.why_failed(result.error_metadata if result else None, job.status_description))
        outputs = await jobs.outputs_of(ctx, job.id)
        delivered = rules.built(outputs.values if outputs else {})
        await _keep(ctx, build, delivered)
        await service.finish(ctx, build, "active", rules.READY)
        return Done(rules.READY)

    async def settled(self, ctx: Ctx, step: WorkflowStep, how: str) -> None:
        """Cancelled or discarded: end the job, and the build with it."""
        if how not in ("cancelled", "discarded"):
            return
        await jobs.cancel_by_key(ctx, step_key(step), f"the build was {how}")
        build = await service.get(ctx, step.args["build_id"])
        if build.status not in rules.FINAL:
            await service.finish(ctx, build, "error", f"build was {how}")


async def _keep(ctx: Ctx, build: ComponentBuild, delivered: rules.Built) -> None:
    """Fill the build's artifact from the manifest that was uploaded; what official runners pushed elsewhere has a tag only."""
    component = await components.get(ctx, build.component_id)
    digest, media_type, size, annotations, artifact_type = delivered.digest, delivered.media_type, delivered.size, {}, ""
    if digest and await artifacts.may_read(ctx, digest):
        facts = await artifacts.facts_of(ctx, digest)
        media_type, size, annotations, artifact_type = facts.media_type, facts.size, facts.annotations, facts.artifact_type
    await artifacts.put_artifact(
        ctx,
        build,
        tag=delivered.tag or build.id,
        repository=f"{build.org_id}/{component.app_id}",
        media_type=media_type,
        digest=digest,
        size=size,
        annotations=annotations,
        artifact_type=artifact_type,
    )
    if delivered.sha:
        commit = await vcs.commit(
            ctx,
            sha=delivered.sha,
            author_name=delivered.author_name,
            author_email=delivered.author_email,
            message=delivered.message,
        )
        build.vcs_connection_commit_id = commit.id


async def _failed(ctx: Ctx, build: ComponentBuild, reason: str) -> Fail:
    await service.finish(ctx, build, "error", reason)
    return Fail(reason)


def _outcome(build: ComponentBuild) -> Outcome:
    return Done(build.status_description) if build.status == "active" else Fail(build.status_description)
