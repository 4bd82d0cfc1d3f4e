"""A task that fails is started again; one that is cancelled or done is not."""

import asyncio

import pytest

from edge_agent.core.supervision import keep_running
from tests.rigs.pacer import Pacer, settle


async def test_a_mistake_in_a_task_is_on_record_and_the_task_runs_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pacer, runs = Pacer(), 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise ValueError("a mistake")

    task = asyncio.create_task(keep_running("cameras", run, sleep=pacer.sleep))
    await pacer.advance_until(task.done)
    assert runs == 4
    assert [record.exc_info is not None for record in caplog.records] == [True] * 3


async def test_cancelling_ends_it_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(keep_running("cameras", asyncio.Event().wait))  # type: ignore[arg-type]
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not caplog.records
