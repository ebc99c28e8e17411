"""The addresses that raters meet."""

from django.urls import path

from studies.rating import device_views, joining, views

urlpatterns = [
    path("i/<slug:token>/", views.invitation, name="invitation"),
    path("join/<slug:link>/", joining.join, name="join"),
    path("join/<slug:link>/full/", joining.full, name="join-full"),
    path("withdraw/", joining.withdraw_with_code, name="withdraw-code"),
    path("study/decline/", joining.decline, name="decline"),
    path("study/", views.home, name="rater-home"),
    path("study/agree/", views.agree, name="agree"),
    path("study/device/", device_views.device, name="device"),
    path("study/device/<slug:token>/<slug:what>.png", device_views.drawing, name="device-drawing"),
    path("study/questions/", views.answer_questions, name="questions"),
    path("study/calibrated/", views.calibrated, name="calibrated"),
    path("study/practised/", views.practised, name="practised"),
    path("study/upcoming/", views.upcoming, name="upcoming"),
    path("study/rate/<slug:token>/", views.rate, name="rate"),
    path("study/undo/<slug:token>/", views.undo, name="undo"),
    path("study/withdraw/", views.withdraw, name="withdraw"),
    path("image/<slug:token>", views.image, name="image"),
    path("image/<slug:token>/right", views.image, {"which": "right"}, name="right-image"),
    path("image/<slug:token>/original", views.image, {"which": "original"}, name="original-image"),
    path("image/<slug:token>/whole", views.whole_image, name="whole-image"),
]
