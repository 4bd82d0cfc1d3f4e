"""Addresses of the portal's pages."""

from django.urls import path

from control_plane.portal.views import agents, classes, dancers, home, people, rooms, rosters
from control_plane.portal.views import invitations, signin

app_name = "portal"

_STUDIO = "studio/<slug:slug>"
urlpatterns = [
    path("", home.home, name="home"),
    path("studios/menu/", home.studios_menu, name="studios_menu"),
    path("studios/administer/", home.administer, name="administer"),
    path("sign-in/", signin.find_provider, name="find_provider"),
    path("invitation/", invitations.invitation_page, name="invitation"),
    path(f"{_STUDIO}/sign-in/", signin.sign_in_settings, name="sign_in"),
    path(f"{_STUDIO}/sign-in/add/<slug:kind>/", signin.new_provider, name="new_provider"),
    path(f"{_STUDIO}/sign-in/<uuid:provider_id>/", signin.provider_page, name="provider"),
    path(f"{_STUDIO}/sign-in/<uuid:provider_id>/remove/", signin.provider_remove, name="provider_remove"),
    path(f"{_STUDIO}/people/invitations/", invitations.invitations, name="invitations"),
    path(
        f"{_STUDIO}/people/invitations/<uuid:invitation_id>/again/",
        invitations.invitation_again,
        name="invitation_again",
    ),
    path(
        f"{_STUDIO}/people/invitations/<uuid:invitation_id>/revoke/",
        invitations.invitation_revoke,
        name="invitation_revoke",
    ),
    path(f"{_STUDIO}/classes/", classes.class_list, name="classes"),
    path(f"{_STUDIO}/classes/<uuid:class_id>/", classes.class_page, name="class"),
    path(f"{_STUDIO}/classes/<uuid:class_id>/progress/", classes.class_progress, name="class_progress"),
    path(f"{_STUDIO}/classes/<uuid:class_id>/stop/", rooms.stop, name="stop"),
    path(f"{_STUDIO}/classes/<uuid:class_id>/roster/", rosters.roster, name="roster"),
    path(f"{_STUDIO}/classes/<uuid:class_id>/roster/file/", rosters.roster_file, name="roster_file"),
    path(f"{_STUDIO}/rooms/", rooms.room_list, name="rooms"),
    path(f"{_STUDIO}/rooms/cards/", rooms.room_cards_part, name="room_cards"),
    path(f"{_STUDIO}/rooms/<uuid:room_id>/", rooms.room_page, name="room"),
    path(f"{_STUDIO}/rooms/<uuid:room_id>/record/", rooms.record, name="record"),
    path(f"{_STUDIO}/agents/", agents.agent_list, name="agents"),
    path(f"{_STUDIO}/agents/cards/", agents.agent_cards_part, name="agent_cards"),
    path(f"{_STUDIO}/agents/add/", agents.add_agent, name="add_agent"),
    path(f"{_STUDIO}/agents/pairing/<uuid:pairing_id>/", agents.pairing_state, name="pairing_state"),
    path(f"{_STUDIO}/people/", people.people, name="people"),
    path(f"{_STUDIO}/people/suggest/", people.suggest_people, name="suggest_people"),
    path(f"{_STUDIO}/dancers/", dancers.dancer_list, name="dancers"),
    path(f"{_STUDIO}/dancers/add/", dancers.add_dancer, name="add_dancer"),
    path(f"{_STUDIO}/dancers/import/", dancers.import_dancers, name="import_dancers"),
    path(f"{_STUDIO}/dancers/<uuid:dancer_id>/", dancers.dancer_page, name="dancer"),
    path(f"{_STUDIO}/dancers/<uuid:dancer_id>/left/", dancers.dancer_left, name="dancer_left"),
    path(f"{_STUDIO}/dancers/<uuid:dancer_id>/guardians/", dancers.add_guardian, name="add_guardian"),
    path(
        f"{_STUDIO}/dancers/<uuid:dancer_id>/guardians/<uuid:guardianship_id>/end/",
        dancers.end_guardian,
        name="end_guardian",
    ),
]
