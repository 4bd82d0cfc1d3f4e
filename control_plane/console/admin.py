"""What Django's admin finds: importing these registers every model."""

from control_plane.console import fleet, footage, stores, studios

__all__ = ["fleet", "footage", "stores", "studios"]
