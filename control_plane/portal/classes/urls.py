"""Addresses of classes and rosters."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.classes import roster_views, timetable_views, views

urlpatterns = [
    path(f"{STUDIO}/classes/", views.class_list, name="classes"),
    path(f"{STUDIO}/classes/<uuid:class_id>/", views.class_page, name="class"),
    path(f"{STUDIO}/classes/<uuid:class_id>/progress/", views.class_progress, name="class_progress"),
    path(f"{STUDIO}/classes/<uuid:class_id>/give-up/", views.give_up, name="give_up"),
    path(f"{STUDIO}/classes/<uuid:class_id>/roster/", roster_views.roster, name="roster"),
    path(f"{STUDIO}/classes/<uuid:class_id>/roster/file/", roster_views.roster_file, name="roster_file"),
    path(f"{STUDIO}/classes/<uuid:class_id>/type/", timetable_views.set_class_type, name="set_class_type"),
    path(f"{STUDIO}/timetable/", timetable_views.class_types, name="class_types"),
    path(f"{STUDIO}/timetable/<uuid:class_type_id>/", timetable_views.class_type, name="class_type"),
    path(
        f"{STUDIO}/timetable/<uuid:class_type_id>/end/",
        timetable_views.end_class_type,
        name="end_class_type",
    ),
    path(
        f"{STUDIO}/timetable/<uuid:class_type_id>/enrolments/<uuid:enrolment_id>/end/",
        timetable_views.end_enrolment,
        name="end_enrolment",
    ),
]
