"""The whole product by one command: what `python -m deploy.demo` records, shows, reports and leaves behind."""

import json
import os
import pwd
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from deploy.demo.__main__ import read_options
from deploy.demo.errors import DemoError
from tests.demo.playback import Viewer
from tools.demo_scene.loop import CAMERAS, FPS, FRAMES

START_TIMEOUT_S = 300
STOP_TIMEOUT_S = 90


class Running:
    """A demonstration that runs as a process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.report_path = folder / "report.json"
        self.output_path = folder / "output.txt"
        self.report_path.unlink(missing_ok=True)
        command = [sys.executable, "-m", "deploy.demo", "--state", str(folder / "state of it")]
        # The tests' own database and addresses are none of its business.
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("THREEDANCE_", "DJANGO_"))
        }
        with self.output_path.open("w") as output:
            self.process = subprocess.Popen(
                [*command, "--report", str(self.report_path), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**own, "PYTHONUNBUFFERED": "1"},
            )

    def output(self) -> str:
        return self.output_path.read_text()

    def wait_for(self, text: str) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while text not in self.output():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline_s, self.output()
            time.sleep(0.2)

    def report(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.report_path.read_text())
        return read

    def link(self, person: str) -> str:
        found = re.search(rf"as {person},.*?(http\S+)", self.output())
        assert found, self.output()
        return found[1]

    def stop(self) -> int:
        """Does what Ctrl-C does; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_TIMEOUT_S)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder, with a space in its name, that the account of the database may pass through; pytest's own are closed."""
    with tempfile.TemporaryDirectory(prefix="threedance demo ") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def running(folder: Path, media: Path) -> Iterator[Running]:
    del media  # rendered before the clock of this test runs
    demo = Running(folder, "--port", "0", "--seconds", "8")
    try:
        demo.wait_for("Ctrl-C stops everything")
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.stop()


@pytest.mark.e2e
@pytest.mark.timeout(900)
class TestDemonstration:
    """One demonstration, looked at from several sides, in this order."""

    def test_the_class_is_recorded_whole_by_every_camera(self, running: Running) -> None:
        report = running.report()
        assert report["ok"]
        assert report["class"]["state"] == "complete"
        assert "/s/" in report["share"]["address"]
        assert len(report["share"]["pin"]) == 6
        assert report["consent"] == {"asked": 0, "given": 2, "missing": 1}
        assert report["retention"]["rule"] == {"days": 14, "room": "Studio A", "changes": 1}
        assert report["retention"]["due"] == 0
        assert report["retention"]["next_run_at"] > datetime.now(UTC).isoformat()
        assert len(report["export"]["files"]) == 5
        assert Path(report["export"]["path"]).stat().st_size == report["export"]["bytes"] > 100_000
        assert [camera["position"] for camera in report["cameras"]] == sorted(CAMERAS)
        for camera in report["cameras"]:
            assert camera["gaps"] == []
            assert camera["seconds"] >= 8
            assert camera["frames"] == pytest.approx(camera["seconds"] * FPS, abs=1)
            assert camera["fragments"] >= 8
            assert camera["segments"] >= 1
            assert camera["bytes"] > 500_000
            assert camera["size_px"] == [1280, 720]
            assert camera["fps"] == FPS
            assert camera["codec"].startswith("avc1.")
            assert camera["audio_codec"] == "mp4a.40.2"
            assert camera["clock"]["error_bound_ms"] < 100
            assert camera["upload_lag_s"]["max"] < 10
        assert {step["name"] for step in report["steps"]} >= {
            "starting the control plane",
            "uploading the rest",
        }
        assert report["first_page_s"] < report["replayable_s"]

    def test_an_instructor_who_signs_in_sees_three_views_of_one_instant(self, running: Running) -> None:
        address = running.report()["address"]
        viewer = Viewer(running.link("Ivan"))
        assert viewer.http.get(address).status_code == 200
        timeline = viewer.timeline(address)
        # When in the class each camera shows each frame of the loop.
        shown: dict[str, dict[int, float]] = {}
        for track in timeline["tracks"]:
            seen = viewer.watch(address, track)
            assert {picture.camera for picture in seen} == {track["position"]}
            frames = [picture.frame for picture in seen]
            assert frames == [(frames[0] + index) % FRAMES for index in range(len(frames))]
            shown[track["position"]] = {picture.frame: picture.class_s for picture in seen}
        common = set.intersection(*(set(times) for times in shown.values()))
        assert len(common) > 7 * FPS
        skews_ms = [
            1000
            * (max(times[frame] for times in shown.values()) - min(times[frame] for times in shown.values()))
            for frame in common
        ]
        print(
            f"skew of three cameras: median {statistics.median(skews_ms):.1f} ms, largest {max(skews_ms):.1f} ms"
        )
        assert statistics.median(skews_ms) < 1000 / FPS

    def test_strangers_see_nothing(self, running: Running) -> None:
        address = running.report()["address"]
        stranger = httpx.Client(timeout=30)
        page = stranger.get(address, headers={"Accept": "text/html"})
        assert page.status_code == 302
        assert "/accounts/login/" in page.headers["location"]
        assert stranger.get(f"{address}timeline.json").status_code == 401

    def test_a_sign_in_link_works_once(self, running: Running) -> None:
        link = running.link("Alice")
        assert Viewer(link).http.get(running.report()["url"] + "/").status_code == 200
        with pytest.raises(AssertionError):
            Viewer(link)

    def test_no_password_and_no_link_is_kept(self, running: Running, folder: Path) -> None:
        assert "token=" not in running.report_path.read_text()
        for log in (folder / "state of it" / "logs").glob("demo-*.log"):
            assert "token=" not in log.read_text(errors="replace"), log

    def test_ctrl_c_stops_everything_that_was_started(self, running: Running) -> None:
        started = psutil.Process(running.process.pid).children(recursive=True)
        assert len(started) > 5
        url = running.report()["url"]
        assert running.stop() == 0
        assert "stopped" in running.output()
        _, alive = psutil.wait_procs(started, timeout=10)
        assert alive == []
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, timeout=5)

    def test_a_second_run_finds_everything_again_and_records_another_class(
        self, running: Running, folder: Path
    ) -> None:
        first = running.report()
        again = Running(folder, "--seconds", "4", "--exit")
        assert again.process.wait(START_TIMEOUT_S) == 0, again.output()
        second = again.report()
        assert second["studio"] == first["studio"]
        assert second["room"] == first["room"]
        assert second["agent_id"] == first["agent_id"]
        assert second["class_id"] != first["class_id"]
        assert {camera["camera_id"] for camera in second["cameras"]} == {
            camera["camera_id"] for camera in first["cameras"]
        }
        assert all(camera["gaps"] == [] for camera in second["cameras"])


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_a_camera_that_is_not_there_is_named_with_what_to_do(folder: Path) -> None:
    demo = Running(
        folder, "--camera", "left=rtsp://viewer:geheim@127.0.0.1:9/live", "--exit", "--patience", "15"
    )
    assert demo.process.wait(START_TIMEOUT_S) == 1
    assert "camera left is retrying (unreachable" in demo.output()
    assert "what to do: Check that the camera has power" in demo.output()
    assert "geheim" not in demo.output()
    report = demo.report()
    assert not report["ok"]
    assert "camera left" in report["error"]
    assert "geheim" not in json.dumps(report)


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo", "--state", str(blocked / "state")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert str(blocked / "state") in done.stdout
    assert "--state DIR" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--camera", "middle=rtsp://camera"], "--camera middle"),
        (["--camera", "left=camera/path"], "--camera left"),
        (["--camera", "left=rtsp://a", "--camera", "left=rtsp://b"], "given twice"),
        (["--seconds", "0"], "--seconds"),
        (["--port", "70000"], "--port"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read_options(arguments)
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("state", [[], ["--state", "~"], ["--state", "~/demo"]])
def test_a_home_is_missed_only_where_no_state_folder_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, state: list[str]
) -> None:
    def unknown(_: int) -> object:
        raise KeyError

    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(SystemExit):
        read_options(state)
    assert "this user has no home folder, and so no place for the state" in capsys.readouterr().err
    assert read_options(["--state", str(tmp_path)]).state == tmp_path


def test_an_error_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "agent.log"
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    lines = DemoError("the agent ended", "Do this.", log).lines()
    assert lines[0] == "error: the agent ended"
    assert "what to do: Do this." in lines
    assert f"log file: {log}" in lines
    assert lines[-1].strip() == "line 99"
    assert len(lines) < 20
