"""Registers the app."""

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    """Checkpoints, reports, alerts and the privacy assessment."""

    name = "control_plane.compliance"
    label = "compliance"
