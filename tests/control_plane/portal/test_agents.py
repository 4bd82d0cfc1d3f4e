"""Agents and pairing, as an admin sees them."""

import re

import msgspec
import pytest

from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.fleet import reports
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent, PairingCode, PairingState
from control_plane.fleet.pairing import claim_pairing_code
from control_plane.recordings.models import ClassState
from shared.protocol.ids import CameraId, ClassSessionId, SegmentId, new_id
from shared.protocol.media import ClockMethod
from shared.protocol.messages import Heartbeat
from shared.protocol.pairing import PairRequest
from shared.protocol.status import QuarantinedSegment, UploadStatus, WindowState
from shared.protocol.timing import ERROR_BOUND_MOST_US
from shared.protocol.version import PROTOCOL_VERSION
from tests.control_plane.portal.conftest import HOST, FurnishedStudio, SignIn, record
from tests.shared.examples import CLOCK, STATUS

HTMX = {"HX-Request": "true"}


def test_the_page_shows_every_camera_with_state_and_what_to_do(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    body = sign_in("ivan").get(f"{furnished.base}/agents/").content.decode()
    for camera in furnished.cameras:
        assert camera.name in body
    assert furnished.agent.fingerprint not in body, "an instructor does not compare keys"
    assert "Agent 1 is not connected" in body
    assert "Paired, never connected" in body
    assert furnished.agent.fingerprint in sign_in("alice").get(f"{furnished.base}/agents/").content.decode()


def test_the_page_says_which_sound_is_not_recorded(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    says = "its sound (speex) cannot be recorded"
    camera = msgspec.structs.replace(
        STATUS.cameras[1], camera_id=CameraId(furnished.cameras[0].id), audio=None, error_detail=says
    )
    caller = Caller(furnished.agent.id, furnished.agent.studio_id, "10.0.0.7")
    reports.apply_message(
        Heartbeat(status=msgspec.structs.replace(STATUS, cameras=(camera,), recordings=())), caller
    )
    assert says in sign_in("ivan").get(f"{furnished.base}/agents/").content.decode()


def test_no_page_ever_shows_a_cameras_password(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    for path in ("/agents/", "/rooms/", f"/rooms/{furnished.room.id}/", "/classes/"):
        assert "hush-" not in sign_in("alice").get(furnished.base + path).content.decode()


def test_a_code_is_shown_once_with_the_command_and_its_state_follows_the_agent(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    alice = sign_in("alice")
    body = alice.post(f"{furnished.base}/agents/add/", {"agent_name": "Agent 2"}).content.decode()
    code = re.search(r"[B-Z]{4}-[B-Z]{4}", body)
    assert code is not None
    assert f"threedance-agent pair http://testserver {code[0]}" in body
    with studio_scope(furnished.cast.studio.id):
        row = PairingCode.objects.filter(state=PairingState.PENDING).get()
    state = f"{furnished.base}/agents/pairing/{row.id}/"
    assert "Waiting for the agent" in alice.get(state, headers=HTMX).content.decode()
    claim_pairing_code(
        PairRequest(
            code=code[0],
            identity_key=b"i" * 32,
            sealing_key=b"s" * 32,
            protocol=PROTOCOL_VERSION,
            agent_version="0.1.0",
            host=HOST,
        )
    )
    body = alice.get(state, headers=HTMX).content.decode()
    assert "Paired" in body
    assert "Agent 2" in body
    assert "hx-get" not in body, "there is nothing more to wait for"
    with studio_scope(furnished.cast.studio.id):
        assert Entry.objects.filter(action="agent.pairing_started").count() == 2


def test_an_admin_says_when_an_agent_uploads_and_how_fast(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    page, alice = f"{furnished.base}/agents/{furnished.agent.id}/uploads/", sign_in("alice")
    body = alice.get(page).content.decode()
    assert furnished.cast.studio.time_zone in body
    given = {"opens": "22:00", "closes": "06:00", "mbit_per_s": "2.5"}
    saved = alice.post(page, given, follow=True)
    assert saved.redirect_chain == [(f"{furnished.base}/agents/", 302)]
    said = "from 22:00 until 06:00, at most 2.5 Mbit/s"
    assert saved.content.decode().count(said) == 2, "once for what was done, once in the figures"
    body = alice.get(page).content.decode()
    for value in given.values():
        assert f'value="{value}"' in body
    alice.post(page, {"opens": "", "closes": "", "mbit_per_s": "0"})
    assert re.search(r"<dd>\s*at any time\s*</dd>", alice.get(f"{furnished.base}/agents/").content.decode())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"opens": "22:00"}, "Give both times"),
        ({"opens": "22:00", "closes": "22:00"}, "Both times are 22:00"),
        ({"opens": "25:00", "closes": "06:00"}, "Enter a valid time"),
        ({"mbit_per_s": "0.05"}, "from 0.1 to 10000 Mbit/s"),
        ({"mbit_per_s": "-1"}, "greater than or equal to 0"),
        ({"mbit_per_s": "fast"}, "Enter a number"),
    ],
)
def test_what_cannot_be_is_said_beside_what_was_typed(
    furnished: FurnishedStudio, sign_in: SignIn, given: dict[str, str], says: str
) -> None:
    page = f"{furnished.base}/agents/{furnished.agent.id}/uploads/"
    answer = sign_in("alice").post(page, given)
    assert answer.status_code == 200
    body = answer.content.decode()
    assert says in body
    assert all(f'value="{value}"' in body for value in given.values()), "nobody types twice"


def test_others_do_not_say_when_an_agent_uploads(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    page = f"{furnished.base}/agents/{furnished.agent.id}/uploads/"
    for who, status in (("ivan", 403), ("vera", 404), ("sam", 404), ("nobody", 302)):
        assert sign_in(who).get(page).status_code == status
        assert sign_in(who).post(page, {"mbit_per_s": "5"}).status_code == status
    assert "Upload schedule" not in sign_in("ivan").get(f"{furnished.base}/agents/").content.decode()
    assert sign_in("alice").get(f"{furnished.base}/agents/{new_id()}/uploads/").status_code == 404


def test_an_agent_that_waits_for_its_window_is_no_broken_one(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    caller = Caller(furnished.agent.id, furnished.agent.studio_id, "10.0.0.7")
    waits = record(furnished, ClassState.FINISHING)
    # The studio's clock is UTC here, and the agent's zone an hour ahead of it.
    for window, said in (
        (WindowState.WAITS, "Waiting for the upload window, from 21:00."),
        (
            WindowState.OVERRULED,
            "Uploading outside the upload window, because the agent&#x27;s disk is nearly full.",
        ),
        (WindowState.UNUSABLE, "the time or the studio&#x27;s time zone yet"),
        (WindowState.OPEN, ""),
    ):
        upload = msgspec.structs.replace(STATUS.upload, window=window)
        status = msgspec.structs.replace(STATUS, upload=upload, cameras=(), recordings=())
        reports.apply_message(Heartbeat(status=status), caller)
        body = sign_in("alice").get(f"{furnished.base}/agents/").content.decode()
        assert said in body
        assert said or "upload window" not in body
        assert "message--error" not in body
        assert said in sign_in("ivan").get(f"{furnished.base}/classes/{waits.id}/").content.decode()


def test_an_agent_that_is_too_old_for_a_window_is_shown_as_such(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    page = f"{furnished.base}/agents/{furnished.agent.id}/uploads/"
    sign_in("alice").post(page, {"opens": "22:00", "closes": "06:00"})
    with studio_scope(furnished.cast.studio.id):
        Agent.objects.filter(pk=furnished.agent.pk).update(protocol=2)
    assert (
        "does not support upload windows" in sign_in("ivan").get(f"{furnished.base}/agents/").content.decode()
    )
    assert "does not support upload windows" in sign_in("alice").get(page).content.decode()


def test_an_agent_that_was_stopped_is_shown_so_everywhere_and_until_it_is_heard_again(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    caller = Caller(furnished.agent.id, furnished.agent.studio_id, "10.0.0.7")
    running = record(furnished, ClassState.RECORDING)
    pages = ("/agents/", f"/rooms/{furnished.room.id}/", f"/classes/{running.id}/")

    def seen() -> list[str]:
        return [sign_in("ivan").get(furnished.base + page).content.decode() for page in pages]

    heartbeat = Heartbeat(status=msgspec.structs.replace(STATUS, cameras=(), recordings=()))
    reports.apply_message(heartbeat, caller)
    assert not any(
        "was stopped" in body or "is stopped" in body or "Stopped on its" in body for body in seen()
    )
    with studio_scope(furnished.cast.studio.id):
        link_id = new_id()
        Agent.objects.filter(pk=furnished.agent.pk).update(link_id=link_id)
    reports.close_link(caller, link_id, was_stopped=True)
    agents, room, running_class = seen()
    assert re.search(r'<span class="tag tag--warn">\s*Stopped\s*</span>', agents)
    assert "It does not record until it is started there" in agents
    assert "Agent 1 is stopped. Start it on its computer." in agents
    assert "has not connected to this camera" not in agents
    assert "Recording begins when it is started on its computer" in room
    assert "Agent 1 is stopped. It does not record" in running_class
    reports.apply_message(heartbeat, caller)
    assert not any(
        "was stopped" in body or "is stopped" in body or "Stopped on its" in body for body in seen()
    )


@pytest.mark.parametrize(
    ("method", "error_us", "says"),
    [
        (ClockMethod.ARRIVAL, 57_600, "within 58 ms of the server&#x27;s time"),
        (ClockMethod.ARRIVAL, 8_640_000, "within 8.6 s of the server&#x27;s time"),
        (ClockMethod.ARRIVAL, ERROR_BOUND_MOST_US, "before the server&#x27;s time was known"),
        (ClockMethod.RTCP_SR, 900, ""),
    ],
)
def test_the_card_says_how_exactly_footage_is_dated_where_the_servers_time_dates_it(
    furnished: FurnishedStudio, sign_in: SignIn, method: ClockMethod, error_us: int, says: str
) -> None:
    clock = msgspec.structs.replace(CLOCK, method=method, error_bound_us=error_us)
    cameras = (
        msgspec.structs.replace(STATUS.cameras[1], camera_id=CameraId(furnished.cameras[0].id), clock=clock),
    )
    caller = Caller(furnished.agent.id, furnished.agent.studio_id, "10.0.0.7")
    reports.apply_message(
        Heartbeat(status=msgspec.structs.replace(STATUS, cameras=cameras, recordings=())), caller
    )
    body = sign_in("alice").get(f"{furnished.base}/agents/").content.decode()
    assert says in body
    assert ("Timestamps" in body) == bool(says)


def test_an_instructor_makes_no_pairing_codes(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    assert sign_in("ivan").post(f"{furnished.base}/agents/add/").status_code == 403
    with studio_scope(furnished.cast.studio.id):
        assert not PairingCode.objects.filter(state=PairingState.PENDING).exists()


def test_an_agent_that_cannot_upload_and_pieces_that_are_refused_are_shown_with_the_way_out(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    aside = QuarantinedSegment(
        segment_id=SegmentId(new_id()),
        class_session_id=ClassSessionId(new_id()),
        camera_id=CameraId(furnished.cameras[0].id),
        reason="segment_hash_conflict: Another segment has this id",
    )
    caller = Caller(furnished.agent.id, furnished.agent.studio_id, "10.0.0.7")
    for upload, said in (
        (
            UploadStatus(problem="no secure connection to store", hint="Check it."),
            "no secure connection to store",
        ),
        (UploadStatus(quarantined=3, newest=(aside,)), "3 segments were refused and stay on the agent"),
    ):
        status = msgspec.structs.replace(STATUS, upload=upload, cameras=(), recordings=())
        reports.apply_message(Heartbeat(status=status), caller)
        body = sign_in("alice").get(f"{furnished.base}/agents/").content.decode()
        assert said in body
    status = msgspec.structs.replace(STATUS, update="0.2.0: rolled back (<not heard>)")
    reports.apply_message(Heartbeat(status=status), caller)
    body = sign_in("alice").get(f"{furnished.base}/agents/").content.decode()
    assert "0.2.0: rolled back (&lt;not heard&gt;)" in body
