"""The local status socket: other processes of this user read it, and a reader that stalls keeps nothing open."""

import asyncio
import os
from pathlib import Path

import pytest

from edge_agent.local import status_socket
from edge_agent.local.status_socket import read_status, serve_status
from tests.edge_agent.cli.local_status import local_status


async def test_the_running_agents_status_is_read_through_its_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    for folder in (tmp_path, deep):
        async with serve_status(folder, local_status):
            answer = await asyncio.to_thread(read_status, folder)
            assert answer is not None
            assert answer.studio_name == "Demo Dance"
            assert (folder / "agent.sock").stat().st_mode & 0o777 == 0o600
        assert read_status(folder) is None


async def test_one_that_asks_for_the_status_and_never_reads_keeps_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_socket, "TIMEOUT_S", 0.2)
    large = local_status(link_error="x" * 4_000_000)  # more than any socket buffer takes
    tasks, descriptors = asyncio.all_tasks(), len(os.listdir("/proc/self/fd"))
    async with serve_status(tmp_path, lambda: large):
        callers = [await asyncio.open_unix_connection(str(tmp_path / "agent.sock")) for _ in range(5)]
        for reader, _ in callers:
            reader._transport.pause_reading()  # type: ignore[attr-defined]
        answers: set[asyncio.Task[object]] = set()
        async with asyncio.timeout(10):
            while len(answers) < 5:  # the server has no event for it
                await asyncio.sleep(0)
                answers = {task for task in asyncio.all_tasks() - tasks if ".answer()" in repr(task)}
        assert len(answers) == 5
        _, hanging = await asyncio.wait(answers, timeout=10)
        assert not hanging
        for _, writer in callers:
            writer.transport.abort()
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while len(os.listdir("/proc/self/fd")) > descriptors:  # noqa: ASYNC110  # nothing tells of a closed socket
            await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) == descriptors
