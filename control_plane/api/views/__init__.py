"""The resources, one module each concern."""
