"""Agents and pairing, as an admin sees them."""

import re

import msgspec

from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.fleet import reports
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import PairingCode, PairingState
from control_plane.fleet.pairing import claim_pairing_code
from shared.protocol.ids import CameraId, ClassSessionId, SegmentId, new_id
from shared.protocol.messages import Heartbeat
from shared.protocol.pairing import PairRequest
from shared.protocol.status import SetAside, UploadStatus
from shared.protocol.version import PROTOCOL_VERSION
from tests.control_plane.portal.conftest import HOST, House, SignIn
from tests.shared.examples import STATUS

HTMX = {"HX-Request": "true"}


def test_the_page_shows_every_camera_with_state_and_what_to_do(house: House, sign_in: SignIn) -> None:
    body = sign_in("ivan").get(f"{house.base}/agents/").content.decode()
    for camera in house.cameras:
        assert camera.name in body
    assert house.agent.fingerprint not in body, "an instructor does not compare keys"
    assert "Box 1 is not connected" in body
    assert "Paired, and never seen since" in body
    assert house.agent.fingerprint in sign_in("alice").get(f"{house.base}/agents/").content.decode()


def test_no_page_ever_shows_a_cameras_password(house: House, sign_in: SignIn) -> None:
    for path in ("/agents/", "/rooms/", f"/rooms/{house.room.id}/", "/classes/"):
        assert "hush-" not in sign_in("alice").get(house.base + path).content.decode()


def test_a_code_is_shown_once_with_the_command_and_its_state_follows_the_box(
    house: House, sign_in: SignIn
) -> None:
    alice = sign_in("alice")
    body = alice.post(f"{house.base}/agents/add/", {"agent_name": "Box 2"}).content.decode()
    code = re.search(r"[B-Z]{4}-[B-Z]{4}", body)
    assert code is not None
    assert f"threedance-agent pair http://testserver {code[0]}" in body
    with studio_scope(house.cast.studio.id):
        row = PairingCode.objects.filter(state=PairingState.PENDING).get()
    state = f"{house.base}/agents/pairing/{row.id}/"
    assert "Waiting for the box" in alice.get(state, headers=HTMX).content.decode()
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
    assert "Box 2" in body
    assert "hx-get" not in body, "there is nothing more to wait for"
    with studio_scope(house.cast.studio.id):
        assert Entry.objects.filter(action="agent.pairing_started").count() == 2


def test_an_instructor_makes_no_pairing_codes(house: House, sign_in: SignIn) -> None:
    assert sign_in("ivan").post(f"{house.base}/agents/add/").status_code == 403
    with studio_scope(house.cast.studio.id):
        assert not PairingCode.objects.filter(state=PairingState.PENDING).exists()


def test_a_box_that_cannot_upload_and_pieces_that_are_refused_are_shown_with_the_way_out(
    house: House, sign_in: SignIn
) -> None:
    aside = SetAside(
        segment_id=SegmentId(new_id()),
        class_session_id=ClassSessionId(new_id()),
        camera_id=CameraId(house.cameras[0].id),
        reason="segment_hash_conflict: Another segment has this id",
    )
    caller = Caller(house.agent.id, house.agent.studio_id, "10.0.0.7")
    for upload, said in (
        (
            UploadStatus(problem="no secure connection to store", hint="Check it."),
            "no secure connection to store",
        ),
        (UploadStatus(set_aside=3, newest=(aside,)), "3 pieces are refused and stay on the box"),
    ):
        status = msgspec.structs.replace(STATUS, upload=upload, cameras=(), recordings=())
        reports.take(Heartbeat(status=status), caller)
        body = sign_in("alice").get(f"{house.base}/agents/").content.decode()
        assert said in body
    status = msgspec.structs.replace(STATUS, update="0.2.0: rolled back (<not heard>)")
    reports.take(Heartbeat(status=status), caller)
    body = sign_in("alice").get(f"{house.base}/agents/").content.decode()
    assert "0.2.0: rolled back (&lt;not heard&gt;)" in body
