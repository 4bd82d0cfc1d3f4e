"""What Django's admin finds: importing these registers every model."""

from control_plane.console import fleet, footage, studios

__all__ = ["fleet", "footage", "studios"]
