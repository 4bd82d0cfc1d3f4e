"""Addresses of accounts beside allauth's."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
