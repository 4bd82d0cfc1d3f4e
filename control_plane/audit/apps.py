"""Registers the app."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The audit chain."""

    name = "control_plane.audit"
    label = "audit"
