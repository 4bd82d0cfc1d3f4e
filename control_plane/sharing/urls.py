"""Addresses of share links, namespace `sharing`. Players recognize the type of a resource by the last part."""

from django.urls import include, path

from control_plane.sharing import views

app_name = "sharing"

_of_link = [
    path("open", views.trade, name="trade"),
    path("check", views.check, name="check"),
    path("timeline.json", views.timeline, name="timeline"),
    path("tracks/<uuid:track_id>/playlist.m3u8", views.playlist, name="playlist"),
    path("tracks/<uuid:track_id>/init/<uuid:segment_id>.mp4", views.init, name="init"),
    path("segments/<uuid:segment_id>/key", views.key, name="key"),
    path("segments/<uuid:segment_id>/bytes.m4s", views.content, name="bytes"),
]

urlpatterns = [path("s/<slug:public_id>/", include(_of_link))]
