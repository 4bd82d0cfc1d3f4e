"""Routes to request: found by walking, never listed by hand."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.contrib import admin
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

import control_plane.config
from control_plane.config.celery import app as celery_app

ASGI = Path(control_plane.config.__file__).with_name("asgi.py")
_ADMIN_PAGE = re.compile(r"admin/(\w+)/(\w+)/(.*)")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>")


@dataclass(frozen=True)
class Route:
    """One address as the resolver knows it, such as `studio/<slug:slug>/rooms/`."""

    address: str
    name: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the address."""
        return tuple(first or second for first, second in _PARAMETER.findall(self.address))


def routes() -> list[Route]:
    """Returns every address that is no page of a model in the admin site."""
    return [route for route in _all_routes() if _model_page(route) is None]


def admin_pages() -> dict[str, set[str]]:
    """Returns model label -> the addresses of its admin pages after `admin/<app>/<model>/`."""
    labels = {(m._meta.app_label, m._meta.model_name): m._meta.label for m in admin.site._registry}
    found: dict[str, set[str]] = {label: set() for label in labels.values()}
    for route in _all_routes():
        page = _model_page(route)
        if page is not None:
            found[labels[page[0], page[1]]].add(page[2])
    return found


def tasks() -> set[str]:
    """Returns the names of our Celery tasks."""
    celery_app.loader.import_default_modules()
    return {name for name in celery_app.tasks if name.startswith("control_plane.")}


def commands() -> set[str]:
    """Returns the names of our management commands."""
    ours = {config.name for config in apps.get_app_configs() if config.name.startswith("control_plane.")}
    return {name for name, app in get_commands().items() if app in ours}


def sockets() -> set[str]:
    """Returns the paths that the ASGI application compares a websocket's path with, read from its source."""
    # Importing it would check the deployment, which needs a database at once.
    tree = ast.parse(ASGI.read_text(encoding="utf-8"))
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and ast.unparse(node.left) == "scope['path']":
            for other in node.comparators:
                value = constants[other.id] if isinstance(other, ast.Name) else other
                found.add(str(ast.literal_eval(value)))
    return found


def _all_routes() -> list[Route]:
    return list(_walk(get_resolver(), "", ()))


def _walk(resolver: URLResolver, prefix: str, names: tuple[str, ...]) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        address = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = (*names, entry.namespace) if entry.namespace else names
            yield from _walk(entry, address, inner)
        elif isinstance(entry, URLPattern):
            yield Route(address, ":".join([*names, entry.name or ""]))


def _model_page(route: Route) -> tuple[str, str, str] | None:
    match = _ADMIN_PAGE.fullmatch(route.address)
    if match is None or (match[1], match[2]) not in {
        (m._meta.app_label, m._meta.model_name) for m in admin.site._registry
    }:
        return None
    return match[1], match[2], match[3]
