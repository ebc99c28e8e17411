"""The addresses that raters meet."""

from django.urls import path

from studies.rating import views

urlpatterns = [
    path("i/<slug:token>/", views.invitation, name="invitation"),
    path("study/", views.home, name="rater-home"),
    path("study/agree/", views.agree, name="agree"),
    path("study/calibrated/", views.calibrated, name="calibrated"),
    path("study/practised/", views.practised, name="practised"),
    path("study/upcoming/", views.upcoming, name="upcoming"),
    path("study/rate/<slug:token>/", views.rate, name="rate"),
    path("study/undo/<slug:token>/", views.undo, name="undo"),
    path("study/withdraw/", views.withdraw, name="withdraw"),
    path("image/<slug:token>", views.image, name="image"),
]
