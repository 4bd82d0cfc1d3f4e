"""The cast, in a studio of their own: Alice owns it, Ivan teaches, Vera may view, Gita is a guardian, Sam is a stranger.

Everything runs on a real PostgreSQL as the application's role. A test that commits (threads, several connections)
takes `committed`, and pays for a new database afterwards.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client

from control_plane.access import services as access_services
from control_plane.accounts.models import User
from control_plane.accounts.services import create_user
from control_plane.administration import services
from control_plane.common.actors import Actor
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.keys.roots.file import create_root_key
from control_plane.people import services as people_services
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Relation
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS
from control_plane.tenancy.models import Membership, Room, Studio
from control_plane.tenancy.permissions import VIEW_STUDIO
from shared.protocol.ids import new_id
from tests.rigs.lax_s3 import LaxServer, lax_s3
from tests.rigs.radosgw import S3Server, missing_programs
from tests.rigs.radosgw import radosgw as running_radosgw

SETUP = Actor.system("tests")
FAMILY = {VIEW_STUDIO, VIEW_CLASS, REPLAY}
"""Permissions of guardians in a studio of the fixture `family`."""


@dataclass(frozen=True)
class Cast:
    """One studio, its people and one of its agents."""

    studio: Studio
    alice: User
    ivan: User
    vera: User
    gita: User
    pat: User
    sam: User
    agent: Actor

    def membership(self, user: User) -> Membership:
        """Returns somebody's membership as it stands now."""
        with studio_scope(self.studio.id):
            row: Membership = Membership.objects.get(user=user)
            return row

    def role_of(self, user: User) -> str | None:
        """Returns the role that somebody has now; None: they are no member."""
        with studio_scope(self.studio.id):
            role: str | None = Membership.objects.filter(user=user).values_list("role", flat=True).first()
            return role


def make_cast() -> Cast:
    """Returns a new studio with its people, in the open transaction or committed."""
    tag = secrets.token_hex(4)
    people = {
        name: create_user(f"{name}-{tag}@example.org", actor=SETUP, display_name=name.title())
        for name in ("alice", "ivan", "vera", "gita", "pat", "sam")
    }
    studio = services.create_studio(
        slug=f"demo-{tag}", name=f"Demo Dance {tag}", actor=SETUP, admin=people["alice"]
    )
    for name, role in (
        ("ivan", Role.INSTRUCTOR),
        ("vera", Role.VIEWER),
        ("gita", Role.GUARDIAN),
        ("pat", Role.PARTNER),
    ):
        services.add_member(studio, people[name], role, actor=SETUP)
    return Cast(studio=studio, agent=Actor.agent(new_id(), studio_id=studio.id), **people)


def as_person(user: User) -> Client:
    """Returns a browser in which somebody is signed in."""
    client = Client()
    client.force_login(user, backend=configured.AUTHENTICATION_BACKENDS[0])
    return client


@pytest.fixture(autouse=True)
def _own_keys(tmp_path_factory: pytest.TempPathFactory, settings: object) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "keys" / "root.key"
    create_root_key(path)
    settings.ROOT_KEY_FILE = path  # type: ignore[attr-defined]


@pytest.fixture
def cast(db: None) -> Cast:
    """A studio with its people, gone after the test."""
    return make_cast()


@pytest.fixture
def other(db: None) -> Cast:
    """Another studio with other people, gone after the test."""
    return make_cast()


@pytest.fixture
def committed(transactional_db: None) -> Cast:
    """A studio with its people, committed: for tests with threads and connections of their own."""
    return make_cast()


@pytest.fixture
def stores(settings: Any, tmp_path: Path) -> None:
    """The platform's store is a folder of the test; a studio's own may be on this machine; a move has a day of grace."""
    settings.OBJECT_STORE_URL = f"file://{tmp_path / 'ours'}"
    settings.STORE_NETWORKS = (ip_network("127.0.0.0/8"),)
    settings.STORE_GRACE = timedelta(days=1)


@pytest.fixture
def lax() -> Iterator[LaxServer]:
    """An S3 server whose ways a test can change."""
    with lax_s3() as server:
        yield server


@pytest.fixture(scope="session")
def radosgw() -> Iterator[S3Server]:
    """A real radosgw, or a skip that says what this machine lacks."""
    if missing := missing_programs():
        pytest.skip(
            f"no S3 server here: {', '.join(missing)} missing (Debian: radosgw ceph-mon ceph-osd ceph-mgr)"
        )
    with running_radosgw() as server:
        yield server


@pytest.fixture
def room(cast: Cast) -> Room:
    """A room of the studio."""
    return services.create_room(cast.studio, name="Big room", actor=cast.alice.actor)


@pytest.fixture
def family(cast: Cast) -> Dancer:
    """A dancer of Gita's, in a studio that lets guardians replay."""
    access_services.set_role_actions(cast.studio, Role.GUARDIAN, FAMILY, actor=cast.alice.actor)
    dancer = people_services.add_dancer(cast.studio, NewDancer("Dana", 2015), actor=cast.alice.actor)
    people_services.start_guardianship(dancer, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    return dancer
