"""Addresses of agents and pairing."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.agents import views

urlpatterns = [
    path(f"{STUDIO}/agents/", views.agent_list, name="agents"),
    path(f"{STUDIO}/agents/cards/", views.agent_cards_part, name="agent_cards"),
    path(f"{STUDIO}/agents/add/", views.add_agent, name="add_agent"),
    path(f"{STUDIO}/agents/<uuid:agent_id>/uploads/", views.uploads, name="agent_uploads"),
    path(f"{STUDIO}/agents/pairing/<uuid:pairing_id>/", views.pairing_state, name="pairing_state"),
]
