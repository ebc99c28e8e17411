"""The addresses that staff meet, and what a stranger may see."""

from django.contrib.auth import views as auth
from django.urls import path, re_path

from studies.research import views

urlpatterns = [
    path("", views.front, name="front"),
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("studies/", views.study_list, name="study-list"),
    path("new/", views.create, name="study-new"),
    path("new/paper/", views.create_paper, name="study-new-paper"),
    path("studies/<slug:name>/", views.overview, name="study"),
    path("studies/<slug:name>/edit/", views.edit, name="study-edit"),
    re_path(
        r"^studies/(?P<name>[-\w]+)/(?P<action>launch|close|reopen|generate|retry)/$", views.act, name="study-act"
    ),
    path("studies/<slug:name>/images/", views.images, name="study-images"),
    path("studies/<slug:name>/clone/", views.clone, name="study-clone"),
    path("studies/<slug:name>/preview/", views.preview, name="study-preview"),
    path("studies/<slug:name>/raters/", views.raters, name="raters"),
    path("studies/<slug:name>/raters/<int:pk>/revoke/", views.revoke, name="rater-revoke"),
    path("studies/<slug:name>/protocol.json", views.protocol, name="study-protocol"),
    path("studies/<slug:name>/results/", views.results, name="results"),
    path("studies/<slug:name>/report/", views.order_report, name="report-order"),
    path("studies/<slug:name>/report/<int:pk>.zip", views.report, name="report"),
    re_path(
        r"^studies/(?P<name>[-\w]+)/(?P<table>ratings|objective)\.(?P<kind>csv|parquet)$",
        views.download,
        name="download",
    ),
]
