"""Tags and filters of the portal's pages: icons, durations, small drawings, texts of scripts. They run no queries."""

from functools import cache
from pathlib import Path
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join, json_script
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation.trans_real import DjangoTranslation
from django.views.i18n import JavaScriptCatalog

from control_plane.common.humanize import format_duration, format_size
from control_plane.portal import menus

register = template.Library()

LOCALE_DIR = Path(__file__).parents[1] / "locale"

Stretch = tuple[float, float]

_ICONS = {
    "record": mark_safe('<circle cx="12" cy="12" r="6.5" fill="currentColor" stroke="none"/>'),
    "stop": mark_safe(
        '<rect x="6" y="6" width="12" height="12" rx="2.5" fill="currentColor" stroke="none"/>'
    ),
    "tick": mark_safe('<path d="M5 12.5l4.5 4.5L19 7.5"/>'),
    "none": mark_safe('<path d="M7 12h10"/>'),
    "lock": mark_safe('<rect x="6" y="11" width="12" height="9" rx="2"/><path d="M9 11V8a3 3 0 0 1 6 0v3"/>'),
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Returns an icon that is hidden from screen readers.

    Raises:
        KeyError: there is no such icon.
    """
    return format_html('<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">{}</svg>', _ICONS[name])


@register.simple_tag
def studio_dot(studio: Any) -> SafeString:
    """Returns a dot in the studio's own colour."""
    return format_html(
        '<svg class="camera-dot" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">'
        '<circle cx="6" cy="6" r="5" fill="{}"/></svg>',
        studio.accent,
    )


@register.simple_tag
def lane(stretches: list[Stretch], length_s: float) -> SafeString:
    """Returns a thin bar that shows which stretches of `length_s` seconds a track has, as SVG without any style."""
    whole = max(length_s, 0.001)
    marks = format_html_join(
        "",
        '<rect class="on" x="{}" width="{}" y="0" height="4" rx="2"/>',
        (
            (f"{100 * from_s / whole:.2f}%", f"{100 * (to_s - from_s) / whole:.2f}%")
            for from_s, to_s in stretches
        ),
    )
    return format_html(
        '<svg class="card__lane" height="4" aria-hidden="true">'
        '<rect class="off" x="0" y="0" width="100%" height="4" rx="2"/>{}</svg>',
        marks,
    )


@register.simple_tag(takes_context=True)
def studio_menu(context: template.Context) -> list[menus.MenuItem]:
    """Returns the links of the studio's main menu that the viewer may follow."""
    slug = context["request"].studio.slug
    return menus.studio_menu(slug, context.get("allowed") or (), context.get("section") or "")


@register.simple_tag(takes_context=True)
def settings_menu(context: template.Context) -> list[menus.MenuItem]:
    """Returns the links of the menu of the studio's settings that the viewer may follow."""
    request = context["request"]
    return menus.settings_menu(request.studio.slug, context.get("allowed") or (), request.path)


@register.simple_tag
def script_messages() -> SafeString:
    """Returns the texts of the scripts in the current language as JSON; empty if the language has no translations.

    JSON, because the content security policy allows neither inline scripts nor evaluated code.
    """
    messages = _script_messages(get_language() or "")
    return json_script(messages, "messages") if messages else SafeString("")


@cache
def _script_messages(language: str) -> dict[str, Any]:
    catalogue = JavaScriptCatalog()
    catalogue.translation = DjangoTranslation(language, domain="djangojs", localedirs=[str(LOCALE_DIR)])
    found: dict[str, Any] = catalogue.get_catalog()
    return found


register.filter("lasting", format_duration)
register.filter("size", format_size)


@register.filter
def button_kind(tags: Any) -> str:
    """Returns the class of an allauth button from its tags: quiet ones have an outline, the rest lead."""
    words = set(
        str(tags or "").replace("[", "").replace("]", "").replace("'", "").replace(" ", "").split(",")
    )
    return "" if words & {"outline", "secondary", "link", "danger", "delete", "cancel"} else "button--main"
