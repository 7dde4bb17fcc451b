"""Print `docs/status.md`: what is planned and not there yet. It is printed from the routes, so it cannot claim more."""

from collections import defaultdict
from collections.abc import Sequence

from exclave.api import contract
from exclave.api.route import Operation

HEAD = """# What is there, and what is not yet

Every operation of the contract (December 2025) is either served or answers 501 with its name and is marked `x-status: planned`
in the OpenAPI document. This page is printed by `python -m exclave.server status`; a test holds it to the code.

## Beyond operations

| what | state |
|---|---|
| platform `local`: sandbox, `terraform_module` components, actions | there |
| customer stacks for AWS, Azure, GCP (generate, phone home) | planned: such an install stops at `generate install stack` with a clear message |
| components of type `helm_chart`, `kubernetes_manifest`, `docker_build`, `container_image`, `job` | stored and checked; their builds and deploys fail with a clear message |
| syncing secrets into a cluster | planned: steps without secrets to sync succeed at once |
| policies | stored; not evaluated yet |
| connected repositories (GitHub App) | planned |
| drift schedules, cron triggers of actions | stored; not run yet |
| the OCI distribution endpoint | planned: artifacts are pulled through the runner API |
| dashboard, admin API | planned: the admin port is bound, and answers health only |
"""


def section(audience: contract.Listener, planned: Sequence[Operation]) -> str:
    """The operations of one listener that are planned, by tag."""
    total = len(contract.operations(audience))
    known = contract.by_key(audience)
    by_tag: dict[str, list[contract.ContractOperation]] = defaultdict(list)
    for operation in planned:
        entry = known[operation.method, contract.nameless(operation.paths[0])]
        by_tag[entry.tag].append(entry)
    lines = [f"## {audience.capitalize()} API: {total - len(planned)} of {total} operations served", ""]
    for tag in sorted(by_tag):
        lines += [f"### {tag}", "", "| operation | method and path | purpose |", "|---|---|---|"]
        lines += [f"| {entry.id} | `{entry.method} {entry.path}` | {entry.summary} |" for entry in by_tag[tag]]
        lines.append("")
    return "\n".join(lines)
