"""Which classes the consents of their dancers close: two fact sources of `access`, each one condition on classes.

Both spare the roles that teach: instructors record the class anyway, and may review it. Everybody else who may watch
counts as an audience.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from control_plane.access.model_access import CLASS, ROOM
from control_plane.access.sources import FactEffect, FactSource
from control_plane.common.roles import Role
from control_plane.people.consent_models import ConsentPurpose
from control_plane.people.consent_selectors import AGAINST, with_consent
from control_plane.recordings.models import RUNNING, Appearance, ClassSession
from control_plane.recordings.permissions import ANNOTATE, EXPORT, REPLAY, SHARE, VIEW_LIVE
from control_plane.recordings.presence import enrolled_in
from control_plane.tenancy.models import Room

TEACHING = frozenset({Role.ADMIN, Role.INSTRUCTOR})


class ReplayRefused:
    """A dancer in the class has refused, or withdrawn, that others watch its recording."""

    def holders(self, on: Mapping[str, UUID], user_ids: Collection[UUID], now: datetime) -> set[UUID]:
        """Returns all of `user_ids`, or nobody: the fact is about the class."""
        if CLASS not in on:
            return set()
        closed = ClassSession.objects.filter(_against("pk", now), pk=on[CLASS])
        return set(user_ids) if closed.exists() else set()

    def condition(self, user_id: UUID, paths: Mapping[str, str], now: datetime) -> Q:
        """Returns the same for rows that belong to a class."""
        return _against(paths[CLASS], now) if CLASS in paths else Q(pk__in=[])


class LiveNotAllowed:
    """Not every dancer in the class has allowed that others watch live, or nobody knows who is in it."""

    def holders(self, on: Mapping[str, UUID], user_ids: Collection[UUID], now: datetime) -> set[UUID]:
        """Returns all of `user_ids`, or nobody. A room is as open as the class that runs in it."""
        if CLASS in on:
            opened = ClassSession.objects.filter(_all_allow("pk", now), pk=on[CLASS])
        elif ROOM in on:
            opened = Room.objects.filter(Exists(_open_in("pk", now)), pk=on[ROOM])
        else:
            return set()
        return set() if opened.exists() else set(user_ids)

    def condition(self, user_id: UUID, paths: Mapping[str, str], now: datetime) -> Q:
        """Returns the same for rows that belong to a class or a room."""
        if CLASS in paths:
            return ~_all_allow(paths[CLASS], now)
        if ROOM in paths:
            return ~Q(Exists(_open_in(paths[ROOM], now)))
        return Q(pk__in=[])


@dataclass(frozen=True, slots=True)
class _Present:
    """The rows that put dancers into a class, each with the dancer's consent to `purpose`."""

    class_path: str
    purpose: ConsentPurpose
    now: datetime

    def any(self, which: Q) -> Q:
        """Returns the condition that one of them is as `which` says."""
        class_id = OuterRef(self.class_path)
        found = Q(pk__in=[])
        for rows in (Appearance.objects.filter(class_session_id=class_id), enrolled_in(class_id)):
            found |= Q(Exists(with_consent(rows, self.purpose, self.now, dancer="dancer_id").filter(which)))
        return found


def _against(class_path: str, now: datetime) -> Q:
    return _Present(class_path, ConsentPurpose.REPLAY, now).any(Q(consent_answer__in=AGAINST))


def _all_allow(class_path: str, now: datetime) -> Q:
    present = _Present(class_path, ConsentPurpose.LIVE, now)
    return present.any(Q()) & ~present.any(Q(consent_holds=False) | Q(consent_holds__isnull=True))


def _open_in(room_path: str, now: datetime) -> QuerySet[ClassSession]:
    running = ClassSession.objects.filter(room_id=OuterRef(room_path), state__in=RUNNING)
    return running.filter(_all_allow("pk", now))


REPLAY_REFUSED = FactSource(
    code="consent_replay",
    effect=FactEffect.VETO,
    facts=ReplayRefused(),
    text=_("A dancer in this class has not allowed that others watch it."),
    actions=frozenset({REPLAY, ANNOTATE, SHARE, EXPORT}),
    spared=TEACHING,
)
LIVE_NOT_ALLOWED = FactSource(
    code="consent_live",
    effect=FactEffect.VETO,
    facts=LiveNotAllowed(),
    text=_("Not every dancer in this class has allowed that others watch it live."),
    actions=frozenset({VIEW_LIVE}),
    spared=TEACHING,
)
