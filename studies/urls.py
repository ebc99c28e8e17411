from django.urls import include, path

urlpatterns = [path("", include("studies.rating.urls")), path("", include("studies.research.urls"))]
