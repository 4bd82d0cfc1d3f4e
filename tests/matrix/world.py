"""Two studios, alike in everything but their canaries: words, ids and bytes that must never be met in the other.

Built by the services that the product itself uses, once in each process, and committed: sockets and tasks have
connections of their own.
"""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone
from msgspec.structs import replace

from control_plane.accounts.models import User
from control_plane.accounts.services import create_user
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.compliance.models import Alert
from control_plane.fleet import pairing
from control_plane.fleet import reports as fleet_reports
from control_plane.fleet import services as fleet
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent, PairingCode
from control_plane.ingest import services as ingest
from control_plane.recordings import services as recordings
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.replays import continue_replay
from control_plane.recordings.rosters import save_roster
from control_plane.recordings.shredding import shred_class
from control_plane.studios import services, vault
from control_plane.studios.actions import Action
from control_plane.studios.dancer_list import NewDancer
from control_plane.studios.models import (
    ApiKey,
    Dancer,
    IdentityProvider,
    Membership,
    ProviderKind,
    Relation,
    Role,
    Room,
    Studio,
)
from control_plane.studios.roles import DEFAULTS
from control_plane.studios.services import signin
from control_plane.studios.services.api_keys import PREFIX, make_api_key
from control_plane.studios.services.invitations import invite
from shared.protocol.ids import CameraId, ClassSessionId, GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.messages import Heartbeat, Hello
from shared.protocol.status import ConfigStatus, RecordingState, Reported
from shared.protocol.upload import CommitItem, PutTarget
from tests.control_plane.box import Box
from tests.control_plane.footage import START_AT, Cut, cuts, film
from tests.control_plane.scenes import POSITIONS, status_of
from tests.matrix.passkey import registration

SETUP = Actor.system("the matrix")
PREFIXES = {"own": "kanarya", "other": "zeisigb"}
"""What every canary word of a studio begins with: looking for one prefix finds them all."""
GUARDIANS_MAY = frozenset({Action.VIEW_STUDIO, Action.VIEW_CLASS, Action.REPLAY})
INSTRUCTORS_MAY = DEFAULTS[Role.INSTRUCTOR] | {Action.USE_API}
ROLES_MAY = {Role.GUARDIAN: GUARDIANS_MAY, Role.INSTRUCTOR: INSTRUCTORS_MAY}
"""Guardians see their own dancers' classes here, and instructors make keys: as the roles come, they do not."""
EVERYTHING = DEFAULTS[Role.ADMIN]
NARROW = frozenset({Action.VIEW_STUDIO, Action.VIEW_CLASS, Action.USE_API})
VISIT = frozenset({Action.VIEW_STUDIO, Action.VIEW_CLASS, Action.REPLAY, Action.VIEW_AGENTS})
"""What the operator inside is let in for."""
EXTRA = {
    "granted": Role.PARTNER,
    "denied": Role.VIEWER,
    "childless": Role.GUARDIAN,
    "factorless": Role.ADMIN,
    "ended": Role.INSTRUCTOR,
    "expired": Role.INSTRUCTOR,
    "inactive": Role.ADMIN,
}
"""Members with a story of their own -> their role."""
ROLES = (Role.INSTRUCTOR, Role.VIEWER, Role.GUARDIAN, Role.PARTNER)


@dataclass
class House:
    """One studio with everything in it."""

    name: str
    studio: Studio
    people: dict[str, User]
    ids: dict[str, UUID] = field(default_factory=dict)
    """What addresses name: class, room, camera, track, segment, pairing, ..."""
    box: Box = field(default_factory=Box)
    revoked: Box = field(default_factory=Box)
    code: str = ""
    cuts: list[Cut] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    """Whose key of the API, or which -> its secret."""
    raw: list[bytes] = field(default_factory=list)
    """Bytes that only those who may replay get: content keys, pieces of ciphertext."""
    rows: frozenset[str] = frozenset()
    """The ids of all rows, as text."""
    one_of: dict[str, object] = field(default_factory=dict)
    """Model label -> the key of one row of it."""

    @property
    def prefix(self) -> bytes:
        """What the canary words of this studio begin with."""
        return PREFIXES[self.name].encode()

    @property
    def slug(self) -> str:
        """The studio's place in addresses."""
        return str(self.studio.slug)


@dataclass
class World:
    """Both studios and the people of neither."""

    own: House
    other: House
    people: dict[str, User]

    @property
    def houses(self) -> tuple[House, House]:
        """Both studios."""
        return self.own, self.other


def word(house: str, kind: str) -> str:
    """Returns a new canary word of a kind, such as `kanarya-title-1f3a`."""
    return f"{PREFIXES[house]}-{kind}-{secrets.token_hex(3)}"


def make_world(folder: Path) -> World:
    """Returns both studios, committed."""
    people = {name: _person("neither", name) for name in ("sam", "olga", "otto")}
    for name in ("olga", "otto"):
        people[name].is_operator = True
        people[name].save()
        Authenticator.objects.create(user=people[name], type=Authenticator.Type.TOTP, data={"secret": "x"})
    houses = {name: _house(name, folder) for name in PREFIXES}
    glass = services.open_break_glass(
        houses["own"].studio,
        people["otto"],
        VISIT,
        "the matrix looks in on this studio",
        4,
        actor=people["otto"].actor,
    )
    houses["own"].ids["break_glass"] = glass.id
    people["both"] = _person("neither", "both")
    Authenticator.objects.create(user=people["both"], type=Authenticator.Type.TOTP, data={"secret": "x"})
    services.add_member(houses["own"].studio, people["both"], Role.VIEWER, actor=SETUP)
    services.add_member(houses["other"].studio, people["both"], Role.ADMIN, actor=SETUP)
    _key(houses["other"], "both", people["both"])
    for house in houses.values():
        _find_rows(house)
    return World(houses["own"], houses["other"], people)


def _person(house: str, name: str) -> User:
    text = word(house, "person") if house in PREFIXES else secrets.token_hex(4)
    return create_user(f"{text}-{name}@example.org", actor=SETUP, display_name=f"{text} {name}")


def _house(name: str, folder: Path) -> House:
    people = {part: _person(name, part) for part in ("admin", *(role.value for role in ROLES), *EXTRA)}
    studio = services.create_studio(
        slug=word(name, "slug"), name=word(name, "studio"), actor=SETUP, admin=people["admin"]
    )
    house = House(name, studio, people)
    members = EXTRA
    for part, role in ({role.value: role for role in ROLES} | members).items():
        services.add_member(studio, people[part], role, actor=SETUP)
    with studio_scope(studio.id):
        gone = Membership.objects.get(user=people["ended"])
        services.remove_member(gone, actor=SETUP)
        house.ids["membership"] = Membership.objects.get(user=people["viewer"]).id
        Membership.objects.filter(user=people["expired"]).update(ends_at=timezone.now() - timedelta(hours=1))
    people["inactive"].is_active = False
    people["inactive"].save()
    for role, actions in ROLES_MAY.items():
        services.set_role_actions(studio, role, actions, actor=people["admin"].actor)
    for part in ("admin", "viewer"):
        row = Authenticator.objects.create(
            user=people[part],
            type=Authenticator.Type.WEBAUTHN,
            data={"name": word(name, "passkey"), "credential": registration()},
        )
        house.ids[f"passkey_{part}"] = row.pk
    _fleet(house)
    _classes(house, folder)
    _dancers(house)
    _rights(house)
    _settings(house)
    with studio_scope(studio.id):
        row = ClassSession.objects.get(pk=house.ids["shredded"])
        shred_class(row, confirmation=row.title, reason="asked for", actor=people["admin"].actor)
    if name == "other":
        signin.change_signin_policy(studio, actor=people["admin"].actor, admins_need_second_factor=True)
    return house


def _fleet(house: House) -> None:
    admin = house.people["admin"].actor
    with studio_scope(house.studio.id):
        for key in ("room", "spare_room"):
            house.ids[key] = services.create_room(house.studio, name=word(house.name, "room"), actor=admin).id
    for key, box in (("agent", house.box), ("revoked", house.revoked)):
        code = pairing.create_pairing_code(house.studio, actor=admin, agent_name=word(house.name, "agent"))
        box.answer = pairing.claim_pairing_code(box.pair_request(code.text))
        house.ids[key] = box.agent_id
    with studio_scope(house.studio.id):
        room, agent = Room.objects.get(pk=house.ids["room"]), Agent.objects.get(pk=house.ids["agent"])
        for position in POSITIONS:
            camera = fleet.add_camera(
                room,
                agent,
                name=word(house.name, "camera"),
                position=position,
                address=f"rtsp://user:{word(house.name, 'secret')}@10.0.0.1/{word(house.name, 'path')}",
                actor=admin,
            )
            house.ids["camera"] = house.ids.get("camera", camera.id)
        fleet.revoke_agent(Agent.objects.get(pk=house.ids["revoked"]), reason="stolen", actor=admin)
        code = pairing.create_pairing_code(house.studio, actor=admin, agent_name=word(house.name, "agent"))
        house.code, house.ids["pairing"] = code.text, code.row.id
        # A code is good for minutes; a run on a busy machine takes longer.
        PairingCode.objects.update(expires_at=timezone.now() + timedelta(hours=6))


def _classes(house: House, folder: Path) -> None:
    teacher, viewer = house.people["instructor"].actor, house.people["viewer"].actor
    caller = Caller(house.box.agent_id, house.studio.id, "10.0.0.7")
    for key in ("class", "granted_class", "shredded", "running"):
        with studio_scope(house.studio.id):
            room = Room.objects.get(pk=house.ids["room"])
            row = recordings.start_class(room, title=word(house.name, "title"), actor=teacher)
            house.ids[key] = row.id
            recipient = vault.recipient()
        made = list(
            cuts(
                film(folder, seconds=3),
                each=1,
                first_sequence=1 + 10 * len(house.cuts),
                class_session_id=row.id,
                camera_id=house.ids["camera"],
                recipient=recipient,
            )
        )
        house.cuts.extend(made)
        _upload(caller, made[:2])
        house.ids[f"{key}.segment"] = made[0].manifest.segment_id
        with studio_scope(house.studio.id):
            house.ids[f"{key}.track"] = row.tracks.get(camera_id=house.ids["camera"]).id
        _trouble(house, caller, row, made[2])
        fleet_reports.take(Heartbeat(status=status_of(row.id, RecordingState.RECORDING)), caller)
        if key != "running":
            with studio_scope(house.studio.id):
                row = ClassSession.objects.get(pk=row.id)
                continue_replay(row, actor=viewer)
                recordings.stop_class(row, actor=teacher)
                ClassSession.objects.filter(pk=row.id).update(state=ClassState.COMPLETE)
    house.raw = [cut.key for cut in house.cuts]
    house.raw += [cut.content[at : at + 24] for cut in house.cuts for at in (0, len(cut.content) - 24)]


def _dancers(house: House) -> None:
    admin = house.people["admin"].actor
    with studio_scope(house.studio.id):
        for key in ("dancer", "dancer_of_nobody"):
            facts = NewDancer(name=word(house.name, "dancer"), note=word(house.name, "note"))
            house.ids[key] = services.add_dancer(house.studio, facts, actor=admin).id
        dancer = Dancer.objects.get(pk=house.ids["dancer"])
        tie = services.start_guardianship(dancer, house.people["guardian"], Relation.PARENT, actor=admin)
        house.ids["guardianship"] = tie.id
        row = ClassSession.objects.get(pk=house.ids["class"])
        save_roster(row, [dancer.id], confirm=True, actor=admin)


def _settings(house: House) -> None:
    """Leaves a provider, an invitation, a key of the API and an alert."""
    admin = house.people["admin"].actor
    offer = invite(house.studio, f"{word(house.name, 'guest')}@example.org", Role.VIEWER, actor=admin)
    key = _keys(house)
    with studio_scope(house.studio.id):
        provider = IdentityProvider.objects.create(
            studio=house.studio,
            kind=ProviderKind.OIDC,
            name=word(house.name, "provider"),
            issuer=f"https://{word(house.name, 'issuer')}.example.org",
            client_id=word(house.name, "client"),
            domains=[f"{word(house.name, 'domain')}.example.org"],
            enabled=False,
        )
        alert = Alert.objects.create(
            studio=house.studio,
            rule="many_classes",
            occasion=word(house.name, "alert"),
            raised_at=timezone.now(),
        )
    house.ids |= {
        "invitation": offer.invitation.id,
        "key": key.id,
        "provider": provider.id,
        "alert": alert.id,
    }


def _keys(house: House) -> ApiKey:
    """Makes a key of the API for each kind of person; returns one of the admin's."""
    soon = timezone.now() + timedelta(days=7)
    made: dict[str, ApiKey] = {}
    for whose in ("admin", "narrow", "instructor", "partner"):
        person = house.people["admin" if whose == "narrow" else whose]
        made[whose], house.secrets[whose] = make_api_key(
            house.studio,
            name=word(house.name, "key"),
            actions=NARROW if whose == "narrow" else EVERYTHING,
            expires_at=soon,
            actor=person.actor,
        )
    # Made while these people were admins; what they are now is what counts.
    for whose in ("viewer", "guardian", "ended", "inactive", "revoked key", "expired key"):
        _key(house, whose, house.people.get(whose, house.people["admin"]))
    with studio_scope(house.studio.id):
        now = timezone.now()
        # Ahead of the clock: noting that a key was used is a write in each of thousands of requests.
        ApiKey.objects.update(last_used_at=now + timedelta(hours=1))
        ended = {"revoked_at": now}, {"expires_at": now - timedelta(hours=1)}
        for whose, change in zip(("revoked key", "expired key"), ended, strict=True):
            ApiKey.objects.filter(secret_sha256=sha256(house.secrets[whose].encode()).digest()).update(
                **change
            )
    return made["narrow"]


def _key(house: House, whose: str, person: User) -> None:
    secret = house.secrets[whose] = PREFIX + secrets.token_urlsafe(32)
    with studio_scope(house.studio.id):
        ApiKey.objects.create(
            studio=house.studio,
            user=person,
            name=word(house.name, "key"),
            shown=secret[:10],
            secret_sha256=sha256(secret.encode()).digest(),
            actions=sorted(EVERYTHING),
            expires_at=timezone.now() + timedelta(days=7),
            last_used_at=timezone.now() + timedelta(hours=1),
        )


def _rights(house: House) -> None:
    admin = house.people["admin"].actor
    with studio_scope(house.studio.id):
        granted = ClassSession.objects.get(pk=house.ids["granted_class"])
        denied = ClassSession.objects.get(pk=house.ids["class"])
        right = services.give_right(house.people["granted"], Action.REPLAY, granted, actor=admin)
        services.deny_right(house.people["denied"], Action.VIEW_CLASS, denied, actor=admin)
        house.ids["right"] = right.id


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


def _trouble(house: House, caller: Caller, row: ClassSession, third: Cut) -> None:
    """Leaves a row in every table that a day without mishap leaves empty."""
    ingest.announce_segments([third.manifest], caller)
    ingest.announce_segments([replace(third.manifest, sha256="ab" * 32)], caller)
    gap = GapRecord(
        gap_id=GapId(new_id()),
        class_session_id=ClassSessionId(row.id),
        camera_id=CameraId(house.ids["camera"]),
        from_at=START_AT,
        to_at=START_AT,
        reason=GapReason.AGENT_LATE,
    )
    ingest.settle_gaps([gap], caller)
    nothing = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)
    fleet_reports.take(Hello(protocol=1, agent_version="1", reported=nothing), caller)


def tenant_tables() -> list[str]:
    """Returns the tables that have a studio's id in a column."""
    return sorted(
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model.__module__.startswith("control_plane.")
        and any(field.column == "studio_id" for field in model._meta.local_concrete_fields)
    )


def _find_rows(house: House) -> None:
    found: list[str] = []
    with studio_scope(house.studio.id), connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if model._meta.db_table in tenant_tables():
                key = model._meta.pk.column
                cursor.execute(f'SELECT "{key}" FROM "{model._meta.db_table}"')  # noqa: S608
                keys = [row[0] for row in cursor.fetchall()]
                found.extend(str(one) for one in keys)
                house.one_of |= {model._meta.label: keys[0]} if keys else {}
    viewer = house.people["viewer"]
    house.one_of |= {
        "studios.Studio": house.studio.id,
        "accounts.User": viewer.id,
        "fleet.Agent": house.ids["agent"],
        "studios.Membership": house.ids["membership"],
        "mfa.Authenticator": house.ids["passkey_viewer"],
        "account.EmailAddress": EmailAddress.objects.get(user=viewer).pk,
    }
    house.rows = frozenset([str(house.studio.id), *(text for text in found if len(text) == 36)])
