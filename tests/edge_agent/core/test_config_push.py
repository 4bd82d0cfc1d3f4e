"""Pushes that are lost, doubled, reordered and forged, cameras that fail, and an agent that is killed and power-cut: in any
order that hypothesis thinks of, the agent does what the newest good configuration says and tells the truth about it.
"""

import asyncio
import random
import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_agent.control.session import Candidate, ConfigFilter, Refusal, Repeated, Session
from edge_agent.core.config_applier import TRIAL_S
from shared.protocol.codec import document_hash, encode
from shared.protocol.config import (
    AgentBody,
    AgentConfig,
    FileSource,
    RecordingOrder,
    UploadPolicy,
    UploadWindow,
    body_for_version,
    config_document,
)
from shared.protocol.ids import new_id
from shared.protocol.messages import Desired
from shared.protocol.status import CameraState, ConfigStatus, Reported
from tests.edge_agent.core.fake_agent import AGENT, CAMERAS, EMPTY, STUDIO, FakeAgent, ordered
from tests.rigs.pacer import settle
from tests.rigs.power import PoweredFiles, cut

NAMES = st.sets(st.sampled_from(sorted(CAMERAS)))
FRAMES_MOST = 12
ORDERS = tuple(ordered() for _ in range(2))
UPLOADS = (
    UploadPolicy(),
    UploadPolicy(window=UploadWindow(opens="22:00", closes="06:00", time_zone="Europe/Berlin")),
    UploadPolicy(max_bytes_per_s=10**6),
)


class ConfigPush(RuleBasedStateMachine):
    """One control plane that bumps versions, a line that keeps nothing, and one agent on a disk whose power can go."""

    agent: FakeAgent
    session: Session
    files: PoweredFiles

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.scratch = tempfile.TemporaryDirectory()
        self.dice = random.Random(0)
        self.documents: list[AgentConfig] = []
        self.line: list[bytes] = []
        self.broken: set[str] = set()
        self.reported: Reported | None = None
        self.boots = 0
        self.has_refused = False

    @initialize()
    def first_start(self) -> None:
        self._boot(self._folder())

    def teardown(self) -> None:
        self._stop()
        self.loop.close()
        self.scratch.cleanup()

    # The control plane.

    @rule(
        names=NAMES,
        reads=st.sampled_from("ab"),
        orders=st.sets(st.sampled_from(ORDERS)),
        upload=st.sampled_from(UPLOADS),
    )
    def edit(self, names: set[str], reads: str, orders: set[RecordingOrder], upload: UploadPolicy) -> None:
        cameras = tuple(
            msgspec.structs.replace(CAMERAS[name], source=FileSource(name=f"{reads}.mp4"))
            if name == "left"
            else CAMERAS[name]
            for name in sorted(names)
        )
        recordings = tuple(order for order in ORDERS if order in orders)
        self._publish(msgspec.structs.replace(EMPTY, cameras=cameras, recordings=recordings, upload=upload))

    @precondition(lambda self: self.documents)
    @rule(upload=st.sampled_from(UPLOADS))
    def edit_the_window_alone(self, upload: UploadPolicy) -> None:
        """And the agent hears of it at once, so that `_hear` leaves every camera alone."""
        self._publish(msgspec.structs.replace(self.documents[-1].body, upload=upload))
        self._hear(self.line[-1])

    @precondition(lambda self: self.documents)
    @rule(protocol=st.sampled_from((2, 3)))
    def agent_is_updated_or_set_back(self, protocol: int) -> None:
        """Other words are another version: see docs/design/control.md."""
        body = body_for_version(protocol, self.documents[-1].body)
        if document_hash(body) != self.documents[-1].hash:
            self._publish(body)

    @precondition(lambda self: self.documents)
    @rule(back=st.integers(0, 3))
    def push_again(self, back: int) -> None:
        self._send(self.documents[max(0, len(self.documents) - 1 - back)])

    @precondition(lambda self: self.documents)
    @rule()
    def forge(self) -> None:
        """A second control plane, or one from a backup, gives the newest version another content."""
        newest = self.documents[-1]
        stranger = msgspec.structs.replace(newest.body, studio_id=STUDIO, cameras=(), recordings=())
        forged = config_document(AGENT, newest.version, stranger)
        if forged.hash != newest.hash and newest.version <= (self.agent.store.newest or (0, ""))[0]:
            self._send(forged)

    # The line.

    @precondition(lambda self: self.line)
    @rule(data=st.data(), stays=st.booleans())
    def deliver(self, data: st.DataObject, stays: bool) -> None:
        """Any frame, in any order; one that stays will come again."""
        place = data.draw(st.integers(0, len(self.line) - 1))
        self._hear(self.line[place] if stays else self.line.pop(place))

    @precondition(lambda self: self.line)
    @rule()
    def lose(self) -> None:
        self.line.clear()

    # The room and the agent.

    @rule(names=NAMES)
    def break_cameras(self, names: set[str]) -> None:
        self.broken.clear()
        self.broken.update(names)

    @rule(name=st.sampled_from(sorted(CAMERAS)), state=st.sampled_from(CameraState))
    def camera_changes(self, name: str, state: CameraState) -> None:
        if CAMERAS[name].id in self.agent.cameras.configs:
            self.agent.board.update_camera(CAMERAS[name].id, state=state)

    @rule(seconds=st.sampled_from((1.0, 11.0, TRIAL_S)))
    def time_passes(self, seconds: float) -> None:
        self.files.moments.clear()
        self._run(self.agent.wait(seconds))
        self._hear_report()

    @rule()
    def kill(self) -> None:
        self._stop()
        self._boot(self.folder)

    @precondition(lambda self: self.files.moments)
    @rule(data=st.data(), keep=st.sampled_from((0.0, 0.5, 1.0)))
    def cut_power(self, data: st.DataObject, keep: float) -> None:
        """The power goes at some step of the last change; what was told after it never was."""
        moment = data.draw(st.sampled_from(self.files.moments[-40:]))
        self._stop()
        folder = self._folder()
        cut(moment, folder, self.dice, keep=keep)
        reported = moment.promised
        assert reported is None or isinstance(reported, Reported)
        self.reported = reported
        self._boot(folder)

    # Invariants.

    @invariant()
    def it_reports_what_was_pushed(self) -> None:
        reported = self.reported
        if reported is not None and reported.version:
            assert reported.hash == self.documents[reported.version - 1].hash

    @invariant()
    def it_runs_what_it_reports(self) -> None:
        reported = self.reported
        if reported is None or not reported.version:
            return
        wanted = {camera.id: camera for camera in self.documents[reported.version - 1].body.cameras}
        assert all(wanted[i] == camera for i, camera in self.agent.cameras.configs.items())
        missing = wanted.keys() - self.agent.cameras.configs.keys()
        assert {CAMERAS[name].id for name in self.broken_when_tried} >= missing
        assert self.agent.uploads[-1] == self.documents[reported.version - 1].body.upload

    @invariant()
    def no_camera_runs_twice(self) -> None:
        alive = list(self.agent.started)
        for name in self.agent.ended:
            alive.remove(name)
        assert sorted(alive) == sorted(camera.name for camera in self.agent.cameras.configs.values())

    @precondition(lambda self: self.documents)
    @rule()
    def a_good_configuration_comes_through(self) -> None:
        """Whatever went before: once all is well again, the newest is in force within the time of a probation."""
        self.broken.clear()
        self.edit({"left", "centre", "right"}, "a", {ORDERS[0]}, UPLOADS[1])
        self._hear(self.line[-1])
        for name in CAMERAS:
            self.camera_changes(name, CameraState.CONNECTED)
        self.time_passes(TRIAL_S)
        newest = self.documents[-1]
        assert self.reported == Reported(
            version=newest.version, hash=newest.hash, status=ConfigStatus.APPLIED
        )
        assert [status.class_session_id for status in self.agent.orders.statuses()] == [
            ORDERS[0].class_session_id
        ]

    # How it is done.

    def _publish(self, body: AgentBody) -> None:
        self.documents.append(config_document(AGENT, len(self.documents) + 1, body))
        self._send(self.documents[-1])

    def _send(self, config: AgentConfig) -> None:
        self.line.append(encode(Desired(config=config)))
        del self.line[:-FRAMES_MOST]

    def _hear(self, frame: bytes) -> None:
        before = self.agent.store.newest
        kept = {camera.id: camera for camera in self.agent.cameras.configs.values()}
        touched = len(self.agent.started), len(self.agent.ended)
        self.files.moments.clear()
        event = self.session.receive(frame)
        match event:
            case Candidate():
                assert before is None or event.config.version > before[0]
                self.broken_when_tried = set(self.broken)
                self._run(self.agent.take(event.config))
            case Refusal():
                self.has_refused = True
                self.agent.desired.refuse(event.version, event.error)
                self._run(self.agent.reported())
            case Repeated():
                pass
            case _:
                raise AssertionError(event)
        self._hear_report()
        unchanged = {
            CAMERAS[camera.name].name
            for camera in self.agent.cameras.configs.values()
            if kept.get(camera.id) == camera
        }
        owed_before = self.broken_when_tried
        news = {*self.agent.started[touched[0] :], *self.agent.ended[touched[1] :]}
        assert not (news & unchanged) - owed_before

    def _hear_report(self) -> None:
        self.reported = self.agent.store.reported()

    def _boot(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.boots += 1
        self.files = PoweredFiles(folder, lambda: self.reported)
        promised = self.reported
        self.broken_when_tried = set(self.broken)
        self._start()
        newest = self.agent.store.newest
        if promised is not None and promised.version:
            assert newest is not None
            assert newest[0] >= promised.version
            if promised.status is ConfigStatus.APPLIED:
                applied = self.agent.store.applied
                assert applied is not None
                assert applied.version >= promised.version
        self.session = Session(ConfigFilter(AGENT, STUDIO, newest), "1")
        self._hear_report()

    def _start(self) -> None:
        ready, self.ending = asyncio.Event(), asyncio.Event()

        async def live() -> None:
            async with asyncio.TaskGroup() as group:
                self.agent = FakeAgent(group, self.folder, files=self.files)
                self.agent.broken = self.broken
                await self.agent.begun.wait()
                await settle()
                ready.set()
                await self.ending.wait()
                await self.agent.end()

        self.life = self.loop.create_task(live())
        self._run(asyncio.wait_for(ready.wait(), 10))

    def _stop(self) -> None:
        if hasattr(self, "life"):
            self.ending.set()
            self._run(self.life)

    def _run(self, doing: "asyncio.Future[None] | object") -> None:
        self.loop.run_until_complete(doing)  # type: ignore[arg-type]

    def _folder(self) -> Path:
        return Path(self.scratch.name) / str(new_id())


TestConfigPush = ConfigPush.TestCase
TestConfigPush.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
