"""The admin is for staff accounts; of studies it shows what there is and changes nothing.

Content is imported, studies live by studies.research.setup, and what raters did is nobody's to edit.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from studies.models import Benchmark, Method, SourceImage, Stimulus, StudyEvent, Worker


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Benchmark)
class BenchmarkAdmin(ReadOnly):
    list_display = (
        "name",
        "scale",
        "created_at",
    )


@admin.register(SourceImage)
class SourceImageAdmin(ReadOnly):
    list_display = (
        "name",
        "benchmark",
        "width",
        "height",
        "mode",
    )
    list_filter = ("benchmark",)


@admin.register(Method)
class MethodAdmin(ReadOnly):
    list_display = (
        "name",
        "display_name",
        "kind",
    )


@admin.register(Stimulus)
class StimulusAdmin(ReadOnly):
    list_display = (
        "source",
        "method",
        "state",
        "origin",
        "psnr",
        "ssim",
        "seconds",
        "device",
        "sees",
    )
    list_filter = (
        "state",
        "method",
        "source__benchmark",
    )


@admin.register(StudyEvent)
class StudyEventAdmin(ReadOnly):
    list_select_related = ("study",)
    list_display = (
        "at",
        "study",
        "kind",
        "rater",
    )
    list_filter = (
        "study",
        "kind",
    )


@admin.register(Worker)
class WorkerAdmin(ReadOnly):
    list_display = (
        "name",
        "queues",
        "unfit",
        "code_version",
        "seen_at",
    )
