from django.contrib import admin
from django.urls import include, path

handler404 = "mosweb.visitors.not_found"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("studies.urls")),
]
