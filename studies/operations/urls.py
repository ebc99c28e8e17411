"""The addresses for who runs the site."""

from django.urls import path

from studies.operations import views

urlpatterns = [
    path("health", views.health, name="health"),
    path("ready", views.ready, name="ready"),
    path("metrics", views.metrics, name="metrics"),
    path("status/", views.status, name="status"),
]
