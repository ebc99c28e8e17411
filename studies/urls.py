from django.urls import include, path

urlpatterns = [path("", include(f"studies.{room}.urls")) for room in ("rating", "research", "operations")]
