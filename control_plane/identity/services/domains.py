"""Proof that a studio may use an e-mail domain: the domain's owner names the studio in a TXT record.

The record is public and holds no secret. Only the owner of the domain can write it. A domain that is merely claimed
leads nobody from an e-mail address to a provider.
"""

from datetime import datetime
from uuid import UUID

from django.utils import timezone

from control_plane.access import access
from control_plane.accounts.dns_records import txt_records
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound, Unavailable
from control_plane.common.scoping import studio_scope
from control_plane.identity.audit_events import PROVIDER_DOMAIN_LOST, PROVIDER_DOMAIN_PROVEN
from control_plane.identity.models import IdentityProvider
from control_plane.tenancy.permissions import MANAGE_STUDIO

LABEL = "_threedance"
JOB = Actor.system("identity.recheck_domains")
MAX_UNANSWERED = 2
"""After so many domains without an answer from DNS, the studio's other domains wait a day and hold up no one."""


def record_name(domain: str) -> str:
    """Returns the name of the TXT record of a domain."""
    return f"{LABEL}.{domain}"


def record_text(studio_id: UUID) -> str:
    """Returns the required text of the record."""
    return f"threedance-studio={studio_id}"


def prove_domain(provider: IdentityProvider, domain: str, *, actor: Actor) -> bool:
    """Looks up whether the owner of a domain names the provider's studio, stores the result, and returns it.

    Raises:
        NotFound: the provider has no such domain, or `actor` has no access to the studio.
        Forbidden: `actor` may not manage the studio.
        Unavailable: DNS does not answer; the stored result stays.
    """
    with studio_scope(provider.studio_id):
        access.require(actor, MANAGE_STUDIO, provider)
        if domain not in provider.domains:
            raise NotFound
        is_proven = _is_named(provider.studio_id, domain)
        _store_result(provider, domain, is_proven, timezone.now(), actor)
    return is_proven


def recheck_proven_domains(studio_id: UUID) -> int:
    """Looks up a studio's proven domains again and drops those whose record is gone; returns how many.

    A domain may have a new owner. If DNS does not answer, the stored result stays.
    """
    lost = unanswered = 0
    with studio_scope(studio_id):
        providers = list(IdentityProvider.objects.exclude(proven_domains={}))
    for provider in providers:
        for domain in sorted(provider.proven_domains):
            try:
                is_proven = _is_named(studio_id, domain)
            except Unavailable:
                unanswered += 1
                if unanswered >= MAX_UNANSWERED:
                    return lost
                continue
            with studio_scope(studio_id):
                _store_result(provider, domain, is_proven, timezone.now(), JOB)
            lost += not is_proven
    return lost


def _is_named(studio_id: UUID, domain: str) -> bool:
    return record_text(studio_id) in txt_records(record_name(domain))


def _store_result(
    provider: IdentityProvider, domain: str, is_proven: bool, now: datetime, actor: Actor
) -> None:
    row: IdentityProvider | None = IdentityProvider.objects.select_for_update().filter(pk=provider.pk).first()
    if row is None:
        raise NotFound
    was_proven = domain in row.proven_domains
    if is_proven:
        row.proven_domains[domain] = now.isoformat()
    else:
        row.proven_domains.pop(domain, None)
    row.save(update_fields=["proven_domains"])
    provider.proven_domains = row.proven_domains
    if is_proven != was_proven:
        record_for(
            PROVIDER_DOMAIN_PROVEN if is_proven else PROVIDER_DOMAIN_LOST,
            row,
            actor=actor,
            details={"domain": domain},
        )
