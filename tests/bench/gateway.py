"""The gateway with thousands of agents: what one costs, how soon an edit is there, and how they all come back at once.

The agents are one process of their own (`tests.bench.agents`) that speaks the real protocol with real signed tokens, each
with a key of its own: hello, heartbeats every 30 s, reports of what was pushed; after a loss it connects again at once,
then with full jitter from 1 s to 60 s, as agents do.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tests.bench.plane import cpu_s, measured, part, web_process

AGENTS = int(os.environ.get("THREEDANCE_TEST_AGENTS", "5000"))
STUDIOS = max(1, min(50, AGENTS // 20))
EDITS = 100
LINKED_TIMEOUT_S = 400.0


def measure(folder: Path) -> dict[str, Any]:
    """Returns memory per agent, push times, the storm, and what an agent that does not read does to others."""
    return measured("tests.bench.gateway", folder)


def main(address: str) -> None:
    """Prints the figures as JSON, inside a control plane."""
    import django

    django.setup()
    print(json.dumps(asyncio.run(_measure(address))))


async def _measure(address: str) -> dict[str, Any]:
    from tests.bench import fleet_rows

    path, edits = await asyncio.to_thread(fleet_rows.prepare, AGENTS, STUDIOS)
    web = web_process()
    before = psutil.Process(web).memory_info().rss
    fleet = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.agents", address, str(path),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    assert fleet.stdin is not None
    assert fleet.stdout is not None

    async def ask(timeout_s: float = LINKED_TIMEOUT_S, **what: Any) -> dict[str, Any]:
        assert fleet.stdin is not None
        assert fleet.stdout is not None
        fleet.stdin.write(json.dumps(what).encode() + b"\n")
        await fleet.stdin.drain()
        async with asyncio.timeout(timeout_s):
            answer: dict[str, Any] = json.loads(await fleet.stdout.readline())
            return answer

    try:
        first = await ask(do="link")
        await asyncio.sleep(3)
        memory = psutil.Process(web).memory_info().rss - before
        calm_s, began_s = cpu_s(web), time.perf_counter()
        await asyncio.sleep(20)
        calm = (cpu_s(web) - calm_s) / (time.perf_counter() - began_s)
        pushes = []
        for index in range(EDITS):
            agent_id, version, committed_s = await asyncio.to_thread(edits.edit, index)
            heard = await ask(30, do="heard", agent_id=agent_id, version=version)
            pushes.append((heard["at_s"] - committed_s) * 1000)
        deaf = await ask(30, do="deafen", number=max(1, AGENTS // 100))
        beside = []
        for index in range(20):
            agent_id, version, committed_s = await asyncio.to_thread(edits.edit, EDITS + index)
            heard = await ask(30, do="heard", agent_id=agent_id, version=version)
            beside.append((heard["at_s"] - committed_s) * 1000)
        capped = await ask(30, do="oversize")
        used_s = cpu_s(web)
        storm = await ask(do="storm")
        return {
            "agents": AGENTS,
            "studios": STUDIOS,
            "first": first,
            "kb_per_agent": memory / AGENTS / 1024,
            "cpu_in_calm": calm,
            "push_p50_ms": part(pushes, 0.5),
            "push_p99_ms": part(pushes, 0.99),
            "deaf": deaf["number"],
            "push_beside_deaf_p99_ms": part(beside, 0.99),
            "oversize": capped["code"],
            "storm": storm | {"web_cpu_s": cpu_s(web) - used_s},
        }
    finally:
        fleet.terminate()
        await fleet.wait()


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    storm, first = result["storm"], result["first"]
    return "\n".join(
        [
            f"| {result['agents']} agents of {result['studios']} studios on one web process | |",
            "|---|---|",
            f"| memory for each | {result['kb_per_agent']:.0f} kB |",
            f"| processor while all are calm (a heartbeat each 30 s) | {result['cpu_in_calm'] * 100:.0f} % of one core |",
            f"| from an edit's commit to the agent, p50 and p99 | {result['push_p50_ms']:.0f} ms,"
            f" {result['push_p99_ms']:.0f} ms |",
            f"| the same beside {result['deaf']} agents that read nothing, p99 |"
            f" {result['push_beside_deaf_p99_ms']:.0f} ms |",
            f"| a frame over 1 MiB | closed with {result['oversize']} |",
            f"| all linked for the first time | {first['all_s']:.0f} s |",
            f"| all dropped at once: half, 99 % and all are back | {storm['half_s']:.0f} s, {storm['most_s']:.0f} s,"
            f" {storm['all_s']:.0f} s |",
            f"| tries that failed meanwhile | {storm['failed']} |",
            f"| processor time of the storm | {storm['web_cpu_s']:.0f} s |",
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1])
