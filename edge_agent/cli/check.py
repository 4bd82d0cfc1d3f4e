"""`check`: checks everything that an agent needs, and says what is wrong and what to do."""

import asyncio
import os
import platform
import shutil
import tempfile
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from edge_agent.api import ControlPlaneApi
from edge_agent.cli.console import in_state, out
from edge_agent.cli.media import carried
from edge_agent.control.config_store import ConfigStore
from edge_agent.control.identity import Identity, IdentityFolder
from edge_agent.errors import AgentError, AgentRevoked, CameraFailed, IdentityError, SettingsInvalid
from edge_agent.http import HttpClient
from edge_agent.local.status_socket import LocalStatus, read_status
from edge_agent.settings import Settings, load_settings
from edge_agent.sources.factory import build_source
from shared import __version__
from shared.kernel.clock import Clock, ServerClock, SystemClock
from shared.kernel.redact import redact
from shared.protocol.config import AgentConfig, CameraConfig, SpoolPolicy
from shared.protocol.status import CAMERA_HINTS, CameraError, CameraState

CONFIG_PATH = "/agent/v1/config"
TIME_QUESTIONS = 3
"""Readings of the server's time before the machine's clock is compared with it."""
CAMERA_TIMEOUT_S = 25.0
CLOCK_TOLERANCE_S = 5.0
COMFORT_BYTES = 20 * 10**9
"""Three cameras of 5 Mb/s fill this in about three hours without network."""


class Grade(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check."""

    what: str
    grade: Grade
    detail: str
    hint: str = ""


def _failed(what: str, error: AgentError) -> Finding:
    return Finding(what=what, grade=Grade.FAILED, detail=str(error), hint=error.hint)


def _ok(what: str, detail: str) -> Finding:
    return Finding(what=what, grade=Grade.OK, detail=detail)


def _warning(what: str, detail: str, hint: str) -> Finding:
    return Finding(what=what, grade=Grade.WARNING, detail=detail, hint=hint)


async def examine(state: Path, *, clock: Clock | None = None) -> list[Finding]:
    """Runs all checks and returns their findings; never raises for what they find."""
    found = [finding async for finding in _findings(state, clock or SystemClock())]
    return [msgspec.structs.replace(item, hint=in_state(item.hint, state)) for item in found]


async def _findings(state: Path, clock: Clock) -> AsyncIterator[Finding]:
    yield _ok("agent", f"threedance-agent {__version__}, Python {platform.python_version()}")
    yield _state_folder(state)
    settings, finding = _settings(state)
    yield finding
    identity, finding = _identity(state)
    yield finding
    running = read_status(state)
    config: AgentConfig | None = None
    if identity is not None:
        async for finding in _control_plane(identity, clock):
            yield finding
        config = _config(state, identity)
    yield _process(running)
    yield _disk(state, config)
    if config is None or settings is None or identity is None:
        return
    if not config.body.cameras:
        yield _warning(
            "cameras", "none is configured", "Add cameras to this agent's room in the administration."
        )
    if running is not None:
        for finding in _running_cameras(running):
            yield finding
        return
    probes = (_camera(camera, identity, settings, clock) for camera in config.body.cameras)
    for finding in await asyncio.gather(*probes):
        yield finding


def _state_folder(state: Path) -> Finding:
    existing = next(folder for folder in (state, *state.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding(
            what="state folder",
            grade=Grade.FAILED,
            detail=f"cannot write to {existing}: {reason}",
            hint=f"Give this user write permission for {state}, or choose another folder with --state.",
        )
    mode = state.stat().st_mode & 0o077 if state.exists() else 0
    if mode:
        return _warning("state folder", f"{state} can be read by other users", f"Run: chmod 700 '{state}'")
    return _ok("state folder", f"{state} can be written")


def _settings(state: Path) -> tuple[Settings | None, Finding]:
    try:
        settings = load_settings(state)
    except SettingsInvalid as error:
        return None, _failed("settings", error)
    missing = sorted(name for name, path in settings.media.items() if not os.access(path, os.R_OK))
    if missing:
        return settings, _warning(
            "settings",
            f"media files that cannot be read: {', '.join(missing)}",
            "Restore the files, or run: threedance-agent media remove NAME",
        )
    return settings, _ok("settings", f"{len(settings.media)} media files on the list")


def _identity(state: Path) -> tuple[Identity | None, Finding]:
    folder = IdentityFolder(state)
    try:
        identity = folder.load()
    except IdentityError as error:
        if (revocation := folder.revocation()) is not None:
            return None, Finding(
                what="pairing",
                grade=Grade.FAILED,
                detail=f"this agent has been revoked: {revocation.reason}",
                hint=error.hint,
            )
        return None, _failed("pairing", error)
    studio = identity.pairing.answer.studio_name
    return identity, _ok("pairing", f"agent of {studio}, key {identity.keys.fingerprint}")


async def _control_plane(identity: Identity, clock: Clock) -> AsyncIterator[Finding]:
    server_clock = ServerClock(clock)
    async with HttpClient() as http:
        api = ControlPlaneApi(
            http, identity.address, server_clock, lambda: identity.token(server_clock.newest)
        )
        # Reads the server's time first, so that a wrong clock of this machine causes no refusal.
        try:
            for _ in range(TIME_QUESTIONS):
                await api.ask_time()
        except AgentError as error:
            yield _failed("control plane", error)
            return
        try:
            await api.get(CONFIG_PATH, msgspec.Raw)
        except AgentRevoked as revoked:
            try:
                reason = identity.verify_revocation(revoked.revocation).reason
            except AgentError as error:
                yield _failed("control plane", error)
            else:
                yield Finding(
                    what="control plane", grade=Grade.FAILED, detail=f"revoked: {reason}", hint=revoked.hint
                )
            return
        except AgentError as error:
            yield _failed("control plane", error)
            return
    secure = "over TLS" if identity.address.startswith("https:") else "without TLS"
    yield _ok("control plane", f"{identity.address} answers {secure} and knows this agent")
    offset_s = server_clock.offset_s()
    if abs(offset_s) > CLOCK_TOLERANCE_S:
        yield _warning(
            "clock",
            f"{abs(offset_s):.0f} s {'behind' if offset_s > 0 else 'ahead of'} the server's",
            "Recordings use the server's time; still, set the clock: timedatectl set-ntp true",
        )
    else:
        yield _ok("clock", f"within {CLOCK_TOLERANCE_S:.0f} s of the server's")


def _process(running: LocalStatus | None) -> Finding:
    if running is None:
        return _warning("process", "no agent runs on this state folder", "Start it: threedance-agent run")
    if not running.link_up:
        return _warning(
            "process",
            f"the agent runs (pid {running.pid}), its link is down: {running.link_error}",
            "Recording continues; a proxy on the way has to allow websockets.",
        )
    return _ok("process", f"the agent runs (pid {running.pid}) and is connected to the control plane")


def _disk(state: Path, config: AgentConfig | None) -> Finding:
    existing = next(folder for folder in (state, *state.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    keep = (config.body.spool if config else SpoolPolicy()).keep_free_bytes
    left = free - keep
    detail = f"{free / 1e9:.1f} GB free, {keep / 1e9:.1f} GB of it are kept free"
    hint = "Free disk space, or move the state folder to a larger disk."
    if left <= 0:
        return Finding(
            what="disk", grade=Grade.FAILED, detail=f"{detail}: nothing can be recorded", hint=hint
        )
    return _warning("disk", detail, hint) if left < COMFORT_BYTES else _ok("disk", detail)


def _config(state: Path, identity: Identity) -> AgentConfig | None:
    store = ConfigStore(state / "config", identity.pairing.answer.agent_id)
    return store.read_only()


def _running_cameras(running: LocalStatus) -> list[Finding]:
    names = {camera.camera_id: camera.name for camera in running.cameras}
    findings = []
    for camera in running.status.cameras:
        what = f"camera {names.get(camera.camera_id, camera.camera_id)}"
        if camera.state is CameraState.CONNECTED and camera.video is not None:
            video = camera.video
            detail = f"{video.codec} {video.width}x{video.height}, {camera.fps:.1f} fps"
            findings.append(_ok(what, detail))
        elif camera.error is not None:
            findings.append(_failed(what, CameraFailed(camera.error, camera.error_detail)))
        else:
            findings.append(_warning(what, "connecting", "Run this command again in a few seconds."))
    return findings


async def _camera(camera: CameraConfig, identity: Identity, settings: Settings, clock: Clock) -> Finding:
    what = f"camera {camera.name}"
    try:
        async with asyncio.timeout(CAMERA_TIMEOUT_S):
            detail = await asyncio.to_thread(_probe, camera, identity, settings, clock)
    except AgentError as error:
        return Finding(what=what, grade=Grade.FAILED, detail=redact(str(error)), hint=error.hint)
    except TimeoutError:
        hint = CAMERA_HINTS[CameraError.UNREACHABLE]
        return Finding(
            what=what, grade=Grade.FAILED, detail=f"no answer in {CAMERA_TIMEOUT_S:.0f} s", hint=hint
        )
    return _ok(what, detail)


def _probe(camera: CameraConfig, identity: Identity, settings: Settings, clock: Clock) -> str:
    source = build_source(
        camera,
        unseal=identity.open_credentials,
        open_tail=identity.open_tail,
        settings=settings,
        clock=clock,
    )
    try:
        info = source.open()
    finally:
        source.close()
    return carried(info)


def show(findings: list[Finding], *, as_json: bool) -> None:
    """Prints the findings."""
    if as_json:
        out.out(msgspec.json.format(msgspec.json.encode(findings)).decode())
        return
    signs = {Grade.OK: ("✓", "green"), Grade.WARNING: ("!", "yellow"), Grade.FAILED: ("✗", "bold red")}
    table = Table.grid(padding=(0, 1))
    for finding in findings:
        table.add_row(Text(*signs[finding.grade]), finding.what, Text(finding.detail, overflow="fold"))
        if finding.hint:
            table.add_row("", "", Text(f"what to do: {finding.hint}", "dim", overflow="fold"))
    out.print(table)
    failed = sum(finding.grade is Grade.FAILED for finding in findings)
    warnings = sum(finding.grade is Grade.WARNING for finding in findings)
    if failed:
        out.print(f"{failed} of {len(findings)} checks failed.", style="bold")
    else:
        out.print(f"It works, with {warnings} warnings." if warnings else "Everything works.", style="bold")
