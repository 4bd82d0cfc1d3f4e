"""The roles that a member of a studio can have. Pure; `access.roles` holds the permissions of each."""

from django.db.models import TextChoices


class Role(TextChoices):
    """A member's role in the studio."""

    ADMIN = "admin", "Studio admin"
    INSTRUCTOR = "instructor", "Instructor"
    VIEWER = "viewer", "Viewer"
    GUARDIAN = "guardian", "Guardian"
    PARTNER = "partner", "Partner"
