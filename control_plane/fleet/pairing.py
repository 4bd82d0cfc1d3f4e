"""Pairing: an admin creates a code, and an edge computer claims it to become an agent.

Source: protocols.md, section 1; RFC 8628 in shape.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import F
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, Unavailable
from control_plane.common.scoping import capability_scope, studio_scope
from control_plane.fleet import installation, pairing_codes
from control_plane.fleet.audit_events import AGENT_PAIRED, AGENT_PAIRING_STARTED
from control_plane.fleet.desired import publish_config, publish_configs
from control_plane.fleet.errors import PairingRefused
from control_plane.fleet.events import AgentReplaced
from control_plane.fleet.models import Agent, AgentState, Camera, PairingCode, PairingState
from control_plane.fleet.permissions import MANAGE_AGENTS
from control_plane.fleet.selectors import RECORDING_STATES, count_agents
from control_plane.fleet.services import hand_over_orders
from control_plane.fleet.status_limits import out_of_range
from control_plane.plans.models import Limit
from control_plane.plans.quotas import require_quota
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Studio
from shared.protocol.errors import Code
from shared.protocol.ids import AgentId, StudioId
from shared.protocol.pairing import PairAnswer, PairRequest, normalise_pairing_code
from shared.protocol.version import OLDEST_VERSION

LIFETIME = timedelta(minutes=10)
MAX_ATTEMPTS = 5
MAX_CODES = 60
"""Per studio within two lifetimes. All studios share 160,000 possible first halves."""
MAX_AGENTS = 200
"""Active agents of one studio, if its plan sets no lower limit."""
MAX_DRAWS = 100
"""Attempts to find a free code: even with half of all first halves taken, a hundred draws will not all fail."""


@dataclass(frozen=True, slots=True)
class NewPairingCode:
    """A new code, shown once: only its hashes are stored."""

    row: PairingCode
    text: str = field(repr=False)
    """`XXXX-XXXX`."""


def create_pairing_code(
    studio: Studio, *, actor: Actor, agent_name: str = "", replaces: Agent | None = None
) -> NewPairingCode:
    """Creates a code that pairs one agent within ten minutes.

    Args:
        agent_name: the name of the new agent; empty: its host name.
        replaces: the agent whose cameras the new agent takes over; it can still upload its remaining footage.

    Raises:
        Conflict: `replaces` is not active, or the studio has the maximum of agents or new codes.
        Unavailable: no code is free.
        TooManyRequests: too many were created within an hour.
        NotFound, Forbidden: `actor` may not manage agents.
    """
    with studio_scope(studio.id):
        access.require(actor, MANAGE_AGENTS, studio)
        require_rate(AGENT_PAIRING_STARTED, actor=actor)
        if replaces is not None and replaces.state not in RECORDING_STATES:
            raise Conflict(f"{replaces.name} is not active any more and cannot be replaced.")
        if replaces is None:
            require_quota(Limit.AGENTS, count_agents)
            if count_agents() >= MAX_AGENTS:
                raise Conflict(
                    f"A studio has at most {MAX_AGENTS} agents. Revoke agents that are no longer used."
                )
        if PairingCode.objects.filter(created_at__gt=timezone.now() - 2 * LIFETIME).count() >= MAX_CODES:
            raise Conflict("This studio has created too many pairing codes. Try again in twenty minutes.")
        key = installation.pairing_key()
        code = _free_code(key)
        row = PairingCode(
            studio=studio,
            lookup_hash=pairing_codes.lookup_hash(code, key),
            code_hash=pairing_codes.code_hash(code, key),
            expires_at=timezone.now() + LIFETIME,
            agent_name=agent_name.strip()[:80],
            created_by=actor.id if actor.kind is ActorKind.USER else None,
            replaces=replaces,
        )
        row.save(force_insert=True)
        record_for(
            AGENT_PAIRING_STARTED,
            row,
            actor=actor,
            details={"replaces": str(replaces.id) if replaces else None},
        )
    return NewPairingCode(row, pairing_codes.display_code(code))


def claim_pairing_code(request: PairRequest) -> PairAnswer:
    """Pairs the agent that sends a valid code with the studio of the code. Of concurrent claims of a code, one wins.

    Idempotent: a retry with the same keys, after a lost answer, gets the same answer.

    Raises:
        BadRequest: the code contains invalid letters, or a value in the request cannot be stored.
        PairingRefused: unknown, expired, used or locked; its code gives the reason.
    """
    if request.protocol < OLDEST_VERSION:
        raise PairingRefused(
            f"The agent has protocol version {request.protocol}; this control plane needs {OLDEST_VERSION} or later.",
            code=Code.PROTOCOL_TOO_OLD,
        )
    if wrong := out_of_range(request):
        raise BadRequest(wrong)
    try:
        code = normalise_pairing_code(request.code)
    except ValueError as error:
        raise BadRequest(f"code: {error}") from error
    key = installation.pairing_key()
    lookup_hash = pairing_codes.lookup_hash(code, key)
    with capability_scope("pairing_hash", lookup_hash):
        rows = PairingCode.found.filter(lookup_hash=lookup_hash)
        found = list(rows.values_list("id", "studio_id", "code_hash", "state"))
    wanted = pairing_codes.code_hash(code, key)
    for code_id, studio_id, hash_, _ in found:
        if pairing_codes.hashes_match(hash_, wanted):
            return _claim(code_id, studio_id, request)
    for code_id, studio_id, _, state in found:
        if state == PairingState.PENDING:
            _count_failed_attempt(code_id, studio_id)
    raise PairingRefused


def fingerprint(identity_key: bytes) -> str:
    """Returns the fingerprint that an admin compares: 16 hex digits of the key's SHA-256, in groups of four."""
    digits = sha256(identity_key).hexdigest()[:16]
    return "-".join(digits[at : at + 4] for at in range(0, 16, 4))


def _free_code(key: bytes) -> str:
    """Returns a code whose first half is unique over all studios.

    Raises:
        Unavailable: nearly every first half is taken.
    """
    for _ in range(MAX_DRAWS):
        code = pairing_codes.new_code()
        lookup_hash = pairing_codes.lookup_hash(code, key)
        with capability_scope("pairing_hash", lookup_hash):
            same = PairingCode.found.filter(lookup_hash=lookup_hash)
            taken = same.filter(expires_at__gt=timezone.now() - LIFETIME).exists()
        if not taken:
            return code
    raise Unavailable(
        "No pairing code is free. Try again in twenty minutes, when the current ones have expired."
    )


def _host_facts(request: PairRequest) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(request.host)
    return {name: value[:200] if isinstance(value, str) else value for name, value in facts.items()}


def _claim(code_id: UUID, studio_id: UUID, request: PairRequest) -> PairAnswer:
    with studio_scope(studio_id):
        usable = PairingCode.objects.filter(pk=code_id, expires_at__gt=timezone.now(), tries__lt=MAX_ATTEMPTS)
        won = PairingCode.transition_rows(usable, PairingState.CLAIMED)
        row: PairingCode = PairingCode.objects.select_related("studio", "claimed_by", "replaces").get(
            pk=code_id
        )
        if won:
            agent = _enrol(row, request)
        elif (
            row.claimed_by
            and bytes(row.claimed_by.identity_key) == request.identity_key
            and not row.is_expired
        ):
            agent = row.claimed_by
        else:
            raise PairingRefused(code=_refusal_reason(row))
        return PairAnswer(
            agent_id=AgentId(agent.id),
            studio_id=StudioId(studio_id),
            studio_name=row.studio.name,
            audience=installation.audience(),
            revocation_key=installation.revocation_public_key(),
            server_time_at=timezone.now(),
        )


def _enrol(row: PairingCode, request: PairRequest) -> Agent:
    if Agent.objects.filter(identity_key=request.identity_key).exists():
        raise PairingRefused(
            "This key belongs to another agent. Run the pairing again with --replace to create a new key.",
            code=Code.CONFLICT,
        )
    if row.replaces is None:
        require_quota(Limit.AGENTS, count_agents)
    agent = Agent(
        studio_id=row.studio_id,
        name=(row.agent_name or request.host.hostname.strip() or "agent")[:80],
        identity_key=request.identity_key,
        sealing_key=request.sealing_key,
        fingerprint=fingerprint(request.identity_key),
        host=_host_facts(request),
        agent_version=request.agent_version[:40],
        protocol=request.protocol,
    )
    agent.save(force_insert=True)
    PairingCode.objects.filter(pk=row.pk).update(claimed_by=agent)
    publish_config(agent)
    if row.replaces is not None:
        _transfer(row.replaces, agent)
    record_for(
        AGENT_PAIRED,
        agent,
        actor=Actor.agent(agent.id, studio_id=row.studio_id),
        details={
            "fingerprint": agent.fingerprint,
            "code": str(row.id),
            "replaces": str(row.replaces_id) if row.replaces_id else None,
        },
    )
    return agent


def _transfer(old: Agent, new: Agent) -> None:
    """Moves cameras and running classes to the new agent; the old one only uploads its remaining footage."""
    if not Agent.transition_rows(Agent.objects.filter(pk=old.pk), AgentState.REPLACED, replaced_by=new):
        raise PairingRefused(
            f"{old.name} was replaced or revoked in the meantime.", code=Code.PAIRING_CODE_EXPIRED
        )
    Camera.objects.filter(agent=old).update(agent=new)
    hand_over_orders(old, new)
    AgentReplaced(old, new).publish()
    publish_configs({old, new})


def _count_failed_attempt(code_id: UUID, studio_id: UUID) -> None:
    with studio_scope(studio_id):
        mine = PairingCode.objects.filter(pk=code_id, state=PairingState.PENDING)
        mine.update(tries=F("tries") + 1)
        PairingCode.transition_rows(mine.filter(tries__gte=MAX_ATTEMPTS), PairingState.LOCKED)


def _refusal_reason(row: PairingCode) -> Code:
    match PairingState(row.state):
        case PairingState.CLAIMED:
            return Code.PAIRING_CODE_USED
        case PairingState.LOCKED:
            return Code.PAIRING_CODE_LOCKED
        case _:
            return Code.PAIRING_CODE_EXPIRED
