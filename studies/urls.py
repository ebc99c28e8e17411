from django.urls import path

from studies.views import rating, research

rater_patterns = [
    path("i/<str:token>/", rating.invitation, name="invitation"),
    path("study/", rating.home, name="rater-home"),
    path("study/agree/", rating.agree, name="agree"),
    path("study/calibrated/", rating.calibrated, name="calibrated"),
    path("study/upcoming/", rating.upcoming, name="upcoming"),
    path("study/rate/<str:token>/", rating.rate, name="rate"),
    path("study/withdraw/", rating.withdraw, name="withdraw"),
    path("image/<str:token>", rating.image, name="image"),
]

research_patterns: list = []

urlpatterns = rater_patterns + research_patterns
