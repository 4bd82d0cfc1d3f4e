"""Writes of studios and rooms."""

from control_plane.access import access
from control_plane.accounts.models import User
from control_plane.administration.services.members import join
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Forbidden
from control_plane.common.names import clean_name
from control_plane.common.roles import Role
from control_plane.common.saving import check, save_new, save_unless_taken
from control_plane.common.scoping import studio_scope
from control_plane.keys import keyring
from control_plane.keys.services.generations import record_key
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.audit_events import ROOM_CHANGED, ROOM_CREATED, STUDIO_CHANGED, STUDIO_CREATED
from control_plane.tenancy.models import Room, Studio
from control_plane.tenancy.permissions import MANAGE_ROOMS, MANAGE_STUDIO

STUDIO_FIELDS = frozenset({"name", "time_zone", "accent"})


def create_studio(
    *, slug: str, name: str, actor: Actor, admin: User | None = None, time_zone: str = "UTC", accent: str = ""
) -> Studio:
    """Creates a studio with its keys, and its first admin if given. For the platform only.

    Raises:
        Forbidden: `actor` is not the system.
        BadRequest: a value breaks a rule.
        Conflict: the slug is taken.
    """
    if actor.kind is not ActorKind.SYSTEM:
        raise Forbidden("Only the platform creates studios.")
    studio = Studio(slug=slug, name=name, time_zone=time_zone)
    if accent:
        studio.accent = accent
    with studio_scope(studio.id):
        save_new(studio, f"There is already a studio at {slug!r}.")
        key = keyring.new_generation(studio)
        key.save()
        record_for(STUDIO_CREATED, studio, actor=actor)
        record_key(key, actor)
        if admin is not None:
            join(studio, admin, Role.ADMIN, actor)
    return studio


def change_studio(studio: Studio, *, actor: Actor, **values: str) -> Studio:
    """Changes the name, time zone or accent of a studio.

    Raises:
        BadRequest: an unknown field, or a value that breaks a rule.
        NotFound, Forbidden: `actor` may not manage the studio.
    """
    unknown = set(values) - STUDIO_FIELDS
    if unknown:
        raise BadRequest(f"{', '.join(sorted(unknown))} cannot be changed")
    with studio_scope(studio.id):
        access.require(actor, MANAGE_STUDIO, studio)
        for name, value in values.items():
            setattr(studio, name, value)
        check(studio)
        studio.save(update_fields=sorted(values))
        record_for(STUDIO_CHANGED, studio, actor=actor, details={"fields": sorted(values)})
    return studio


def create_room(studio: Studio, *, name: str, actor: Actor) -> Room:
    """Creates a room.

    Raises:
        BadRequest: the name is empty or too long.
        Conflict: the studio has a room with this name.
        NotFound, Forbidden: `actor` may not manage rooms.
        TooManyRequests: too many were created within an hour.
    """
    room = Room(studio=studio, name=clean_name(name))
    with studio_scope(studio.id):
        access.require(actor, MANAGE_ROOMS, studio)
        require_rate(ROOM_CREATED, actor=actor)
        save_new(room, f"There is already a room called {name!r}.")
        record_for(ROOM_CREATED, room, actor=actor)
    return room


def rename_room(room: Room, *, name: str, actor: Actor) -> Room:
    """Renames a room.

    Raises:
        BadRequest: the name is empty or too long.
        Conflict: the studio has a room with this name.
        NotFound, Forbidden: `actor` may not manage rooms.
    """
    with studio_scope(room.studio_id):
        access.require(actor, MANAGE_ROOMS, room)
        room.name = clean_name(name)
        check(room)
        save_unless_taken(
            lambda: room.save(update_fields=["name"]), f"There is already a room called {name!r}."
        )
        record_for(ROOM_CHANGED, room, actor=actor, details={"fields": ["name"]})
    return room
