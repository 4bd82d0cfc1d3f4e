"""Addresses of the playback of clips, namespace `clips`. Players recognize the type of a resource by the last part."""

from django.urls import include, path

from control_plane.clips import views

app_name = "clips"

_of_clip = [
    path("check", views.check, name="check"),
    path("timeline.json", views.timeline, name="timeline"),
    path("tracks/<uuid:track_id>/playlist.m3u8", views.playlist, name="playlist"),
    path("tracks/<uuid:track_id>/init/<uuid:segment_id>.mp4", views.init, name="init"),
    path("segments/<uuid:segment_id>/key", views.key, name="key"),
    path("segments/<uuid:segment_id>/bytes.m4s", views.content, name="bytes"),
]

urlpatterns = [path("studio/<slug:slug>/clips/<uuid:clip_id>/", include(_of_clip))]
