"""What the original command line sent (December 2025) is answered as it was answered then.

`traces/*.json` are recordings: the requests of that command line against a stub, and what the stub answered. The requests are facts.
Of the answers these hold for a server: the status, the header that names the workflow where one is shown, and that the body has the
contract's shape; the stub's own values do not. The rules of a replay:

- Ids are placeholders, `<App-1>`: a kind and a number by first appearance, the same in the whole file, also inside longer texts. They
  are learned from our own answers, at the place where the recorded answer has them, and from the header of the workflow. What the
  command line knew beforehand is in `given` and looked up by name.
- `after` names the recordings that must have been played in this org before; their placeholders are forgotten.
- `<time>`, `<token>` and `<api>` stand for a time, the bearer token and the base address. A header that is null was not sent.
- What a script of the stub did (statuses of builds, deploys, workflows from one poll to the next) is done to the rows here.
- An exchange that is `injected` was the stub told to fail: it is not sent.

Recordings whose bodies quote apps of others are not here, nor those that say nothing of a server (sign-in, no token).
`traces/waiting.toml` names those that need something planned.
"""

import tomllib

import httpx
import pytest

from exclave.domain.vcs.models import VCSConnection
from exclave.server import wiring
from tests import factories
from tests.contract.replay import TRACES, Replay
from tests.contract.test_openapi import listed_differences, the_contract

SCENARIOS = sorted(path.stem for path in TRACES.glob("*.json"))
WAITING = {entry["scenario"]: entry["waits_for"] for entry in tomllib.loads((TRACES / "waiting.toml").read_text()).get("waiting", [])}
PREPARED = {"cli-validate-invalid": ["cli-sync-allkinds"]}  # "an app allkinds exists", says the recording in words only


@pytest.fixture
async def replay(runtime, public_app):
    org = await factories.org(runtime)
    async with runtime.sweep() as ctx:  # the app of the recordings has connected repositories of this owner
        ctx.db.add(VCSConnection(org_id=org.id, github_install_id=org.id, github_account_id="1", github_account_name="acme"))
    transport = httpx.ASGITransport(app=public_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://exclave.test", headers={"Authorization": f"Bearer {org.token}"}
    ) as client:
        yield Replay(client, runtime, org, (the_contract("public"), wiring.document("public")), listed_differences("public"))


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_the_original_command_line_is_answered_as_recorded(replay, scenario):
    for earlier in PREPARED.get(scenario, ()):
        await replay.run(earlier)
    await replay.run(scenario)
    if scenario in WAITING:
        assert replay.problems, f"{scenario} waits for nothing any more: take it out of waiting.toml"
        pytest.xfail(f"waits for {WAITING[scenario]}")
    assert not replay.problems, "\n".join(replay.problems[:20])


def test_only_recordings_that_are_here_are_waiting():
    assert set(WAITING) <= set(SCENARIOS)
