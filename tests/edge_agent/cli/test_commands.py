"""What the commands print and how they end, as processes on a real state folder and in this process."""

import ast
import asyncio
import io
import json
import os
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edge_agent.cli import main
from edge_agent.cli.camera_lines import CameraLines
from edge_agent.cli.check import Grade, examine
from edge_agent.cli.media import video_file
from edge_agent.cli.run import make_server_clock, parse_run
from edge_agent.cli.status import view
from edge_agent.control.config_store import ConfigStore
from edge_agent.errors import SettingsInvalid
from edge_agent.local import status_socket
from edge_agent.local.status_socket import LocalCamera, LocalStatus, read_status, serve_status
from edge_agent.settings import Settings, check_media_name, load_settings, save_settings
from shared.kernel.clock import SystemClock
from shared.protocol.config import FileSource, Position, RtspSource, config_document
from shared.protocol.ids import ClassSessionId, RoomId, SegmentId, new_id
from shared.protocol.status import (
    CameraError,
    CameraState,
    CameraStatus,
    ConfigStatus,
    RecordingState,
    Reported,
    SetAside,
    UploadStatus,
    WindowState,
)
from shared.protocol.timing import ERROR_BOUND_MOST_US
from shared.protocol.version import PROTOCOL_VERSION
from tests.media import make_video
from tests.rigs.agent_process import AGENT, ROOT, agent_box, agent_command
from tests.rigs.control_plane import ControlPlane
from tests.shared.examples import CLOCK, STATUS

HINT = "what to do:"


def test_the_agents_clock_counts_the_time_in_which_the_machine_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, slept_ns = SystemClock(), 0
    real_ns = time.clock_gettime_ns
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock_id: real_ns(clock_id) + slept_ns)
    clock = make_server_clock(machine)
    for _ in range(2):
        asked_ns = clock.mark()
        clock.take(machine.now() + timedelta(days=1), asked_ns)
    before_at = clock.now()
    slept_ns = 3_600_000_000_000
    assert clock.now() - before_at == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=30))


def _local(**changes: object) -> LocalStatus:
    cameras = tuple(
        LocalCamera(camera_id=c.camera_id, room_id=RoomId(new_id()), name=name, position=position)
        for c, name, position in zip(
            STATUS.cameras, ("Left wall", "Mirror", "Right wall"), Position, strict=True
        )
    )
    status = LocalStatus(
        pid=1,
        agent_version="0.1.0",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        address="https://studio.example",
        studio_name="Demo Dance",
        fingerprint="0123-4567-89ab-cdef",
        link_up=True,
        link_error="",
        configuration=Reported(version=12, hash="0" * 64, status=ConfigStatus.APPLIED),
        cameras=cameras,
        bytes_sent=0,
        clock_error_us=12_300,
        status=STATUS,
    )
    return msgspec.structs.replace(status, **changes)


def _printed(status: LocalStatus, *, bytes_per_s: float | None = None) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(view(status, bytes_per_s=bytes_per_s))
    return console.export_text()


def test_the_table_says_what_each_camera_does_and_what_to_do_about_one_that_fails() -> None:
    text = _printed(_local())
    assert "Left wall (left)" in text
    assert text.count("The camera refused user or password. (401 Unauthorized)") == 1
    assert "Enter them again" in text
    assert "Mirror (centre)" in text
    assert "h264 1280x720 + pcm_mulaw as AAC" in text
    assert "30.0" in text
    assert "4.80" in text
    assert "rtcp_sr ±0.9 ms" in text


def test_the_table_says_which_sound_is_not_recorded() -> None:
    camera = msgspec.structs.replace(
        STATUS.cameras[1], audio=None, error_detail="its sound (speex) cannot be recorded"
    )
    text = _printed(_local(status=msgspec.structs.replace(STATUS, cameras=(camera,))))
    assert "its sound (speex) cannot be recorded" in text


def test_the_table_says_how_recording_disk_and_upload_are() -> None:
    text = _printed(_local(), bytes_per_s=250_000)
    assert "recording" in text
    assert "1.0 GB used, space for 100.0 GB more, 41.5 hours of recording" in text
    assert "2 segments pending, 7 s behind" in text
    assert "2.0 Mb/s up" in text
    assert "1 h 0 min off the server's; recordings are dated by the server's" in text
    assert "known within 12 ms" in text


def test_a_time_that_is_not_known_is_said_so_and_no_bound_is_made_up() -> None:
    clock = msgspec.structs.replace(CLOCK, error_bound_us=ERROR_BOUND_MOST_US)
    camera = msgspec.structs.replace(STATUS.cameras[1], clock=clock)
    text = _printed(_local(clock_error_us=None, status=msgspec.structs.replace(STATUS, cameras=(camera,))))
    assert "not known yet: recordings are dated by the clock of this machine" in text
    assert "off the server's" not in text
    assert "(date not known)" in text
    assert "known within 1 min 40 s" in _printed(_local(clock_error_us=100_000_000))


def test_the_table_says_plainly_what_is_wrong() -> None:
    spool = msgspec.structs.replace(STATUS.spool, full=True)
    failed = Reported(
        version=12, hash="0" * 64, status=ConfigStatus.FAILED, error="no frames", failed_version=13
    )
    text = _printed(
        _local(
            link_up=False,
            link_error="no route",
            configuration=failed,
            status=msgspec.structs.replace(STATUS, spool=spool),
        )
    )
    assert "offline: no route" in text
    assert "version 13: no frames" in text
    assert "FULL" in text


def test_a_box_without_cameras_says_where_to_add_them() -> None:
    assert "add them to this agent's room in the admin" in _printed(
        _local(cameras=(), status=msgspec.structs.replace(STATUS, cameras=()))
    )


def test_every_state_of_a_camera_and_a_recording_can_be_shown() -> None:
    for camera_state in CameraState:
        for recording_state in RecordingState:
            camera = msgspec.structs.replace(STATUS.cameras[0], state=camera_state, error=None)
            recording = msgspec.structs.replace(STATUS.recordings[0], state=recording_state)
            status = msgspec.structs.replace(STATUS, cameras=(camera,), recordings=(recording,))
            text = _printed(_local(status=status))
            assert camera_state in text
            assert recording_state in text


def test_why_nothing_is_uploaded_and_what_is_set_aside_is_said_with_the_way_out() -> None:
    aside = SetAside(
        segment_id=SegmentId(new_id()),
        class_session_id=ClassSessionId(new_id()),
        camera_id=STATUS.cameras[0].camera_id,
        reason="segment_hash_conflict: Another segment has this id",
    )
    upload = UploadStatus(problem="no way through", hint="mend it", set_aside=3, newest=(aside,))
    text = _printed(
        _local(
            link_up=False,
            link_error="a login page of this network answers",
            link_hint="Sign in there.",
            status=msgspec.structs.replace(STATUS, upload=upload),
        )
    )
    for said in ("a login page", "Sign in there.", "no way through", "mend it", "3 segments were refused"):
        assert said in text
    assert str(aside.segment_id) in text
    assert "quarantined" not in _printed(_local())


def test_how_the_last_update_ended_is_said() -> None:
    status = msgspec.structs.replace(STATUS, update="0.2.0: rolled back (not heard)")
    assert "last update" in _printed(_local(status=status))
    assert "0.2.0: rolled back (not heard)" in _printed(_local(status=status))
    assert "last update" not in _printed(_local(status=msgspec.structs.replace(STATUS, update="")))


def test_a_box_that_waits_for_its_window_says_so_and_looks_well() -> None:
    def said(window: WindowState) -> str:
        upload = msgspec.structs.replace(STATUS.upload, window=window)
        return _printed(_local(status=msgspec.structs.replace(STATUS, upload=upload)))

    assert "waits for the upload window, from 22:00" in said(WindowState.WAITS)
    assert "outside the upload window, because the disk is nearly full" in said(WindowState.OVERRULED)
    assert "uploads at any time: the agent does not know the time yet" in said(WindowState.UNUSABLE)
    for quiet in (WindowState.OPEN, WindowState.ANY_TIME):
        assert "window" not in said(quiet)


async def test_the_running_agents_status_is_read_through_its_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    for folder in (tmp_path, deep):
        async with serve_status(folder, _local):
            told = await asyncio.to_thread(read_status, folder)
            assert told is not None
            assert told.studio_name == "Demo Dance"
            assert (folder / "agent.sock").stat().st_mode & 0o777 == 0o600
        assert read_status(folder) is None


async def test_one_that_asks_for_the_status_and_never_reads_keeps_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_socket, "TIMEOUT_S", 0.2)
    large = _local(link_error="x" * 4_000_000)  # more than any socket buffer takes
    tasks, descriptors = asyncio.all_tasks(), len(os.listdir("/proc/self/fd"))
    async with serve_status(tmp_path, lambda: large):
        callers = [await asyncio.open_unix_connection(str(tmp_path / "agent.sock")) for _ in range(5)]
        for reader, _ in callers:
            reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.05)
        answers = asyncio.all_tasks() - tasks
        assert len(answers) == 5
        _, hanging = await asyncio.wait(answers, timeout=10)
        assert not hanging
        for _, writer in callers:
            writer.transport.abort()
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_status_says_plainly_that_no_agent_runs(tmp_path: Path) -> None:
    done = agent_command(tmp_path, "status", "--once")
    assert done.returncode == 1
    assert f"no agent runs on {tmp_path}" in done.stderr
    assert f"threedance-agent run --state {tmp_path}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pair", "studio.example", "BCDF-GHJK"), "'studio.example' is not an address"),
        (("pair", "http://127.0.0.1:9", "BCDF-GHJK"), "cannot reach 127.0.0.1:9"),
        (("pair", "http://127.0.0.1:9", "BCDF"), "a pairing code has 8 letters"),
        (("run",), "not paired"),
        (("media", "add", "a.mp4", "/no/such/file"), "there is no file /no/such/file"),
        (("media", "remove", "a.mp4"), "no media file 'a.mp4'"),
    ],
)
def test_an_error_is_one_line_and_a_hint_and_no_trace(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = agent_command(tmp_path, *arguments)
    assert done.returncode == (4 if says == "not paired" else 1)
    assert says in done.stderr
    assert HINT in done.stderr
    assert "Traceback" not in done.stderr


HOMELESS = """
import os, pwd, sys
def nobody(uid): raise KeyError(uid)
pwd.getpwuid = nobody
for name in ("HOME", "XDG_STATE_HOME", "THREEDANCE_AGENT_STATE"): os.environ.pop(name, None)
from edge_agent.cli import main
sys.argv = ["threedance-agent", *sys.argv[1:]]
main()
"""


def homeless(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the program as a user without a home and without a line in /etc/passwd."""
    return subprocess.run(
        [sys.executable, "-c", HOMELESS, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--once"),
        ("check",),
        ("run",),
        ("spool-check",),
        ("pair", "http://127.0.0.1:9", "BCDF-GHJK"),
        ("media", "list"),
        ("media", "add", "a", "/no/such/file"),
    ],
)
def test_a_home_is_missed_only_where_no_state_folder_is_named(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    without = homeless(*arguments)
    assert (without.returncode, without.stdout) == (1, "")
    assert without.stderr.startswith("error: this user has no home folder")
    assert "what to do: Give one: --state DIR" in without.stderr
    named = homeless(*arguments, "--state", str(tmp_path))
    assert "Traceback" not in named.stderr
    assert "no home" not in named.stderr


def test_help_and_version_need_no_home_and_no_folder() -> None:
    for arguments in (("-h",), ("run", "-h"), ("media", "-h"), ("media", "add", "-h"), ("--help",)):
        done = homeless(*arguments)
        assert done.returncode == 0, done.stderr
        assert "Usage: threedance-agent" in done.stdout
    assert homeless("--version").stdout == homeless("version").stdout != ""


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"TERM": "dumb", "COLUMNS": "5"},
        {"COLUMNS": "0"},
        {"COLUMNS": "x"},
    ],
)
def test_the_commands_work_on_every_terminal(tmp_path: Path, env: dict[str, str]) -> None:
    state = tmp_path / "Grün"
    checked = agent_command(state, "check", env=env)
    assert checked.returncode == 1
    assert "checks failed" in checked.stdout
    assert "Traceback" not in checked.stderr
    if "TERM" not in env and "COLUMNS" not in env:
        assert "BAD pairing" in checked.stdout
    for arguments in (("status", "--once"), ("media", "list"), ("media", "-h")):
        done = agent_command(state, *arguments, env=env)
        assert "Traceback" not in done.stderr


def test_the_commands_work_where_nobody_listens(tmp_path: Path) -> None:
    command = f"exec {shlex.join([*AGENT, 'check', '--state', str(tmp_path)])} >&-"
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, "")


def test_debug_shows_the_trace(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_agent", "--debug", "run", "--state", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert "Traceback" in done.stderr


def test_pairing_says_with_whom_and_what_to_do_next(tmp_path: Path) -> None:
    with ControlPlane().running() as plane:
        done = agent_command(tmp_path, "pair", plane.url, "bcdf-ghjk")
        assert done.returncode == 0, done.stderr
        assert "Paired with Demo Dance" in done.stdout
        assert f"threedance-agent run --state {tmp_path}" in done.stdout
        again = agent_command(tmp_path, "pair", plane.url, "BCDF-GHJK")
    assert again.returncode == 1
    assert "--replace" in again.stderr


def test_a_broken_settings_file_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('colour = "red"\n')
    done = agent_command(tmp_path, "media", "list")
    assert done.returncode == 1
    assert "colour" in done.stderr
    assert "settings.toml" in done.stderr


def test_media_files_are_listed_with_what_is_missing(tmp_path: Path) -> None:
    video = make_video(tmp_path / "class.mp4", seconds=0.5, audio="aac")
    added = agent_command(tmp_path, "media", "add", "class.mp4", str(video))
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout == f"class.mp4 is {video}: h264 320x180, 30 fps, aac.\n"
    assert str(video) in agent_command(tmp_path, "media", "list").stdout
    video.unlink()
    assert "missing" in agent_command(tmp_path, "media", "list").stdout
    assert agent_command(tmp_path, "media", "remove", "class.mp4").returncode == 0
    assert "No media files" in agent_command(tmp_path, "media", "list").stdout


@pytest.mark.parametrize(
    "name", ["bad name!", "", "-x", ".hidden", "a" * 101, "a\n", "\n", "Gr\u00fcn", "../x", "a/b", "[bold]x"]
)
def test_a_name_that_is_none_is_refused_and_the_rule_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsInvalid, match="is not a valid name for a media file"):
        check_media_name(name)
    with pytest.raises(SettingsInvalid):
        save_settings(tmp_path, Settings(media={name: "/x.mp4"}))
    assert not (tmp_path / "settings.toml").exists()


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True))
def test_a_name_that_the_rule_allows_is_written_and_read_again(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    state = tmp_path_factory.mktemp("state")
    check_media_name(name)
    save_settings(state, Settings(media={name: "/x.mp4"}))
    assert load_settings(state).media == {name: "/x.mp4"}


NO_VIDEOS = {
    "text": b"dear diary\n" * 400,
    "nothing": b"",
    "a playlist": b"#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(400),
    "zeros": bytes(100_000),
    "the head of a video": b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(64),
}


@pytest.mark.parametrize("what", NO_VIDEOS)
def test_a_file_that_is_no_video_is_refused_at_once(tmp_path: Path, what: str) -> None:
    file = tmp_path / "it.mp4"
    file.write_bytes(NO_VIDEOS[what])
    with pytest.raises(SettingsInvalid, match="cannot act as a camera") as caught:
        video_file(file)
    assert "H.264" in caught.value.hint


def test_a_path_that_leads_nowhere_is_refused_without_a_trace(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path in (loop, tmp_path / ("a" * 300), tmp_path, Path("/dev/null"), tmp_path / "none"):
        with pytest.raises(SettingsInvalid, match="there is no file"):
            video_file(path)


@pytest.mark.parametrize("command", [("check",), ("run",), ("status", "--once"), ("media", "list")])
def test_a_state_folder_that_is_none_is_refused_without_a_trace(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "file"
    file.touch()
    for state in (file, file / "below", tmp_path / ("a" * 300)):
        done = agent_command(state, *command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: cannot write to {state}: ")
        assert done.stderr.count("\n") == 2


def test_media_add_says_in_one_form_what_is_wrong_with_name_or_file(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("dear diary\n" * 400)
    for arguments, says in (
        (("bad name!", str(text)), "error: 'bad name!' is not a valid name for a media file"),
        (("notes", str(text)), f"error: {text} cannot act as a camera"),
    ):
        done = agent_command(tmp_path / "state", "media", "add", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(says)
        assert HINT in done.stderr
        assert done.stderr.count("\n") == 2
    assert "No media files" in agent_command(tmp_path / "state", "media", "list").stdout


def test_run_says_of_each_camera_what_is_new_and_only_that() -> None:
    told: list[str] = []
    lines = CameraLines(Path("/srv/state"), show=lambda line: told.append(line.plain))

    def look(*cameras: CameraStatus) -> list[str]:
        told.clear()
        lines.update(_local(status=msgspec.structs.replace(STATUS, cameras=cameras)))
        return list(told)

    works, fails = STATUS.cameras[1], STATUS.cameras[0]
    assert works.video is not None
    tried = msgspec.structs.replace(works, state=CameraState.CONNECTING, video=None, audio=None)
    again = msgspec.structs.replace(fails, state=CameraState.CONNECTING)
    gone = msgspec.structs.replace(fails, error=CameraError.NOT_ON_LIST, error_detail="class.mp4")
    assert look(tried) == ["camera Mirror (centre): connecting"]
    assert look(tried) == []
    assert look(works, fails) == [
        "camera Mirror (centre): connected, h264 1280x720, sound",
        "camera Left wall (left): The camera refused user or password. (401 Unauthorized)",
        "  what to do: Enter them again on the camera's page.",
    ]
    assert look(works, again) == look(works, fails) == look(works, again) == []
    assert look(works, gone) == [
        "camera Left wall (left): The agent has no media file of this name. (class.mp4)",
        "  what to do: Add it on the agent: threedance-agent media add NAME FILE --state /srv/state",
    ]
    assert look(msgspec.structs.replace(works, audio=None)) == [
        "camera Mirror (centre): connected, h264 1280x720, no sound"
    ]
    # Taken away and added again, it is a camera like any new one.
    assert len(look(works, fails)) == 3


async def test_check_of_an_unpaired_box_says_what_comes_first(tmp_path: Path) -> None:
    findings = {finding.what: finding for finding in await examine(tmp_path)}
    assert findings["state folder"].grade is not Grade.FAILED
    assert findings["pairing"].grade is Grade.FAILED
    assert findings["pairing"].hint.endswith(f"threedance-agent pair URL CODE --state {tmp_path}")
    assert findings["process"].grade is Grade.WARNING
    assert findings["process"].hint.endswith(f"threedance-agent run --state {tmp_path}")


async def test_check_says_when_the_server_is_gone(tmp_path: Path) -> None:
    with ControlPlane().running() as plane:
        assert agent_command(tmp_path, "pair", plane.url, "BCDF-GHJK").returncode == 0
        found = {finding.what: finding for finding in await examine(tmp_path)}
        assert found["control plane"].grade is Grade.OK
        assert found["clock"].grade is Grade.OK
        plane.faults.plain_401 = True
        refused = {finding.what: finding for finding in await examine(tmp_path)}
        assert refused["control plane"].grade is Grade.FAILED
    gone = {finding.what: finding for finding in await examine(tmp_path)}
    assert "cannot reach" in gone["control plane"].detail


def test_check_probes_each_camera_and_says_which_fails_and_why(tmp_path: Path) -> None:
    video = make_video(tmp_path / "class.mp4", seconds=1)
    with ControlPlane().running() as plane, agent_box(plane, tmp_path / "state", video) as box:
        dead = msgspec.structs.replace(box.cameras[1], source=RtspSource(url="rtsp://127.0.0.1:9/none"))
        other = msgspec.structs.replace(box.cameras[2], source=FileSource(name="other.mp4"))
        body = msgspec.structs.replace(plane.config.body, cameras=(box.cameras[0], dead, other))
        store = ConfigStore(box.state / "config", plane.agent_id)
        store.load()
        store.stage(config_document(plane.agent_id, 2, body))
        found = {finding.what: finding for finding in asyncio.run(examine(box.state))}
    assert found["camera Left"].grade is Grade.OK
    assert found["camera Left"].detail == "h264 320x180, 30 fps, no sound"
    assert found["camera Centre"].grade is Grade.FAILED
    assert found["camera Centre"].detail.startswith("The camera cannot be reached. (127.0.0.1: ")
    assert found["camera Right"].grade is Grade.FAILED
    assert "threedance-agent media add NAME FILE --state " in found["camera Right"].hint


def test_check_as_json_is_for_programs(tmp_path: Path) -> None:
    done = agent_command(tmp_path, "check", "--json")
    assert done.returncode == 1
    assert {finding["what"] for finding in json.loads(done.stdout)} >= {"state folder", "pairing", "disk"}


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit) as caught:
        main()
    assert "needs Python 3.11 or newer; this is Python 3.9" in str(caught.value)


def test_the_door_of_the_program_opens_on_an_old_python() -> None:
    """What says that Python is too old must itself be readable by an old Python."""
    for path in ("__init__.py", "cli/__init__.py", "__main__.py"):
        ast.parse((ROOT / "edge_agent" / path).read_text(), feature_version=(3, 6))


def test_a_missing_package_is_named_with_the_extra_that_brings_it() -> None:
    code = "import sys; sys.modules['typer'] = None; from edge_agent.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "typer is missing" in done.stderr
    assert "threedance[agent]" in done.stderr


def test_a_plain_run_loads_neither_typer_nor_pydantic(tmp_path: Path) -> None:
    """An agent that comes back after a power cut records sooner without them."""
    code = (
        "import sys; from edge_agent.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, [name for name in ('typer', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--state", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert done.stdout == "4 []\n"
    assert "is not paired" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["run", "--state", "/s"], {}, (Path("/s"), None)),
        (["run", "--state=/s", "--json-logs"], {}, (Path("/s"), True)),
        (["run", "--text-logs"], {"THREEDANCE_AGENT_STATE": "/s"}, (Path("/s"), False)),
        (["run", "--state", "/t"], {"THREEDANCE_AGENT_STATE": "/s"}, (Path("/t"), None)),
        (["run", "--state"], {}, None),
        (["run", "--state", "--json-logs"], {}, None),
        (["run", "--help"], {}, None),
        (["run", "now"], {}, None),
        (["status", "--state", "/s"], {}, None),
        ([], {}, None),
    ],
)
def test_a_plain_run_is_read_as_the_full_command_line_reads_it(
    arguments: list[str], environment: dict[str, str], expected: tuple[Path, bool | None] | None
) -> None:
    assert parse_run(arguments, environment) == expected


def test_version_says_what_it_speaks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_agent", "version"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert done.stdout.startswith(f"threedance-agent 0.1.0, protocol {PROTOCOL_VERSION}, Python 3.")
