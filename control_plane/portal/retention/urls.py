"""Addresses of retention."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.retention import hold_views, views

urlpatterns = [
    path(f"{STUDIO}/retention/", views.overview, name="retention"),
    path(f"{STUDIO}/retention/policy/", views.policy, name="retention_policy"),
    path(f"{STUDIO}/retention/rules/", views.rule, name="retention_rule"),
    path(
        f"{STUDIO}/retention/rules/<uuid:retention_rule_id>/remove/",
        views.remove_rule,
        name="remove_retention_rule",
    ),
    path(f"{STUDIO}/retention/runs/", views.start, name="start_retention"),
    path(
        f"{STUDIO}/retention/runs/<uuid:retention_run_id>/confirm/",
        views.confirm_run,
        name="confirm_retention_run",
    ),
    path(
        f"{STUDIO}/retention/runs/<uuid:retention_run_id>/cancel/",
        views.cancel_run,
        name="cancel_retention_run",
    ),
    path(f"{STUDIO}/classes/<uuid:class_id>/keep/", hold_views.keep, name="keep_class"),
    path(
        f"{STUDIO}/retention/holds/<uuid:retention_hold_id>/lift/",
        hold_views.lift,
        name="lift_retention_hold",
    ),
]
