"""Reminders of time limits, by mail to the admins."""

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from control_plane.common import mail
from control_plane.data_requests.deadlines import REMIND_BEFORE
from control_plane.data_requests.models import DataRequest, RequestState
from control_plane.tenancy.models import Studio
from control_plane.tenancy.selectors import admin_addresses

MAX_LISTED = 50


def remind() -> int:
    """Mails the admins of the studio in scope about open requests that are due within a week or overdue; returns how many.

    Once a day: called by the nightly task.
    """
    today = timezone.localdate()
    due = list(
        DataRequest.objects.filter(state=RequestState.OPEN, due_on__lte=today + REMIND_BEFORE).order_by(
            "due_on"
        )[:MAX_LISTED]
    )
    if due:
        studio = Studio.objects.get()
        mail.send_on_commit(
            "data_requests/mail/due",
            {
                "requests": due,
                "today": today,
                "studio": studio.name,
                "page": f"{settings.PUBLIC_URL}{reverse('portal:data_requests', args=[studio.slug])}",
            },
            to=admin_addresses(),
            time_zone=studio.time_zone,
        )
    return len(due)
