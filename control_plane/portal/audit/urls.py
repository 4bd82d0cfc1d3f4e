"""Addresses of the audit log, alerts and the privacy assessment."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.audit import alert_views, assessment_views, views

urlpatterns = [
    path(f"{STUDIO}/dancers/<uuid:dancer_id>/seen/", views.dancer_seen, name="dancer_seen"),
    path(f"{STUDIO}/dancers/<uuid:dancer_id>/seen/file/", views.dancer_seen_file, name="dancer_seen_file"),
    path(f"{STUDIO}/audit/", views.audit_log, name="audit"),
    path(f"{STUDIO}/audit/export/", views.audit_export, name="audit_export"),
    path(f"{STUDIO}/audit/receipts/", views.audit_receipts, name="audit_receipts"),
    path(f"{STUDIO}/privacy/", assessment_views.privacy, name="privacy"),
    path(f"{STUDIO}/privacy/<slug:form>/", assessment_views.privacy_file, name="privacy_file"),
    path(f"{STUDIO}/alerts/", alert_views.alert_list, name="alerts"),
    path(f"{STUDIO}/alerts/rules/", alert_views.alert_rules, name="alert_rules"),
    path(f"{STUDIO}/alerts/<uuid:alert_id>/", alert_views.acknowledge_alert, name="acknowledge_alert"),
]
