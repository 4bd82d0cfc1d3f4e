"""URLs of the fleet, under `/agent/v1/`. The websocket `link` is routed by `config.asgi`."""

from django.urls import path

from control_plane.fleet import api

urlpatterns = [
    path("pair", api.pair, name="agent-pair"),
    path("config", api.config, name="agent-config"),
    path("report", api.report, name="agent-report"),
    path("releases/<path:name>", api.release, name="agent-release"),
]
