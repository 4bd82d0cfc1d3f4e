"""Nightly sweeps of sign-in: memberships that no provider confirms, and domains that are no longer proven."""

from celery import shared_task

from control_plane.identity.services.domains import look_again
from control_plane.identity.services.sso import end_unconfirmed
from control_plane.tenancy.sweeping import each_studio


@shared_task
def end_unconfirmed_memberships() -> None:
    """Ends memberships whose provider is silent, in every studio; started by beat at night."""
    each_studio("sweep of unconfirmed memberships", end_unconfirmed)


@shared_task
def recheck_domains() -> None:
    """Checks again that studios still prove their domains; run by beat at night."""
    each_studio("recheck of domains", look_again)
