"""Agents, and pairing a new one."""

from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.fleet.models import Agent, PairingCode, PairingState
from control_plane.fleet.pairing import create_pairing_code
from control_plane.fleet.permissions import MANAGE_AGENTS, VIEW_AGENTS
from control_plane.fleet.selectors import RECORDING_STATES, visible_agents
from control_plane.fleet.uploads import UploadLimits, set_upload_limits, upload_limits
from control_plane.portal.agents.presenter import BYTES_PER_MBIT, agent_cards, limits_text
from control_plane.portal.page import actor_of, is_part, studio_page
from shared.protocol.config import UPLOAD_WINDOW_SINCE


class AddAgentForm(forms.Form):
    """Name and room of an agent before pairing."""

    agent_name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        required=False,
        help_text=gettext_lazy("Empty: the host name of its computer."),
    )
    replaces = forms.ModelChoiceField(
        label=gettext_lazy("Replaces"),
        queryset=Agent.objects.none(),
        required=False,
        empty_label=gettext_lazy("No other agent"),
        help_text=gettext_lazy(
            "The new agent takes over the cameras; the old one uploads its remaining footage."
        ),
    )

    def __init__(self, *args: object, actor: Actor, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        others = visible_agents(actor).filter(state__in=RECORDING_STATES)
        self.fields["replaces"].queryset = others  # type: ignore[attr-defined]
        if not others.exists():
            del self.fields["replaces"]


@require_safe
def agent_list(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the agents with their cameras."""
    return studio_page(request, "portal/agents/list.html", {"section": "agents", "agents": _cards(request)})


@require_safe
def agent_cards_part(request: StudioRequest, slug: str) -> HttpResponse:
    """Returns the agents alone, for polling."""
    return studio_page(request, "portal/agents/cards.html", {"agents": _cards(request)})


@require_http_methods(["GET", "HEAD", "POST"])
def add_agent(request: StudioRequest, slug: str) -> HttpResponse:
    """Requests a name, then shows the pairing code. The code is shown once, because only its hash is stored."""
    actor = actor_of(request)
    access.require(actor, MANAGE_AGENTS, request.studio)
    form = AddAgentForm(request.POST or None, actor=actor)
    if request.method != "POST" or not form.is_valid():
        return studio_page(request, "portal/agents/add.html", {"section": "agents", "form": form})
    try:
        code = create_pairing_code(
            request.studio,
            actor=actor,
            agent_name=form.cleaned_data["agent_name"],
            replaces=form.cleaned_data.get("replaces"),
        )
    except Conflict as error:
        form.add_error(None, error.detail)
        return studio_page(request, "portal/agents/add.html", {"section": "agents", "form": form})
    context = {"section": "agents", "code": code.text, "address": settings.PUBLIC_URL} | _state(code.row)
    return studio_page(request, "portal/agents/pairing.html", context)


class UploadsForm(forms.Form):
    """Form of an agent's upload schedule and rate limit."""

    opens = forms.TimeField(
        label=gettext_lazy("Upload only from"),
        required=False,
        input_formats=["%H:%M"],
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text=gettext_lazy("Leave both times empty to upload at any time."),
    )
    closes = forms.TimeField(
        label=gettext_lazy("Until"),
        required=False,
        input_formats=["%H:%M"],
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text=gettext_lazy("A time before the start: on the next day."),
    )
    mbit_per_s = forms.DecimalField(
        label=gettext_lazy("At most, in Mbit/s"),
        required=False,
        min_value=0,
        max_value=10_000,
        max_digits=8,
        decimal_places=3,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
        help_text=gettext_lazy("Empty or 0: no limit."),
    )

    def limits(self) -> UploadLimits:
        """Returns the requested schedule and rate limit."""
        given = self.cleaned_data
        opens, closes = (f"{given[name]:%H:%M}" if given[name] else "" for name in ("opens", "closes"))
        mbit = given["mbit_per_s"]
        return UploadLimits(opens, closes, round(mbit * BYTES_PER_MBIT) if mbit else None)


@require_http_methods(["GET", "HEAD", "POST"])
def uploads(request: StudioRequest, slug: str, agent_id: UUID) -> HttpResponse:
    """Shows and changes an agent's upload schedule and rate limit."""
    actor = actor_of(request)
    agent = visible_agents(actor).filter(pk=agent_id).first()
    if agent is None:
        raise NotFound
    access.require(actor, MANAGE_AGENTS, agent)
    limits = upload_limits(agent)
    mbit = limits.max_bytes_per_s and limits.max_bytes_per_s / BYTES_PER_MBIT
    initial = {"opens": limits.opens, "closes": limits.closes, "mbit_per_s": mbit and f"{mbit:g}"}
    form = UploadsForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            set_upload_limits(agent, form.limits(), actor=actor)
        except BadRequest as error:
            form.add_error(None, error.detail)
        else:
            messages.success(
                request,
                _("%(agent)s: uploads %(agent_text)s.")
                % {"agent": agent.name, "agent_text": limits_text(agent)},
            )
            return redirect("portal:agents", slug=slug)
    context = {
        "section": "agents",
        "form": form,
        "agent": agent,
        "time_zone": request.studio.time_zone,
        "too_old": agent.protocol < UPLOAD_WINDOW_SINCE,
    }
    return studio_page(request, "portal/agents/uploads.html", context)


@require_safe
def pairing_state(request: StudioRequest, slug: str, pairing_id: UUID) -> HttpResponse:
    """Returns the state of a pairing code, for polling."""
    found = access.visible(actor_of(request), PairingCode).select_related("claimed_by")
    row = found.filter(pk=pairing_id).first()
    if row is None:
        raise NotFound
    if not is_part(request):
        return redirect("portal:agents", slug=slug)
    return studio_page(request, "portal/agents/pairing_state.html", _state(row))


def _cards(request: StudioRequest) -> list[object]:
    actor = actor_of(request)
    access.require(actor, VIEW_AGENTS, request.studio)
    return list(agent_cards(actor))


def _state(row: PairingCode) -> dict[str, object]:
    state = PairingState(row.state)
    if state is PairingState.PENDING and row.is_expired:
        state = PairingState.EXPIRED
    return {
        "pairing_id": row.id,
        "state": state.value,
        "expires_at": row.expires_at,
        "agent_name": row.claimed_by.name if row.claimed_by else "",
        "fingerprint": row.claimed_by.fingerprint if row.claimed_by else "",
    }
