"""Mail to members about their membership, and to admins about the studio. Without a mail server nothing is sent."""

from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone

from control_plane.accounts import mail
from control_plane.audit.events import AuditEvent
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.roles import Role
from control_plane.plans.rate_limits import may_mail
from control_plane.tenancy.audit_events import MEMBER_CHANGED, MEMBER_REMOVED, MEMBER_SESSIONS_ENDED
from control_plane.tenancy.models import Membership, Studio
from control_plane.tenancy.selectors import members

TEMPLATE = "administration/mail/membership.txt"
SUBJECTS = {
    MEMBER_CHANGED: "Your role in {studio} was changed",
    MEMBER_SESSIONS_ENDED: "Your sessions in {studio} were ended",
    MEMBER_REMOVED: "You no longer belong to {studio}",
}


def tell_member(membership: Membership, act: AuditEvent, *, actor: Actor) -> None:
    """Mails a member about an admin's change, after this transaction commits. Call it after the audit event.

    Not for the person's own changes, nor for those of provider groups and jobs. A mail server that is down undoes
    nothing. Repeated changes send only a few mails (`rate_limits.may_mail`).
    """
    if not mail.has_server() or actor.kind is not ActorKind.USER or actor.id == membership.user_id:
        return
    if not may_mail(str(membership.id), tuple(SUBJECTS)):
        return
    studio = membership.studio
    context: dict[str, object] = {
        "act": act,
        "studio": studio.name,
        "role": membership.get_role_display(),
        "page": f"{settings.PUBLIC_URL}/studio/{studio.slug}/classes/",
    }
    subject = SUBJECTS[act].format(studio=studio.name)
    address = membership.user.email

    # A function, not a partial: when it fails, Django logs its `__qualname__`.
    def send() -> None:
        mail.send(address, subject, TEMPLATE, context)

    transaction.on_commit(send, robust=True)


def tell_admins(studio: Studio, subject: str, lines: Sequence[str]) -> None:
    """Mails each admin of the studio in scope, after this transaction commits.

    A mail server that is down undoes nothing.
    """
    subject = " ".join(subject.split())  # a line break would start another header
    for address in members(timezone.now()).filter(role=Role.ADMIN).values_list("user__email", flat=True):
        message = EmailMessage(subject, "\n".join(lines), to=[address])
        transaction.on_commit(message.send, robust=True)
