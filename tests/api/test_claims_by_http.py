"""Claims over a real connection: what a runner that hangs up leaves."""

import asyncio
import socket

import httpx
import pytest
import uvicorn

from exclave.kit.context import Runtime
from tests.domain.runners.fleet import Fleet, fleet


@pytest.fixture
async def home(runtime: Runtime) -> Fleet:
    return await fleet(runtime)


@pytest.fixture
async def address(runner_app):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(runner_app, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


async def test_a_long_poll_gets_a_job_at_once_when_it_comes(home, address):
    async with httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {home.token}"}, timeout=20) as client:
        polls = [
            asyncio.create_task(client.post(f"/v1/runners/{home.runner.id}/claims", json={"groups": ["deploy"], "wait_seconds": 3}))
            for _ in range(3)
        ]
        await asyncio.sleep(0.3)
        job = await home.job()
        answers = await asyncio.gather(*polls)
    assert sorted(answer.status_code for answer in answers) == [200, 204, 204]
    assert [answer.json()["job"]["id"] for answer in answers if answer.status_code == 200] == [job.id]


async def test_a_runner_that_hung_up_gets_no_job(home, address):
    async with httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {home.token}"}) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"/v1/runners/{home.runner.id}/claims", json={"groups": ["deploy"], "wait_seconds": 20}, timeout=0.3)
    await asyncio.sleep(0.2)
    job = await home.job()
    await asyncio.sleep(0.3)
    assert (await home.reload(job.id)).status == "available"


async def test_a_lost_answer_is_given_again_for_the_same_key(home, address):
    job = await home.job()
    headers = {"Authorization": f"Bearer {home.token}", "Idempotency-Key": "key-1"}
    async with httpx.AsyncClient(base_url=address, headers=headers) as client:
        answers = [
            (await client.post(f"/v1/runners/{home.runner.id}/claims", json={"groups": ["deploy"], "wait_seconds": 0})).json()
            for _ in range(3)
        ]
    assert {answer["job"]["id"] for answer in answers} == {job.id}
    assert len({answer["execution"]["id"] for answer in answers}) == 1
