"""Two studios, alike in everything but their canaries: words, ids and bytes that must never be met in the other.

Built by the services that the product itself uses, once in each process, and committed: sockets and tasks have
connections of their own.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import connection
from django.utils import timezone

from control_plane.access import services as access_services
from control_plane.access.permissions import USE_API
from control_plane.access.roles import DEFAULTS
from control_plane.accounts.models import User
from control_plane.accounts.services import create_user
from control_plane.administration import services as administration_services
from control_plane.common.actors import Actor
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet.permissions import VIEW_AGENTS
from control_plane.identity.services import signin
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS
from control_plane.recordings.shredding import shred_class
from control_plane.tenancy.models import Membership
from control_plane.tenancy.permissions import VIEW_STUDIO
from tests.matrix.furniture import furnish, lend_key
from tests.matrix.passkey import registration
from tests.matrix.tenant import PREFIXES, Tenant, tenant_tables, word

SETUP = Actor.system("the matrix")
GUARDIANS_MAY = frozenset({VIEW_STUDIO, VIEW_CLASS, REPLAY})
INSTRUCTORS_MAY = DEFAULTS[Role.INSTRUCTOR] | {USE_API}
ROLES_MAY = {Role.GUARDIAN: GUARDIANS_MAY, Role.INSTRUCTOR: INSTRUCTORS_MAY}
"""Guardians see their own dancers' classes here, and instructors make keys: as the roles come, they do not."""
VISIT = frozenset({VIEW_STUDIO, VIEW_CLASS, REPLAY, VIEW_AGENTS})
"""Permissions of the operator's break-glass access."""
EXTRA = {
    "granted": Role.PARTNER,
    "denied": Role.VIEWER,
    "childless": Role.GUARDIAN,
    "factorless": Role.ADMIN,
    "ended": Role.INSTRUCTOR,
    "expired": Role.INSTRUCTOR,
    "inactive": Role.ADMIN,
}
"""Members with a story of their own -> their role."""
ROLES = (Role.INSTRUCTOR, Role.VIEWER, Role.GUARDIAN, Role.PARTNER)


@dataclass
class World:
    """Both studios and the people of neither."""

    own: Tenant
    other: Tenant
    people: dict[str, User]

    @property
    def tenants(self) -> tuple[Tenant, Tenant]:
        """Both studios."""
        return self.own, self.other


def make_world(folder: Path) -> World:
    """Returns both studios, committed."""
    people = {name: _person("neither", name) for name in ("sam", "olga", "otto")}
    for name in ("olga", "otto"):
        people[name].is_operator = True
        people[name].save()
        Authenticator.objects.create(user=people[name], type=Authenticator.Type.TOTP, data={"secret": "x"})
    tenants = {name: _tenant(name, folder) for name in PREFIXES}
    glass = access_services.open_break_glass(
        tenants["own"].studio,
        people["otto"],
        VISIT,
        "the matrix looks in on this studio",
        4,
        actor=people["otto"].actor,
    )
    tenants["own"].ids["break_glass"] = glass.id
    people["both"] = _person("neither", "both")
    Authenticator.objects.create(user=people["both"], type=Authenticator.Type.TOTP, data={"secret": "x"})
    administration_services.add_member(tenants["own"].studio, people["both"], Role.VIEWER, actor=SETUP)
    administration_services.add_member(tenants["other"].studio, people["both"], Role.ADMIN, actor=SETUP)
    lend_key(tenants["other"], "both", people["both"])
    for tenant in tenants.values():
        _find_rows(tenant)
        with studio_scope(tenant.studio.id):
            # Ahead of the clock: noting that a member was here is a write in the first of thousands of requests.
            Membership.objects.update(last_seen_at=timezone.now() + timedelta(days=1))
    return World(tenants["own"], tenants["other"], people)


def _person(tenant: str, name: str) -> User:
    text = word(tenant, "person") if tenant in PREFIXES else secrets.token_hex(4)
    return create_user(f"{text}-{name}@example.org", actor=SETUP, display_name=f"{text} {name}")


def _tenant(name: str, folder: Path) -> Tenant:
    people = {part: _person(name, part) for part in ("admin", *(role.value for role in ROLES), *EXTRA)}
    studio = administration_services.create_studio(
        slug=word(name, "slug"), name=word(name, "studio"), actor=SETUP, admin=people["admin"]
    )
    tenant = Tenant(name, studio, people)
    members = EXTRA
    for part, role in ({role.value: role for role in ROLES} | members).items():
        administration_services.add_member(studio, people[part], role, actor=SETUP)
    with studio_scope(studio.id):
        gone = Membership.objects.get(user=people["ended"])
        administration_services.remove_member(gone, actor=SETUP)
        tenant.ids["membership"] = Membership.objects.get(user=people["viewer"]).id
        Membership.objects.filter(user=people["expired"]).update(ends_at=timezone.now() - timedelta(hours=1))
    people["inactive"].is_active = False
    people["inactive"].save()
    for role, actions in ROLES_MAY.items():
        access_services.set_role_actions(studio, role, actions, actor=people["admin"].actor)
    for part in ("admin", "viewer"):
        row = Authenticator.objects.create(
            user=people[part],
            type=Authenticator.Type.WEBAUTHN,
            data={"name": word(name, "passkey"), "credential": registration()},
        )
        tenant.ids[f"passkey_{part}"] = row.pk
    furnish(tenant, folder)
    with studio_scope(studio.id):
        row = ClassSession.objects.get(pk=tenant.ids["shredded"])
        shred_class(row, confirmation=row.title, reason="asked for", actor=people["admin"].actor)
    if name == "other":
        signin.change_signin_policy(studio, actor=people["admin"].actor, admins_need_second_factor=True)
    return tenant


def _find_rows(tenant: Tenant) -> None:
    found: list[str] = []
    with studio_scope(tenant.studio.id), connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if model._meta.db_table in tenant_tables():
                key = model._meta.pk.column
                cursor.execute(f'SELECT "{key}" FROM "{model._meta.db_table}"')  # noqa: S608
                keys = [row[0] for row in cursor.fetchall()]
                found.extend(str(one) for one in keys)
                tenant.one_of |= {model._meta.label: keys[0]} if keys else {}
    viewer = tenant.people["viewer"]
    tenant.one_of |= {
        "tenancy.Studio": tenant.studio.id,
        "accounts.User": viewer.id,
        "fleet.Agent": tenant.ids["agent"],
        "tenancy.Membership": tenant.ids["membership"],
        "mfa.Authenticator": tenant.ids["passkey_viewer"],
        "account.EmailAddress": EmailAddress.objects.get(user=viewer).pk,
    }
    tenant.rows = frozenset([str(tenant.studio.id), *(text for text in found if len(text) == 36)])
