"""What Django's admin finds: importing these registers every model."""

from control_plane.console import access, compliance, fleet, footage, signin, stores, studios

__all__ = ["access", "compliance", "fleet", "footage", "signin", "stores", "studios"]
