"""The portal's areas. Each is a package with its views, forms, presenters, templates and addresses."""

from pathlib import Path

AREAS = (
    "home",
    "signin",
    "people",
    "operator",
    "storage",
    "classes",
    "clips",
    "shares",
    "exports",
    "rooms",
    "access",
    "keys",
    "api_keys",
    "agents",
    "dancers",
    "retention",
    "data_requests",
    "consents",
    "audit",
)
TEMPLATE_DIRS = [Path(__file__).parent / area / "templates" for area in AREAS]
"""Given to the template engine: an area is no Django app of its own."""
