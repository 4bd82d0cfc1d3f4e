"""Writes of the egress policy."""

import ipaddress
from typing import Any

from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest
from control_plane.common.saving import check
from control_plane.common.scoping import studio_scope
from control_plane.sharing.audit_events import EGRESS_POLICY_CHANGED
from control_plane.sharing.egress import egress_policy
from control_plane.sharing.models import EgressPolicy
from control_plane.tenancy.models import Studio
from control_plane.tenancy.permissions import MANAGE_STUDIO

POLICY_FIELDS = (
    "share_enabled",
    "export_enabled",
    "export_approval",
    "longest_link_days",
    "pin_rule",
    "networks",
    "gb_per_day",
)
MOST_NETWORKS = 50


def change_egress_policy(studio: Studio, *, actor: Actor, **values: Any) -> EgressPolicy:
    """Changes a studio's rules for footage that leaves it; they hold from the next request on, for old links too.

    Raises:
        BadRequest: an unknown field, or a value that breaks a rule.
        NotFound, Forbidden: `actor` may not manage the studio.
    """
    if unknown := set(values) - set(POLICY_FIELDS):
        raise BadRequest(f"{', '.join(sorted(unknown))} cannot be changed")
    if "networks" in values:
        values["networks"] = _networks(values["networks"])
    with studio_scope(studio.id):
        access.require(actor, MANAGE_STUDIO, studio)
        policy = egress_policy()
        for name, value in values.items():
            setattr(policy, name, value)
        check(policy)
        policy.save()
        facts = {name: getattr(policy, name) for name in POLICY_FIELDS if name != "networks"}
        # The log holds no addresses.
        record_for(
            EGRESS_POLICY_CHANGED, policy, actor=actor, details={**facts, "networks": len(policy.networks)}
        )
    return policy


def read_network(text: str) -> str:
    """Returns a network in CIDR notation as it is stored.

    Raises:
        BadRequest: it is none; says how to write it, and which network an address with host bits belongs to.
    """
    wanted = text.strip()
    try:
        return str(ipaddress.ip_network(wanted))
    except ValueError as error:
        try:
            meant = ipaddress.ip_network(wanted, strict=False)
        except ValueError:
            detail = _("“%(text)s” is no network. Write it like 203.0.113.0/24 or 2001:db8::/48.")
            raise BadRequest(detail % {"text": wanted[:60]}) from error
        detail = _("“%(text)s” is an address within a network. Did you mean %(meant)s?")
        raise BadRequest(detail % {"text": wanted[:60], "meant": meant}) from error


def _networks(given: list[str]) -> list[str]:
    if len(given) > MOST_NETWORKS:
        raise BadRequest(f"At most {MOST_NETWORKS} networks can be listed.")
    return [read_network(text) for text in given]
