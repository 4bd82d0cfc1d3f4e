"""Registers the app."""

from django.apps import AppConfig


class StudiosConfig(AppConfig):
    """Studios, rooms, people, keys."""

    name = "control_plane.studios"
    label = "studios"
