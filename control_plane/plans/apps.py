"""Registers the app."""

from django.apps import AppConfig


class PlansConfig(AppConfig):
    """Plans, quotas and rate limits."""

    name = "control_plane.plans"
    label = "plans"
