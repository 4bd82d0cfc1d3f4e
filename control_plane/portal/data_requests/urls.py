"""Addresses of requests about data."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.data_requests import views

urlpatterns = [
    path(f"{STUDIO}/requests/", views.request_list, name="data_requests"),
    path(f"{STUDIO}/requests/<uuid:data_request_id>/", views.request_page, name="data_request"),
    path(f"{STUDIO}/requests/<uuid:data_request_id>/receipt/", views.receipt_file, name="erasure_receipt"),
    path(f"{STUDIO}/dancers/<uuid:dancer_id>/requests/", views.open_one, name="open_data_request"),
    path(f"{STUDIO}/dancers/<uuid:dancer_id>/data/", views.download, name="dancer_data"),
    path(f"{STUDIO}/dancers/<uuid:dancer_id>/erase/", views.erase, name="erase_dancer"),
]
