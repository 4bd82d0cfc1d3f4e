"""Objects in a studio of the matrix: a fleet, classes with footage and trouble, dancers, settings, keys, rights."""

import secrets
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from django.test import Client
from django.utils import timezone
from msgspec.structs import replace

from control_plane.access import services as access_services
from control_plane.access.models import ApiKey
from control_plane.access.permissions import USE_API
from control_plane.access.roles import DEFAULTS
from control_plane.access.services.api_keys import PREFIX, make_api_key
from control_plane.accounts.models import User
from control_plane.administration import services as administration_services
from control_plane.administration.services.invitations import invite
from control_plane.clips.models import ClipDancer, ClipReplay
from control_plane.clips.services import ClipFacts, make_clip
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.compliance.models import Alert
from control_plane.data_requests.models import DataRequest, RequestKind, RequestState
from control_plane.exports.models import Export, ExportPart, ExportState
from control_plane.fleet import pairing
from control_plane.fleet import reports as fleet_reports
from control_plane.fleet import services as fleet
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent, PairingCode
from control_plane.identity.models import IdentityProvider, ProviderKind
from control_plane.ingest import services as ingest
from control_plane.integrity import inspect
from control_plane.integrity.damage import DamageFinding, record_damage
from control_plane.integrity.models import IntegrityScan, ScanDepth
from control_plane.keys import vault
from control_plane.people import services as people_services
from control_plane.people.consent_models import ConsentAnswer, ConsentNotice, ConsentPurpose, ConsentRequest
from control_plane.people.consent_services import answer_for
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, GuardianInvitation, Relation
from control_plane.recordings import services as recordings
from control_plane.recordings.class_type_models import ClassType, Enrolment
from control_plane.recordings.damage_models import DamageKind
from control_plane.recordings.models import ClassSession, ClassState, Segment
from control_plane.recordings.permissions import EXPORT, REPLAY, VIEW_CLASS
from control_plane.recordings.rosters import save_roster
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.recordings.selectors import class_timeline
from control_plane.retention.models import HoldKind, Preset, RetentionRun, RetentionRunItem, RunState
from control_plane.retention.services import confirm_policy, place_hold, save_rule
from control_plane.sharing.models import EgressPolicy, EgressUse, PinFailures, ShareLink, ShareView
from control_plane.tenancy.models import Room
from control_plane.tenancy.permissions import VIEW_STUDIO
from shared.protocol.ids import CameraId, ClassSessionId, GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.messages import Heartbeat, Hello
from shared.protocol.status import ConfigStatus, RecordingState, Reported
from shared.protocol.upload import CommitItem, PutTarget
from tests.control_plane.footage import START_AT, Cut, cuts, film
from tests.control_plane.replays import begin_replay
from tests.control_plane.scenes import POSITIONS, status_of
from tests.matrix.tenant import Tenant, word

EVERYTHING = DEFAULTS[Role.ADMIN]


NARROW = frozenset({VIEW_STUDIO, VIEW_CLASS, USE_API})


def _fleet(tenant: Tenant) -> None:
    admin = tenant.people["admin"].actor
    with studio_scope(tenant.studio.id):
        for key in ("room", "spare_room"):
            tenant.ids[key] = administration_services.create_room(
                tenant.studio, name=word(tenant.name, "room"), actor=admin
            ).id
    for key, agent_client in (("agent", tenant.agent_client), ("revoked", tenant.revoked)):
        code = pairing.create_pairing_code(tenant.studio, actor=admin, agent_name=word(tenant.name, "agent"))
        agent_client.answer = pairing.claim_pairing_code(agent_client.pair_request(code.text))
        tenant.ids[key] = agent_client.agent_id
    with studio_scope(tenant.studio.id):
        room, agent = Room.objects.get(pk=tenant.ids["room"]), Agent.objects.get(pk=tenant.ids["agent"])
        for position in POSITIONS:
            camera = fleet.add_camera(
                room,
                agent,
                name=word(tenant.name, "camera"),
                position=position,
                address=f"rtsp://user:{word(tenant.name, 'secret')}@10.0.0.1/{word(tenant.name, 'path')}",
                actor=admin,
            )
            tenant.ids["camera"] = tenant.ids.get("camera", camera.id)
        # Where a class can be started: in the first room, one is running.
        fleet.add_camera(
            Room.objects.get(pk=tenant.ids["spare_room"]),
            agent,
            name=word(tenant.name, "camera"),
            position=POSITIONS[0],
            address=f"rtsp://10.0.0.1/{word(tenant.name, 'path')}",
            actor=admin,
        )
        fleet.revoke_agent(Agent.objects.get(pk=tenant.ids["revoked"]), reason="stolen", actor=admin)
        code = pairing.create_pairing_code(tenant.studio, actor=admin, agent_name=word(tenant.name, "agent"))
        tenant.code, tenant.ids["pairing"] = code.text, code.row.id
        # A code is good for minutes; a run on a busy machine takes longer.
        PairingCode.objects.update(expires_at=timezone.now() + timedelta(hours=6))


def _classes(tenant: Tenant, folder: Path) -> None:
    teacher, viewer = tenant.people["instructor"].actor, tenant.people["viewer"].actor
    caller = Caller(tenant.agent_client.agent_id, tenant.studio.id, "10.0.0.7")
    for key in ("class", "granted_class", "shredded", "running"):
        with studio_scope(tenant.studio.id):
            room = Room.objects.get(pk=tenant.ids["room"])
            row = recordings.start_class(room, title=word(tenant.name, "title"), actor=teacher)
            tenant.ids[key] = row.id
            recipient = vault.recipient()
        made = list(
            cuts(
                film(folder, seconds=3),
                each=1,
                first_sequence=1 + 10 * len(tenant.cuts),
                class_session_id=row.id,
                camera_id=tenant.ids["camera"],
                recipient=recipient,
            )
        )
        tenant.cuts.extend(made)
        _upload(caller, made[:2])
        tenant.ids[f"{key}.segment"] = made[0].manifest.segment_id
        with studio_scope(tenant.studio.id):
            tenant.ids[f"{key}.track"] = row.tracks.get(camera_id=tenant.ids["camera"]).id
        _trouble(tenant, caller, row, made[2])
        fleet_reports.apply_message(Heartbeat(status=status_of(row.id, RecordingState.RECORDING)), caller)
        if key == "class":
            _fault(tenant, made[1])
        if key != "running":
            with studio_scope(tenant.studio.id):
                row = ClassSession.objects.get(pk=row.id)
                begin_replay(row, viewer)
                recordings.stop_class(row, actor=teacher)
                ClassSession.objects.filter(pk=row.id).update(state=ClassState.COMPLETE)
    tenant.raw = [cut.key for cut in tenant.cuts]
    tenant.raw += [cut.content[at : at + 24] for cut in tenant.cuts for at in (0, len(cut.content) - 24)]


def _fault(tenant: Tenant, cut: Cut) -> None:
    """Says of a segment that it is damaged in its store, which the next check finds to be untrue."""
    with studio_scope(tenant.studio.id):
        row = Segment.objects.get(pk=cut.manifest.segment_id)
        place = ObjectLocation(row.store_id, row.object_key)
        record_damage(
            [DamageFinding(row.id, place, DamageKind.HASH, word(tenant.name, "note"))], actor=inspect.SYSTEM
        )
        IntegrityScan.objects.create(studio=tenant.studio, depth=ScanDepth.HASH, begun_at=timezone.now())


def _retention(tenant: Tenant) -> None:
    admin, studio, now = tenant.people["admin"].actor, tenant.studio, timezone.now()
    confirm_policy(studio, preset=Preset.UK_EU, minors_days=365, adults_days=365, actor=admin)
    rule = save_rule(studio, days=365, room=None, adults_only=True, actor=admin)
    hold = place_hold(
        studio,
        kind=HoldKind.MANUAL,
        reason=word(tenant.name, "note"),
        ends_at=now + timedelta(hours=1),
        actor=admin,
    )
    with studio_scope(studio.id):
        run = RetentionRun.objects.create(
            studio=studio,
            state=RunState.RUNNING,
            planned_at=now,
            due_classes=1,
            due_bytes=1,
            total_classes=9,
            total_bytes=9,
        )
        RetentionRunItem.objects.create(
            studio=studio, run=run, class_session_id=tenant.ids["class"], due_at=now, days=7
        )
    tenant.ids |= {"retention_rule": rule.id, "retention_hold": hold.id, "retention_run": run.id}


def _dancers(tenant: Tenant) -> None:
    admin = tenant.people["admin"].actor
    with studio_scope(tenant.studio.id):
        for key in ("dancer", "dancer_of_nobody"):
            facts = NewDancer(name=word(tenant.name, "dancer"), note=word(tenant.name, "note"))
            tenant.ids[key] = people_services.add_dancer(tenant.studio, facts, actor=admin).id
        dancer = Dancer.objects.get(pk=tenant.ids["dancer"])
        tie = people_services.start_guardianship(
            dancer, tenant.people["guardian"], Relation.PARENT, actor=admin
        )
        tenant.ids["guardianship"] = tie.id
        row = ClassSession.objects.get(pk=tenant.ids["class"])
        save_roster(row, [dancer.id], confirm=True, actor=admin)
        tenant.ids["data_request"] = DataRequest.objects.create(
            studio=tenant.studio,
            kind=RequestKind.ERASURE,
            dancer_id=new_id(),
            requester=word(tenant.name, "requester"),
            received_on=timezone.localdate(),
            due_on=timezone.localdate(),
            state=RequestState.DONE,
            closed_at=timezone.now(),
            receipt={"recordings_destroyed": [], "recordings_kept": [], "audit_events_kept": 0},
        ).id
        _consents(tenant, dancer)


def _consents(tenant: Tenant, dancer: Dancer) -> None:
    """Leaves a notice, an open request, an answer and an enrolment."""
    now, guardian = timezone.now(), tenant.people["guardian"]
    notice = ConsentNotice.objects.create(
        studio=tenant.studio,
        language="en",
        purposes=sorted(ConsentPurpose),
        title=word(tenant.name, "notice"),
        text=word(tenant.name, "text"),
        version=1,
        published_at=now,
    )
    tenant.ids["notice"] = notice.id
    request = ConsentRequest.objects.create(
        studio=tenant.studio,
        dancer=dancer,
        notice=notice,
        user=guardian,
        purposes=sorted(ConsentPurpose),
        token_sha256=secrets.token_bytes(32),
        expires_at=now + timedelta(days=7),
    )
    tenant.ids["consent_request"] = request.id
    answer_for(dancer, {ConsentPurpose.POSE: ConsentAnswer.GRANTED}, user=guardian, notice=notice)
    kind = ClassType.objects.create(studio=tenant.studio, name=word(tenant.name, "classtype"))
    tenant.ids["class_type"] = kind.id
    enrolment = Enrolment.objects.create(
        studio=tenant.studio, class_type=kind, dancer=dancer, starts_at=now - timedelta(days=1)
    )
    tenant.ids["enrolment"] = enrolment.id


def _settings(tenant: Tenant) -> None:
    """Leaves a provider, an invitation, a key of the API and an alert."""
    admin = tenant.people["admin"].actor
    offer = invite(tenant.studio, f"{word(tenant.name, 'guest')}@example.org", Role.VIEWER, actor=admin)
    key = _keys(tenant)
    with studio_scope(tenant.studio.id):
        provider = IdentityProvider.objects.create(
            studio=tenant.studio,
            kind=ProviderKind.OIDC,
            name=word(tenant.name, "provider"),
            issuer=f"https://{word(tenant.name, 'issuer')}.example.org",
            client_id=word(tenant.name, "client"),
            domains=[f"{word(tenant.name, 'domain')}.example.org"],
            enabled=False,
        )
        alert = Alert.objects.create(
            studio=tenant.studio,
            rule="many_classes",
            occasion=word(tenant.name, "alert"),
            raised_at=timezone.now(),
        )
        waiting = GuardianInvitation.objects.create(
            studio=tenant.studio, dancer_id=tenant.ids["dancer"], invitation=offer.invitation
        )
    tenant.ids |= {
        "guardian_invitation": waiting.id,
        "invitation": offer.invitation.id,
        "key": key.id,
        "provider": provider.id,
        "alert": alert.id,
    }


def _keys(tenant: Tenant) -> ApiKey:
    """Makes a key of the API for each kind of person; returns one of the admin's."""
    soon = timezone.now() + timedelta(days=7)
    made: dict[str, ApiKey] = {}
    for whose in ("admin", "narrow", "instructor", "partner"):
        person = tenant.people["admin" if whose == "narrow" else whose]
        made[whose], tenant.secrets[whose] = make_api_key(
            tenant.studio,
            name=word(tenant.name, "key"),
            actions=NARROW if whose == "narrow" else EVERYTHING,
            expires_at=soon,
            actor=person.actor,
        )
    # Made while these people were admins; what they are now is what counts.
    for whose in ("viewer", "guardian", "ended", "inactive", "revoked key", "expired key"):
        lend_key(tenant, whose, tenant.people.get(whose, tenant.people["admin"]))
    with studio_scope(tenant.studio.id):
        now = timezone.now()
        # Ahead of the clock: noting that a key was used is a write in each of thousands of requests.
        ApiKey.objects.update(last_used_at=now + timedelta(hours=1))
        ended = {"revoked_at": now}, {"expires_at": now - timedelta(hours=1)}
        for whose, change in zip(("revoked key", "expired key"), ended, strict=True):
            ApiKey.objects.filter(secret_sha256=sha256(tenant.secrets[whose].encode()).digest()).update(
                **change
            )
    return made["narrow"]


def lend_key(tenant: Tenant, whose: str, person: User) -> None:
    secret = tenant.secrets[whose] = PREFIX + secrets.token_urlsafe(32)
    with studio_scope(tenant.studio.id):
        ApiKey.objects.create(
            studio=tenant.studio,
            user=person,
            name=word(tenant.name, "key"),
            shown=secret[:10],
            secret_sha256=sha256(secret.encode()).digest(),
            actions=sorted(EVERYTHING),
            expires_at=timezone.now() + timedelta(days=7),
            last_used_at=timezone.now() + timedelta(hours=1),
        )


def _rights(tenant: Tenant) -> None:
    admin = tenant.people["admin"].actor
    with studio_scope(tenant.studio.id):
        granted = ClassSession.objects.get(pk=tenant.ids["granted_class"])
        denied = ClassSession.objects.get(pk=tenant.ids["class"])
        right = access_services.grant_permission(tenant.people["granted"], REPLAY, granted, actor=admin)
        access_services.deny_permission(tenant.people["denied"], VIEW_CLASS, denied, actor=admin)
        tenant.ids["grant"] = right.id


def _clips(tenant: Tenant) -> None:
    """A clip of the whole class on its one camera, and one person who played it."""
    now, admin = timezone.now(), tenant.people["admin"].actor
    with studio_scope(tenant.studio.id):
        rows = ClassSession.objects.filter(pk=tenant.ids["class"])
        # Only who is known to have been there may be in a clip; the roster is open again afterwards.
        rows.update(roster_confirmed_at=now)
        row = rows.get()
        length_s = class_timeline(row).duration_us / 1_000_000
        clip = make_clip(row, ClipFacts(0, length_s, title=word(tenant.name, "clip")), actor=admin)
        rows.update(roster_confirmed_at=None)
        dancer = Dancer.objects.get(pk=tenant.ids["dancer"])
        ClipDancer.objects.create(studio=tenant.studio, clip=clip, dancer=dancer)
        ClipReplay.objects.create(
            studio=tenant.studio,
            clip=clip,
            viewer_id=tenant.people["viewer"].id,
            entry_id=new_id(),
            seen_at=now - timedelta(days=1),
        )
        tenant.ids["clip"] = clip.id


def _links(tenant: Tenant) -> None:
    """A share link that was opened; its roster is not confirmed, so that it plays nothing."""
    now = timezone.now()
    with studio_scope(tenant.studio.id):
        link = ShareLink.objects.create(
            studio=tenant.studio,
            class_session_id=tenant.ids["class"],
            public_id=secrets.token_hex(6),
            created_by=tenant.people["admin"].id,
            title=word(tenant.name, "link"),
            secret_sha256=secrets.token_bytes(32),
            track_ids=[tenant.ids["class.track"]],
            expires_at=now + timedelta(days=7),
        )
        ShareView.objects.create(
            studio=tenant.studio,
            link=link,
            token_sha256=secrets.token_bytes(32),
            expires_at=now,
            seen_at=now,
            entry_id=new_id(),
        )
        PinFailures.objects.create(studio=tenant.studio, link=link, tried_at=now)
        EgressPolicy.objects.create(studio=tenant.studio)
        EgressUse.objects.create(studio=tenant.studio, day=now.date(), source_id=new_id())
        tenant.ids["link"] = link.id


def _exports(tenant: Tenant) -> None:
    """A finished export; its roster is not confirmed, so that nobody downloads it."""
    now = timezone.now()
    with studio_scope(tenant.studio.id):
        class_session = ClassSession.objects.get(pk=tenant.ids["class"])
        id_ = new_id()
        admin = tenant.people["admin"].actor
        export = Export.objects.create(
            id=id_,
            studio=tenant.studio,
            class_session_id=tenant.ids["class"],
            requested_by=tenant.people["instructor"].id,
            track_ids=[tenant.ids["class.track"]],
            state=ExportState.READY,
            wrapped_key=vault.new_class_key(
                id_, actor=admin, permission=EXPORT, subject=class_session, kind=vault.EXPORT
            ),
            expires_at=now + timedelta(days=7),
            size_bytes=100,
        )
        ExportPart.objects.create(
            studio=tenant.studio, export=export, number=0, object_key=f"{export.id}.part", plain_bytes=100
        )
        tenant.ids["export"] = export.id


def _upload(caller: Caller, made: list[Cut]) -> None:
    answers = ingest.announce_segments([item.manifest for item in made], caller)
    client = Client()
    for target, item in zip(answers, made, strict=True):
        assert isinstance(target, PutTarget), target
        client.put(target.url, item.content, content_type="application/octet-stream")
    items = [
        CommitItem(
            segment_id=item.manifest.segment_id,
            size_bytes=item.manifest.size_bytes,
            sha256=item.manifest.sha256,
        )
        for item in made
    ]
    ingest.commit_segments(items, caller)


def _trouble(tenant: Tenant, caller: Caller, row: ClassSession, third: Cut) -> None:
    """Leaves a row in every table that a day without mishap leaves empty."""
    ingest.announce_segments([third.manifest], caller)
    ingest.announce_segments([replace(third.manifest, sha256="ab" * 32)], caller)
    gap = GapRecord(
        gap_id=GapId(new_id()),
        class_session_id=ClassSessionId(row.id),
        camera_id=CameraId(tenant.ids["camera"]),
        from_at=START_AT,
        to_at=START_AT,
        reason=GapReason.AGENT_LATE,
    )
    ingest.commit_gaps([gap], caller)
    nothing = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)
    fleet_reports.apply_message(Hello(protocol=1, agent_version="1", reported=nothing), caller)


def furnish(tenant: Tenant, folder: Path) -> None:
    """Fills a studio that has its people."""
    _fleet(tenant)
    _classes(tenant, folder)
    _dancers(tenant)
    _rights(tenant)
    _links(tenant)
    _clips(tenant)
    _exports(tenant)
    _settings(tenant)
    _retention(tenant)
