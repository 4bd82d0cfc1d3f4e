"""Addresses of rooms and recording."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.rooms import views

urlpatterns = [
    path(f"{STUDIO}/classes/<uuid:class_id>/stop/", views.stop, name="stop"),
    path(f"{STUDIO}/rooms/", views.room_list, name="rooms"),
    path(f"{STUDIO}/rooms/cards/", views.room_cards_part, name="room_cards"),
    path(f"{STUDIO}/rooms/<uuid:room_id>/", views.room_page, name="room"),
    path(f"{STUDIO}/rooms/<uuid:room_id>/record/", views.record, name="record"),
]
