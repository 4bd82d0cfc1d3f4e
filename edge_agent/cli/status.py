"""`status`: the running agent as a table, once or live."""

import time
from pathlib import Path

import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge_agent.cli.console import err, in_state, out
from edge_agent.local.status_socket import LocalCamera, LocalStatus, read_status
from shared.protocol.media import ClockEstimate
from shared.protocol.status import (
    CAMERA_HINTS,
    CameraState,
    CameraStatus,
    ConfigStatus,
    RecordingState,
    RecordingStatus,
    UploadStatus,
    WindowState,
    camera_fault,
)
from shared.protocol.timing import ERROR_BOUND_MOST_US

REFRESH_S = 1.0
VAGUE_US = 500_000

_STATE_STYLES = {
    CameraState.CONNECTED: "green",
    CameraState.CONNECTING: "yellow",
    CameraState.RETRYING: "red",
}


def show(state: Path, *, once: bool, as_json: bool) -> bool:
    """Prints the status until interrupted, or once; returns whether an agent runs there."""
    status = read_status(state)
    if status is None:
        err.print(Text.assemble(("error: ", "bold red"), f"no agent runs on {state}"), soft_wrap=True)
        err.print(
            Text.assemble(("  what to do: ", "bold"), in_state("start it with: threedance-agent run", state)),
            soft_wrap=True,
        )
        return False
    if as_json:
        out.out(msgspec.json.format(msgspec.json.encode(status)).decode())
        return True
    if once:
        out.print(view(status))
        return True
    _live(state, status)
    return True


def _live(state: Path, status: LocalStatus) -> None:
    sent = (status.bytes_sent, time.monotonic())
    try:
        with Live(view(status), console=out, auto_refresh=False, screen=out.is_terminal) as live:
            while True:
                time.sleep(REFRESH_S)
                now = read_status(state)
                if now is None:
                    live.update(Text("The agent has stopped.", "bold yellow"), refresh=True)
                    continue
                rate = (now.bytes_sent - sent[0]) / max(time.monotonic() - sent[1], 0.1)
                sent = (now.bytes_sent, time.monotonic())
                live.update(view(now, bytes_per_s=max(0.0, rate)), refresh=True)
    except KeyboardInterrupt:
        return


def view(status: LocalStatus, *, bytes_per_s: float | None = None) -> RenderableType:
    """Returns the whole status, ready to print."""
    return Group(
        _heading(status),
        Text(),
        _cameras(status),
        Text(),
        *([_recordings(status), Text()] if status.status.recordings else []),
        _spool(status, bytes_per_s),
    )


def _heading(status: LocalStatus) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "agent",
        Text.assemble(
            (status.studio_name, "bold"),
            f"  key {status.fingerprint}  version {status.agent_version}  up {_duration(status.status.uptime_s)}",
        ),
    )
    line = Text("connected", "green") if status.link_up else Text(f"offline: {status.link_error}", "red")
    if status.link_hint and not status.link_up:
        line.append(f"\n{status.link_hint}", "dim")
    table.add_row("control plane", Text.assemble(status.address, "  ", line))
    reported = status.configuration
    config = Text(f"version {reported.version} {reported.status}")
    if reported.status is ConfigStatus.FAILED:
        config.append(f" (version {reported.failed_version}: {reported.error})", "red")
    table.add_row("configuration", config)
    if status.status.update:
        table.add_row("last update", status.status.update)
    table.add_row("server's time", _known(status.clock_error_us))
    if status.clock_error_us is not None:
        offset_ms = status.status.clock_offset_ms
        off = Text(f"{_offset(offset_ms)} off the server's; recordings are dated by the server's", "yellow")
        table.add_row(
            "clock", off if abs(offset_ms) > 2000 else Text(f"{_offset(offset_ms)} off the server's")
        )
    return table


def _cameras(status: LocalStatus) -> RenderableType:
    if not status.status.cameras:
        return Text("No cameras: add them to this agent's room in the administration.", "yellow")
    table = Table(
        "camera", "", "picture", "fps", "Mb/s", "clock", "segments", "dropped", box=None, pad_edge=False
    )
    names = {camera.camera_id: camera for camera in status.cameras}
    order = {"left": 0, "centre": 1, "right": 2}
    for camera in sorted(
        status.status.cameras,
        key=lambda c: order[names[c.camera_id].position] if c.camera_id in names else 3,
    ):
        table.add_row(*_camera(camera, names.get(camera.camera_id)))
    return table


def _camera(camera: CameraStatus, named: LocalCamera | None) -> tuple[RenderableType, ...]:
    name = f"{named.name} ({named.position})" if named else str(camera.camera_id)
    state = Text(camera.state, _STATE_STYLES[camera.state])
    if camera.error is not None:
        state.append(f"\n{camera_fault(camera.error, camera.error_detail)}", "red")
        state.append(f"\n{CAMERA_HINTS[camera.error]}", "dim")
    elif camera.error_detail:
        state.append(f"\n{camera.error_detail}", "dim")
    picture = Text("-")
    if camera.video is not None:
        picture = Text(f"{camera.video.codec} {camera.video.width}x{camera.video.height}")
        if camera.audio is not None:
            picture.append(
                f" + {camera.audio.transcoded_from + ' as ' if camera.audio.transcoded_from else ''}AAC"
            )
    clock = "-"
    if camera.clock is not None:
        waits = " (settling)" if camera.clock.provisional else ""
        clock = f"{camera.clock.method} {_bound(camera.clock)}{waits}"
    return (
        name,
        state,
        picture,
        f"{camera.fps:.1f}",
        f"{camera.bits_per_s / 1e6:.2f}",
        clock,
        str(camera.segments_closed),
        Text(str(camera.packets_dropped), "red" if camera.packets_dropped else ""),
    )


def _known(error_us: int | None) -> Text:
    if error_us is None:
        return Text("not known yet: recordings are dated by the clock of this machine", "yellow")
    return Text(f"known within {_offset(error_us / 1000)}", "yellow" if error_us >= VAGUE_US else "")


def _bound(clock: ClockEstimate) -> str:
    if clock.error_bound_us >= ERROR_BOUND_MOST_US:
        return "(date not known)"
    return f"±{clock.error_bound_us / 1000:.1f} ms"


def _recordings(status: LocalStatus) -> RenderableType:
    table = Table("class", "", "cameras", "segments", "to upload", "gaps to report", box=None, pad_edge=False)
    for recording in status.status.recordings:
        table.add_row(
            str(recording.class_session_id),
            _state_of(recording),
            str(recording.cameras_recording),
            str(recording.tally.segments_made),
            str(recording.tally.segments_pending),
            str(recording.tally.gaps_pending),
        )
    return table


def _state_of(recording: RecordingStatus) -> Text:
    if recording.state is RecordingState.RECORDING:
        return Text("● recording", "bold red")
    return Text(recording.state)


def _spool(status: LocalStatus, bytes_per_s: float | None) -> RenderableType:
    spool = status.status.spool
    table = Table.grid(padding=(0, 2))
    space = Text(f"{_bytes(spool.bytes_used)} used, space for {_bytes(spool.bytes_free)} more")
    if spool.hours_left is not None:
        space.append(f", {spool.hours_left:.1f} hours of recording", "red" if spool.hours_left < 2 else "")
    if spool.full:
        space.append("  FULL: recording is stopped", "bold red")
    table.add_row("disk", space)
    pending = Text(
        "everything is uploaded"
        if not spool.segments_pending
        else f"{spool.segments_pending} segments pending, {_duration(spool.behind_s)} behind",
        "green" if spool.behind_s < 60 or status.status.upload.window is WindowState.WAITS else "yellow",
    )
    if bytes_per_s is not None:
        pending.append(f"  {bytes_per_s * 8 / 1e6:.1f} Mb/s up", "dim")
    upload = status.status.upload
    if waits := _window(upload):
        pending.append(f"\n{waits}", "cyan" if upload.window is WindowState.WAITS else "yellow")
    if upload.problem:
        pending.append(f"\n{upload.problem}", "red")
        pending.append(f"\n{upload.hint}" if upload.hint else "", "dim")
    table.add_row("upload", pending)
    if upload.quarantined:
        table.add_row("quarantined", _quarantined(upload))
    return table


def _window(upload: UploadStatus) -> str:
    match upload.window:
        case WindowState.WAITS:
            opens = f", from {upload.opens_at:%H:%M}" if upload.opens_at else ""
            return f"waits for the upload window{opens}"
        case WindowState.OVERRULED:
            return "uploads outside the upload window, because the disk is nearly full"
        case WindowState.UNUSABLE:
            return "uploads at any time: the agent does not know the time yet, or not the time zone of the upload window"
        case WindowState.ANY_TIME | WindowState.OPEN:
            return ""


def _quarantined(upload: UploadStatus) -> Text:
    text = Text(
        f"{upload.quarantined} segments were refused and stay on this machine; all others are uploaded. "
        "They are retried when the agent starts.",
        "yellow",
    )
    for item in upload.newest:
        text.append(f"\n{item.segment_id} of class {item.class_session_id}: {item.reason}", "dim")
    return text


def _duration(seconds: float) -> str:
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _offset(milliseconds: float) -> str:
    seconds = abs(milliseconds) / 1000
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else _duration(seconds)


def _bytes(count: int) -> str:
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
