"""Addresses of the API, version 1."""

from django.urls import path

from control_plane.api.views import access, classes, dancers, keys, people, records, studios

app_name = "api"

_STUDIO = "studios/<slug:slug>/"
urlpatterns = [
    path("studios/", studios.Studios.as_view(), name="studios"),
    path(_STUDIO, studios.StudioDetail.as_view(), name="studio"),
    path(f"{_STUDIO}sign-in/", studios.SigninRules.as_view(), name="signin"),
    path(f"{_STUDIO}members/", people.Members.as_view(), name="members"),
    path(f"{_STUDIO}members/<uuid:member_id>/", people.Member.as_view(), name="member"),
    path(f"{_STUDIO}invitations/", people.Invitations.as_view(), name="invitations"),
    path(f"{_STUDIO}invitations/<uuid:invitation_id>/", people.InvitationDetail.as_view(), name="invitation"),
    path(f"{_STUDIO}roles/", access.RoleTable.as_view(), name="roles"),
    path(f"{_STUDIO}roles/<slug:role>/", access.RoleRow.as_view(), name="role"),
    path(f"{_STUDIO}rights/", access.Rights.as_view(), name="rights"),
    path(f"{_STUDIO}rights/<uuid:grant_id>/", access.Right.as_view(), name="right"),
    path(f"{_STUDIO}who-can/", access.WhoCan.as_view(), name="who_can"),
    path(f"{_STUDIO}dancers/", dancers.Dancers.as_view(), name="dancers"),
    path(f"{_STUDIO}dancers/<uuid:dancer_id>/", dancers.DancerDetail.as_view(), name="dancer"),
    path(
        f"{_STUDIO}dancers/<uuid:dancer_id>/guardianships/",
        dancers.Guardianships.as_view(),
        name="guardianships",
    ),
    path(
        f"{_STUDIO}guardianships/<uuid:guardianship_id>/",
        dancers.GuardianshipDetail.as_view(),
        name="guardianship",
    ),
    path(f"{_STUDIO}classes/", classes.Classes.as_view(), name="classes"),
    path(f"{_STUDIO}classes/<uuid:class_id>/", classes.ClassDetail.as_view(), name="class"),
    path(f"{_STUDIO}keys/", keys.StudioKeys.as_view(), name="studio_keys"),
    path(f"{_STUDIO}api-keys/", keys.ApiKeys.as_view(), name="api_keys"),
    path(f"{_STUDIO}api-keys/<uuid:key_id>/", keys.ApiKeyDetail.as_view(), name="api_key"),
    path(f"{_STUDIO}log/", records.AuditLog.as_view(), name="log"),
    path(f"{_STUDIO}usage/", records.Usage.as_view(), name="usage"),
]
