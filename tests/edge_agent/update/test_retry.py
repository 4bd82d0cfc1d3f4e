"""When a version that was rolled back is tried again: the rule, the agent's half of it, and the operator's command."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import TargetFile
from typer.testing import CliRunner

from edge_agent.api import ControlPlaneApi
from edge_agent.cli.app import app
from edge_agent.errors import StateUnwritable
from edge_agent.http import HttpClient
from edge_agent.update import release as releases
from edge_agent.update.handover import RETRY_AFTER_S, Outcome, RolledBack
from edge_agent.update.journal import Journal, Record, State
from edge_agent.update.release import Release
from edge_agent.update.trust import Trust
from edge_agent.update.updater import Updater
from shared.kernel.clock import ServerClock, SystemClock

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("times", "waited_s", "may"),
    [
        (1, 0, False),
        (1, RETRY_AFTER_S[0] - 1, False),
        (1, RETRY_AFTER_S[0], True),
        (2, RETRY_AFTER_S[0], False),
        (2, RETRY_AFTER_S[1], True),
        (3, 10**9, False),
        (0, 10**9, False),
        (1, -1, True),
        (3, -1, False),
    ],
)
def test_a_version_waits_longer_each_time_and_is_then_given_up(
    times: int, waited_s: float, may: bool
) -> None:
    failed = RolledBack("2.0", times, NOW_S)
    assert failed.may_be_tried(NOW_S + waited_s) is may
    outcome = Outcome("2.0", "rolled back", "", NOW_S, (failed,))
    assert outcome.may_be_tried("2.0", NOW_S + waited_s) is may
    assert outcome.may_be_tried("2.1", NOW_S + waited_s)


@given(st.lists(st.floats(-(10**10), 10**10), max_size=40))
def test_whatever_its_clock_shows_an_agent_tries_a_version_no_more_than_three_times(
    moves_s: list[float],
) -> None:
    now_s, times, at = NOW_S, 0, 0.0
    for move_s in moves_s:
        now_s += move_s
        if times == 0 or RolledBack("2.0", times, at).may_be_tried(now_s):
            times, at = times + 1, now_s
    assert times <= 1 + len(RETRY_AFTER_S)


class Found:
    """A release that is found at every look; remembers whether it was fetched."""

    fetched = 0

    def __init__(self, *_: Any) -> None:
        pass

    def newest(self) -> Release:
        return Release("2.0", 10, TargetFile(10, {"sha256": ""}, "package"))

    def fetch(self, *_: Any) -> None:
        Found.fetched += 1


async def test_the_agent_downloads_and_asks_only_for_what_may_be_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record"
    record.mkdir()
    failed_at = [NOW_S]
    Record(record, now_s=lambda: NOW_S).record_rollback(
        Journal(State.ROLLING_BACK, "2.0", "1.0", failed_at=failed_at[0])
    )
    monkeypatch.setattr(releases, "Releases", Found)
    monkeypatch.setattr(Found, "fetched", 0)
    now_s = [NOW_S + 60]
    asked: list[str] = []

    async def ask(version: str) -> None:
        asked.append(version)

    async def nothing(*_: object) -> None:
        return

    async with HttpClient() as http:
        api = ControlPlaneApi(http, "https://studio.example", ServerClock(SystemClock()), None)
        updates = Updater(
            tmp_path, record, Trust(b"", "all"), api, version="1.0", heartbeat=nothing,
            is_allowed=lambda: True, is_idle=lambda: True, throttle=nothing, now_s=lambda: now_s[0],
        )  # fmt: skip
        monkeypatch.setattr(updates, "_request", ask)
        await updates.check_once()
        assert (Found.fetched, asked) == (0, [])
        now_s[0] = NOW_S + RETRY_AFTER_S[0]
        await updates.check_once()
        assert (Found.fetched, asked) == (1, ["2.0"])


def test_an_operator_has_versions_tried_again(tmp_path: Path) -> None:
    def command() -> str:
        done = CliRunner().invoke(app, ["retry-update", "--record", str(tmp_path)])
        assert done.exit_code == 0, done.output
        return done.output

    assert "No version was rolled back here" in command()
    record = Record(tmp_path)
    record.record_rollback(Journal(State.ROLLING_BACK, "2.0", "1.0", final=True, failed_at=NOW_S))
    assert not record.may_be_tried("2.0")
    assert "2.0" in command()
    assert record.may_be_tried("2.0")


def test_without_root_it_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Record) -> tuple[str, ...]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Record, "clear_rollbacks", refused)
    done = CliRunner().invoke(app, ["retry-update", "--record", str(tmp_path)])
    assert isinstance(done.exception, StateUnwritable)
    assert "sudo threedance-agent retry-update" in done.exception.hint
