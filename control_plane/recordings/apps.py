"""Registers the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string

from control_plane.access import sources


class RecordingsConfig(AppConfig):
    """Classes, tracks, segments, gaps."""

    name = "control_plane.recordings"
    label = "recordings"

    def ready(self) -> None:
        """Registers the facts that consents close classes."""
        # Imported here, because models cannot be imported before the app registry is ready.
        for name in ("REPLAY_REFUSED", "LIVE_NOT_ALLOWED"):
            sources.register(import_string(f"control_plane.recordings.consent_facts.{name}"))
