"""Notices: the versioned texts by which a studio asks for consent, and the template that it begins with."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import Max
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.common.saving import check
from control_plane.common.scoping import studio_scope
from control_plane.people.audit_events import NOTICE_PUBLISHED, NOTICE_SAVED
from control_plane.people.consent_models import ConsentNotice, ConsentPurpose
from control_plane.people.permissions import MANAGE_CONSENTS
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.locking import lock_studio
from control_plane.tenancy.models import Studio

LONGEST_TEXT = 20_000
MOST_DRAFTS = 50


@dataclass(frozen=True, slots=True)
class NoticeContent:
    """Title, text and purposes of a notice."""

    title: str
    text: str
    purposes: Collection[ConsentPurpose] = tuple(ConsentPurpose)
    language: str = settings.LANGUAGE_CODE


def template(studio: Studio, language: str = settings.LANGUAGE_CODE) -> NoticeContent:
    """Returns the built-in template, in a language or else in that of the installation."""
    with translation.override(language):
        title = _("Filming of classes at %(studio)s") % {"studio": studio.name}
        text = render_to_string("people/consent_notice.txt", {"studio": studio.name})
        return NoticeContent(title, text.strip(), language=language)


def save_draft(
    studio: Studio, content: NoticeContent, *, actor: Actor, notice_id: UUID | None = None
) -> ConsentNotice:
    """Saves a draft, a new one if `notice_id` is None.

    Raises:
        BadRequest: no title, text or purpose, or one that is too long.
        Conflict: it is published, or there are too many drafts.
        NotFound, Forbidden: no such draft, or `actor` may not manage consents.
        TooManyRequests: too many were saved within an hour.
    """
    with studio_scope(studio.id):
        access.require(actor, MANAGE_CONSENTS, studio)
        require_rate(NOTICE_SAVED, actor=actor)
        row = _new_draft(studio) if notice_id is None else _locked(notice_id)
        row.title, row.text, row.language = content.title.strip(), content.text.strip(), content.language
        row.purposes = sorted(set(content.purposes))
        if not row.purposes:
            raise BadRequest("purposes: choose at least one purpose.")
        check(row)
        row.save()
        record_for(NOTICE_SAVED, row, actor=actor, details={"purposes": row.purposes})
        return row


def publish(notice: ConsentNotice, *, actor: Actor) -> ConsentNotice:
    """Publishes a draft under the studio's next version number. Its text never changes from then on.

    Raises:
        Conflict: it is published already.
        NotFound, Forbidden: no such draft, or `actor` may not manage consents.
    """
    with studio_scope(notice.studio_id):
        access.require(actor, MANAGE_CONSENTS, notice)
        lock_studio(notice.studio_id)
        row = _locked(notice.pk)
        newest = ConsentNotice.objects.aggregate(newest=Max("version"))["newest"] or 0
        row.version, row.published_at, row.published_by = newest + 1, timezone.now(), actor.id
        row.save(update_fields=["version", "published_at", "published_by"])
        record_for(NOTICE_PUBLISHED, row, actor=actor, details={"version": row.version})
        return row


def _new_draft(studio: Studio) -> ConsentNotice:
    if ConsentNotice.objects.filter(published_at=None).count() >= MOST_DRAFTS:
        raise Conflict(f"There are {MOST_DRAFTS} drafts. Publish or change one of them.")
    return ConsentNotice(studio=studio)


def _locked(notice_id: UUID) -> ConsentNotice:
    row: ConsentNotice | None = ConsentNotice.objects.select_for_update().filter(pk=notice_id).first()
    if row is None:
        raise NotFound
    if row.published_at is not None:
        raise Conflict("This notice is published and cannot change. Write a new one.")
    return row
