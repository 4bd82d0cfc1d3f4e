"""URLs of ingest, under `/agent/v1/`."""

from django.urls import path

from control_plane.ingest import api

urlpatterns = [
    path("intent", api.intent, name="agent-intent"),
    path("commit", api.commit, name="agent-commit"),
    path("gaps", api.gaps, name="agent-gaps"),
    path("objects/<path:key>", api.put_object, name="agent-object"),
]
