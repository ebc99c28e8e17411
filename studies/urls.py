from django.contrib.auth import views as auth
from django.urls import path, re_path

from studies.views import rating, research

rater_patterns = [
    path("i/<slug:token>/", rating.invitation, name="invitation"),
    path("study/", rating.home, name="rater-home"),
    path("study/agree/", rating.agree, name="agree"),
    path("study/calibrated/", rating.calibrated, name="calibrated"),
    path("study/upcoming/", rating.upcoming, name="upcoming"),
    path("study/rate/<slug:token>/", rating.rate, name="rate"),
    path("study/withdraw/", rating.withdraw, name="withdraw"),
    path("image/<slug:token>", rating.image, name="image"),
]

research_patterns = [
    path("", research.front, name="front"),
    path("health", research.health, name="health"),
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("studies/", research.study_list, name="study-list"),
    path("new/", research.create, name="study-new"),
    path("new/paper/", research.create_paper, name="study-new-paper"),
    path("studies/<slug:name>/", research.overview, name="study"),
    path("studies/<slug:name>/edit/", research.edit, name="study-edit"),
    re_path(
        r"^studies/(?P<name>[-\w]+)/(?P<action>launch|close|reopen|generate|retry)/$", research.act, name="study-act"
    ),
    path("studies/<slug:name>/images/", research.images, name="study-images"),
    path("studies/<slug:name>/clone/", research.clone, name="study-clone"),
    path("studies/<slug:name>/preview/", research.preview, name="study-preview"),
    path("studies/<slug:name>/raters/", research.raters, name="raters"),
    path("studies/<slug:name>/raters/<int:pk>/revoke/", research.revoke, name="rater-revoke"),
    path("studies/<slug:name>/results/", research.results, name="results"),
    path("studies/<slug:name>/report/", research.order_report, name="report-order"),
    path("studies/<slug:name>/report/<int:pk>.zip", research.report, name="report"),
    re_path(
        r"^studies/(?P<name>[-\w]+)/(?P<table>ratings|objective)\.(?P<kind>csv|parquet)$",
        research.download,
        name="download",
    ),
]

urlpatterns = rater_patterns + research_patterns
