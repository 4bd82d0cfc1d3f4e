"""Addresses of the home page and the list of studios."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.home import views

urlpatterns = [
    path("", views.home, name="home"),
    path("studios/menu/", views.studios_menu, name="studios_menu"),
    path(f"{STUDIO}/", views.studio, name="studio"),
    path("studios/administer/", views.administer, name="administer"),
]
