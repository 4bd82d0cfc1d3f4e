"""Addresses of the platform operator's pages and break-glass access."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.operator import break_glass_views, plan_views, views

urlpatterns = [
    path("operator/", views.overview, name="operator"),
    path("operator/studios/add/", views.add_studio, name="operator_add_studio"),
    path("operator/studios/<uuid:studio_id>/", views.studio, name="operator_studio"),
    path("operator/studios/<uuid:studio_id>/plan/", plan_views.studio_plan, name="operator_studio_plan"),
    path("operator/plans/", plan_views.plan_list, name="operator_plans"),
    path("operator/plans/add/", plan_views.new_plan, name="operator_new_plan"),
    path("operator/plans/<uuid:plan_id>/", plan_views.plan_page, name="operator_plan"),
    path("operator/break-glass/", views.break_glasses, name="operator_break_glass"),
    path(
        "operator/break-glass/<uuid:break_glass_id>/close/",
        views.close_break_glass,
        name="operator_close_break_glass",
    ),
    path(f"{STUDIO}/break-glass/", break_glass_views.break_glass, name="break_glass"),
    path(
        f"{STUDIO}/break-glass/<uuid:break_glass_id>/end/",
        break_glass_views.end_break_glass,
        name="end_break_glass",
    ),
]
