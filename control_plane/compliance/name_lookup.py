"""Names for the ids in audit events, looked up when they are read. What has been erased stays a pseudonym."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Model

from control_plane.access import access
from control_plane.access.models import ApiKey
from control_plane.accounts.models import User
from control_plane.audit.models import Entry
from control_plane.common.actors import Actor, ActorKind
from control_plane.tenancy.models import Membership

_OBJECT_NOUNS: dict[str, str] = {
    "tenancy.Room": "room",
    "people.Dancer": "dancer",
    "tenancy.Studio": "studio",
    "recordings.ClassSession": "class",
    "fleet.Agent": "agent",
    "fleet.Camera": "camera",
    "access.ApiKey": "key",
}
"""Objects that sentences name, with the noun for one whose name is gone."""
_KEY, _BY_KEY = "access.ApiKey", "api_key:"


class NameLookup:
    """Names of the people and objects in some audit events, as far as the reader may know them.

    People are named if the studio's log mentions them; API keys (`keys`) if they acted; other objects if the reader may
    see their rows.
    """

    def __init__(
        self,
        reader: Actor,
        people: Iterable[UUID | None],
        things: Iterable[tuple[str, str]],
        *,
        keys: Iterable[UUID] = (),
    ) -> None:
        self._people = {user.pk: user.get_full_name() for user in _users(people)}
        self._things = _named_things(reader, things) | _named_keys(keys)

    def person(self, id_: UUID | None) -> str:
        """Returns the name of a person, or a pseudonym if it is gone."""
        if id_ is None:
            return "somebody"
        return self._people.get(id_) or f"person {str(id_)[-8:]}"

    def actor(self, kind: str, id_: UUID | None, job: str) -> str:
        """Returns the name of the actor; for an API key, the person's and the key's."""
        if kind == ActorKind.USER:
            by = f" by the {self.thing(_KEY, job.removeprefix(_BY_KEY))}" if job.startswith(_BY_KEY) else ""
            return self.person(id_) + by
        if kind == ActorKind.AGENT:
            return self.thing("fleet.Agent", str(id_))
        return f"the system ({job})" if job else "the system"

    def thing(self, label: str, id_: str) -> str:
        """Returns an object's name, or its noun with the end of its id."""
        known = self._things.get((label, id_))
        if known:
            return known
        if label == "accounts.User" and (user_id := _uuid(id_)):
            return self.person(user_id)
        what = _OBJECT_NOUNS.get(label) or _readable(label)
        return f"{what} {id_[-8:]}" if id_ else what


def keys_in(entry: Entry) -> list[UUID]:
    """Returns the API keys in an event: the one that was created or revoked, and the one that acted."""
    found = [entry.actor_job.removeprefix(_BY_KEY)] if entry.actor_job.startswith(_BY_KEY) else []
    found += [entry.object_id] if entry.object_type == _KEY else []
    return [key for key in map(_uuid, found) if key]


def _named_keys(keys: Iterable[UUID]) -> dict[tuple[str, str], str]:
    if not (wanted := set(keys)):
        return {}
    found = ApiKey.objects.filter(pk__in=wanted).values_list("pk", "name")
    return {(_KEY, str(id_)): f"key “{name}”" for id_, name in found}


def _users(people: Iterable[UUID | None]) -> Iterable[User]:
    return User.objects.filter(pk__in={id_ for id_ in people if id_}).only("id", "display_name", "email")


def _named_things(reader: Actor, things: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    by_label: dict[str, set[UUID]] = defaultdict(set)
    for label, id_ in things:
        parsed = _uuid(id_)
        if parsed and label != _KEY and (label in _OBJECT_NOUNS or label == "tenancy.Membership"):
            by_label[label].add(parsed)
    found: dict[tuple[str, str], str] = {}
    for label, ids in by_label.items():
        model: type[Model] = apps.get_model(label)
        rows: Any = access.visible(reader, model).filter(pk__in=ids)
        if model is Membership:
            rows = rows.select_related("user")
        for row in rows:
            named = row.user.get_full_name() if isinstance(row, Membership) else str(row)
            found[label, str(row.pk)] = named
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _readable(label: str) -> str:
    name = label.rpartition(".")[2]
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.strip() or "something"
