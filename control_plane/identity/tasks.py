"""Nightly tasks of sign-in: end memberships that no provider confirms, and recheck proven domains."""

from celery import shared_task

from control_plane.identity.services.domains import recheck_proven_domains
from control_plane.identity.services.sso import end_unconfirmed
from control_plane.tenancy.sweeping import for_each_studio


@shared_task
def end_unconfirmed_memberships() -> None:
    """Ends memberships that their provider no longer confirms, in every studio. Runs nightly."""
    for_each_studio("sweep of unconfirmed memberships", end_unconfirmed)


@shared_task
def recheck_domains() -> None:
    """Looks up the proven domains of every studio again. Runs nightly."""
    for_each_studio("recheck of domains", recheck_proven_domains)
