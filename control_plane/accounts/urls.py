"""Addresses of accounts beside allauth's."""

from django.urls import path

from control_plane.accounts.views import signin_link

urlpatterns = [path("link/", signin_link, name="signin_link")]
